//! Migrations: while replicas are updated one by one, the old program runs on the new schema. So a migration
//! only adds; what takes away, renames or demands says in a `-- contract:` note since which version nothing
//! uses it any more.

use std::path::Path;

use anyhow::{Context, Result};

use super::{Finding, listed};

const NOTE: &str = "-- contract:";

/// Migrations that the version before would not survive, without a note.
pub fn check(root: &Path) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for path in listed(root)? {
        let is_migration = path.starts_with("migrations") && path.extension().is_some_and(|end| end == "sql");
        if is_migration {
            let text = std::fs::read_to_string(root.join(&path))
                .with_context(|| format!("cannot read {}", path.display()))?;
            findings.extend(of_text(&path.to_string_lossy(), &text));
        }
    }
    Ok(findings)
}

fn of_text(path: &str, text: &str) -> Vec<Finding> {
    if text.lines().any(|line| line.strip_prefix(NOTE).is_some_and(|why| !why.trim().is_empty())) {
        return Vec::new();
    }
    let code: String =
        text.lines().map(|line| line.split("--").next().unwrap_or_default()).collect::<Vec<_>>().join("\n");
    code.split(';')
        .filter_map(|statement| {
            let words =
                format!(" {} ", statement.to_uppercase().split_whitespace().collect::<Vec<_>>().join(" "));
            let wrong = breaks_the_old(&words)?;
            let shown: String = words.trim().chars().take(60).collect();
            let rule = format!("{wrong} breaks the version before: only add, or say `{NOTE} …` ({shown})");
            Some(Finding::new(path, rule))
        })
        .collect()
}

/// What in a statement (upper case, single blanks) the version before would not survive.
fn breaks_the_old(statement: &str) -> Option<&'static str> {
    if statement.contains(" DROP ") {
        return Some("DROP");
    }
    if statement.contains(" RENAME ") {
        return Some("RENAME");
    }
    if statement.contains(" SET NOT NULL ") {
        return Some("SET NOT NULL");
    }
    let adds = statement.contains(" ALTER TABLE ") && statement.contains(" ADD ");
    let demands = statement.contains(" NOT NULL") && !statement.contains(" DEFAULT ");
    (adds && demands).then_some("a new column that is NOT NULL without a DEFAULT")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_away_renames_or_demands_needs_a_note() {
        let count = |text: &str| of_text("migrations/sqlite/1_x.sql", text).len();
        for wrong in [
            "ALTER TABLE jobs DROP COLUMN name;",
            "drop table\n jobs;",
            "ALTER TABLE jobs RENAME COLUMN a TO b;",
            "ALTER TABLE jobs ALTER COLUMN a SET NOT NULL;",
            "ALTER TABLE jobs ADD COLUMN a TEXT NOT NULL;",
        ] {
            assert_eq!(count(wrong), 1, "{wrong}");
            assert_eq!(count(&format!("-- contract: unused since 0.3\n{wrong}")), 0, "{wrong}");
            assert_eq!(count(&format!("-- contract:\n{wrong}")), 1, "a note says why: {wrong}");
        }
        for right in [
            "-- we DROP nothing\nALTER TABLE jobs ADD COLUMN a TEXT;",
            "ALTER TABLE jobs ADD COLUMN a BIGINT NOT NULL DEFAULT 0;",
            "CREATE TABLE drops (renamed TEXT NOT NULL);",
            "UPDATE jobs SET a = 1 WHERE b IS NOT NULL;",
        ] {
            assert_eq!(count(right), 0, "{right}");
        }
    }
}
