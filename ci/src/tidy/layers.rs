//! Who may name whom inside a crate (ARCHITECTURE.md, code map): dependencies run one way.

use super::{Finding, Source};

/// Folder, what it must not name, and why.
const FORBIDDEN: &[(&str, &[&str], &str)] = &[
    (
        "cloud/src/store/",
        &["actix", "crate::http", "crate::agents", "crate::views"],
        "the store knows SQL and the domain only",
    ),
    ("cloud/src/blobs/", &["actix", "crate::http", "crate::agents", "crate::views"], "blobs know bytes only"),
    (
        "cloud/src/bus/",
        &["actix", "sqlx", "crate::http", "crate::agents", "crate::store", "crate::views"],
        "the bus knows names of things only",
    ),
    (
        "cloud/src/agents/",
        &["crate::http", "crate::views"],
        "actors know the domain, the store and blobs only",
    ),
    (
        "cloud/src/views/",
        &["actix", "crate::http", "crate::agents", "crate::store"],
        "views know their models only",
    ),
    ("cloud/src/ingest/", &["crate::http", "crate::agents"], "ingest knows the store and blobs only"),
    ("worker/src/engines/", &["actix", "crate::agents"], "engines know no actor"),
    ("worker/src/spool/", &["actix", "crate::agents"], "the spool knows no actor"),
    ("worker/src/machine/", &["actix", "crate::agents"], "the machine knows no actor"),
    ("actors/src/protocol/", &["actix", "tokio", "tracing"], "the wire is plain data"),
];

/// The only folder of the cloud that may name these, and why.
const HOME: &[(&str, &[&str], &str)] = &[
    (
        "cloud/src/http/",
        &["actix_web", "actix_ws", "actix_multipart"],
        "the web framework stands in cloud/src/http only",
    ),
    ("cloud/src/store/", &["sqlx"], "SQL stands in cloud/src/store only"),
    ("cloud/src/views/", &["handlebars"], "templates are known in cloud/src/views only"),
];

/// Names used where they must not be; one finding a line.
pub fn check(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources {
        let rules: Vec<_> = rules_of(&source.path).collect();
        for (number, line) in source.production().iter().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            let broken = rules.iter().find_map(|(names, reason)| {
                names
                    .iter()
                    .find(|name| names_crate(code, name))
                    .map(|name| format!("names {name}: {reason}"))
            });
            if let Some(rule) = broken {
                findings.push(Finding::new(format!("{}:{}", source.path, number + 1), rule));
            }
        }
    }
    findings
}

/// What a file must not name, and why.
fn rules_of(path: &str) -> impl Iterator<Item = (&'static [&'static str], &'static str)> {
    let forbidden = FORBIDDEN.iter().filter(move |(folder, _, _)| path.starts_with(folder));
    let away = move |home: &str| path.starts_with("cloud/src/") && !path.starts_with(home);
    let homeless = HOME.iter().filter(move |(home, _, _)| away(home));
    forbidden.chain(homeless).map(|(_, names, reason)| (*names, *reason))
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
    fn the_web_framework_sql_and_templates_have_one_home_each() {
        let found = |path: &str, text: &str| check(&[Source { path: path.into(), text: text.into() }]).len();
        for (text, home) in [
            ("use actix_web::web::Data;\n", "cloud/src/http/server.rs"),
            ("    sqlx::query(\"\");\n", "cloud/src/store/jobs.rs"),
            ("use handlebars::Helper;\n", "cloud/src/views/helpers.rs"),
        ] {
            assert_eq!(found(home, text), 0, "{home}");
            for elsewhere in ["cloud/src/boot.rs", "cloud/src/cli/mod.rs", "cloud/src/config/load.rs"] {
                assert_eq!(found(elsewhere, text), 1, "{text} in {elsewhere}");
            }
        }
        assert_eq!(found("cloud/src/boot.rs", "actix_rt::spawn(async {});\n"), 0);
    }

    #[test]
    fn a_forbidden_name_is_found_and_comments_are_not() {
        let source = |text: &str| Source { path: "cloud/src/store/jobs.rs".into(), text: text.into() };
        assert_eq!(check(&[source("use actix_web::web;\n")]).len(), 1);
        assert_eq!(check(&[source("// use actix_web::web;\nuse sqlx::Row;\n")]).len(), 0);
        assert_eq!(check(&[source("use crate::http::problem;\n")]).len(), 1);
    }
}
