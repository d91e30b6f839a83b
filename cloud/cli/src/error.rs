//! What can go wrong, and the exit code that tells a script which it was.

use std::fmt;

use pictor_cloud_api::problem::{FieldProblem, Problem};
use serde_json::{Value, json};

/// A failure with its kind.
#[derive(Debug)]
pub struct Failure {
    kind: Kind,
    message: String,
    /// The cloud's own code for it, where the cloud answered with one.
    code: Option<String>,
    fields: Vec<FieldProblem>,
}

/// Kinds of failures, each with an exit code of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It was tried and did not work out.
    Failed,
    /// The call makes no sense.
    Usage,
    /// No such thing.
    NotFound,
    /// No token, or it may not do that.
    Auth,
    /// The state does not allow it.
    Conflict,
    /// The cloud could not be reached or is busy.
    Network,
}

impl Failure {
    /// A failure of this kind.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), code: None, fields: Vec::new() }
    }

    /// The general kind.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(Kind::Failed, message)
    }

    /// What the cloud answered, in its words.
    pub fn from_problem(problem: &Problem) -> Self {
        let kind = match problem.status {
            400 | 413 | 416 | 422 => Kind::Usage,
            401 | 403 => Kind::Auth,
            404 | 410 => Kind::NotFound,
            409 | 412 => Kind::Conflict,
            429 | 502..=504 => Kind::Network,
            _ => Kind::Failed,
        };
        // The detail of a problem with fields is these fields once more.
        let mut message = match problem.fields.as_slice() {
            [] if problem.detail.is_empty() => problem.title.clone(),
            [] => problem.detail.clone(),
            [one] => format!("{}: {}", one.field, one.message),
            several => several.iter().fold(problem.title.clone(), |message, one| {
                format!("{message}\n  {}: {}", one.field, one.message)
            }),
        };
        if let (500.., Some(request)) = (problem.status, &problem.request_id) {
            message.push_str(&format!(" (request {request})"));
        }
        Self { kind, message, code: Some(problem.code.clone()), fields: problem.fields.clone() }
    }

    /// The process's exit code.
    pub const fn exit_code(&self) -> u8 {
        self.kind.told().1
    }

    /// For a program: one object, with everything that is known.
    pub fn to_json(&self) -> Value {
        let (kind, exit_code) = self.kind.told();
        let Self { message, code, fields, .. } = self;
        json!({ "error": {
            "kind": kind, "exit_code": exit_code, "message": message, "code": code, "fields": fields,
        } })
    }
}

impl Kind {
    /// Its word and its exit code.
    const fn told(self) -> (&'static str, u8) {
        match self {
            Self::Failed => ("failed", 1),
            Self::Usage => ("usage", 2),
            Self::NotFound => ("not_found", 3),
            Self::Auth => ("auth", 4),
            Self::Conflict => ("conflict", 5),
            Self::Network => ("network", 7),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::failed(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pictor_cloud_api::problem::{FieldProblem, ProblemCode};

    /// The table is part of the interface: scripts rely on it.
    #[test]
    fn every_problem_code_has_its_exit_code() {
        let table: Vec<String> = ProblemCode::ALL
            .iter()
            .map(|code| {
                let problem = Problem {
                    kind: String::new(),
                    title: code.title().into(),
                    status: code.status(),
                    detail: String::new(),
                    code: code.code().into(),
                    request_id: None,
                    retry_after_ms: None,
                    fields: Vec::new(),
                };
                format!("{:<22} {}", code.code(), Failure::from_problem(&problem).exit_code())
            })
            .collect();
        insta::assert_snapshot!(table.join("\n"));
    }
    #[test]
    fn what_is_wrong_with_fields_is_said_once() {
        let field = |name: &str| FieldProblem { field: name.into(), message: format!("wrong {name}") };
        let said = |fields: Vec<FieldProblem>, detail: &str| {
            let problem = Problem {
                kind: String::new(),
                title: "not allowed".into(),
                status: 422,
                detail: detail.into(),
                code: "invalid_input".into(),
                request_id: None,
                retry_after_ms: None,
                fields,
            };
            Failure::from_problem(&problem).to_string()
        };
        assert_eq!(said(vec![], "too long"), "too long");
        assert_eq!(said(vec![], ""), "not allowed");
        assert_eq!(said(vec![field("name")], "name: wrong name"), "name: wrong name");
        let both = said(vec![field("name"), field("frames")], "name: wrong name; frames: wrong frames");
        assert_eq!(both, "not allowed\n  name: wrong name\n  frames: wrong frames");
    }
}
