//! Who may name whom inside a crate (ARCHITECTURE.md, code map): dependencies run one way.

use super::{Finding, Source};

/// Folder, what it must not name, and why.
const FORBIDDEN: &[(&str, &[&str], &str)] = &[
    (
        "cloud/src/store/",
        &["actix", "crate::http", "crate::agents", "crate::views", "handlebars"],
        "the store knows SQL and the domain only",
    ),
    (
        "cloud/src/blobs/",
        &["actix", "sqlx", "crate::http", "crate::agents", "crate::views"],
        "blobs know bytes only",
    ),
    (
        "cloud/src/agents/",
        &["actix_web", "sqlx", "handlebars", "crate::http", "crate::views"],
        "actors know the domain, the store and blobs only",
    ),
    (
        "cloud/src/views/",
        &["actix", "sqlx", "crate::http", "crate::agents", "crate::store"],
        "views know their models only",
    ),
    ("cloud/src/http/", &["sqlx"], "SQL stands in the store only"),
    ("cloud/src/ingest/", &["sqlx", "crate::http", "crate::agents"], "ingest knows the store and blobs only"),
    ("worker/src/engines/", &["actix", "crate::agents"], "engines know no actor"),
    ("worker/src/spool/", &["actix", "crate::agents"], "the spool knows no actor"),
    ("worker/src/machine/", &["actix", "crate::agents"], "the machine knows no actor"),
    ("actors/src/protocol/", &["actix", "tokio", "tracing"], "the wire is plain data"),
];

/// Names used where they must not be.
pub fn check(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources {
        for (folder, names, reason) in FORBIDDEN {
            if !source.path.starts_with(folder) {
                continue;
            }
            for (number, line) in source.production().iter().enumerate() {
                let code = line.split("//").next().unwrap_or_default();
                if let Some(name) = names.iter().find(|name| names_crate(code, name)) {
                    let place = format!("{}:{}", source.path, number + 1);
                    findings.push(Finding::new(place, format!("names {name}: {reason}")));
                }
            }
        }
    }
    findings
}

/// Whether code names the crate or module `name` as a path.
fn names_crate(code: &str, name: &str) -> bool {
    code.match_indices(name).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = &code[at + name.len()..];
        let starts = !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':');
        starts && (after.starts_with("::") || after.starts_with(';') || after.starts_with('_'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forbidden_name_is_found_and_comments_are_not() {
        let source = |text: &str| Source { path: "cloud/src/store/jobs.rs".into(), text: text.into() };
        assert_eq!(check(&[source("use actix_web::web;\n")]).len(), 1);
        assert_eq!(check(&[source("// use actix_web::web;\nuse sqlx::Row;\n")]).len(), 0);
        assert_eq!(check(&[source("use crate::http::problem;\n")]).len(), 1);
    }
}
