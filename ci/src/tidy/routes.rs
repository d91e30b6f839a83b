//! Routes: every address the cloud answers stands in one table.

use super::{Finding, Source};

const TABLE: &str = "cloud/src/http/routes.rs";
/// Ways to register a handler with actix-web.
const WAYS: &[&str] =
    &[".route(", "web::resource(", "web::scope(", "#[get(", "#[post(", "#[put(", "#[patch(", "#[delete("];

/// Handlers registered outside the table.
pub fn check(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in
        sources.iter().filter(|source| source.path.starts_with("cloud/src/") && source.path != TABLE)
    {
        for (number, line) in source.production().iter().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            if let Some(way) = WAYS.iter().find(|way| code.contains(*way)) {
                let place = format!("{}:{}", source.path, number + 1);
                findings.push(Finding::new(place, format!("{way} … belongs into {TABLE}")));
            }
        }
    }
    findings
}
