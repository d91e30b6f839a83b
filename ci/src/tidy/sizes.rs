//! Sizes: a file that outgrows a screen or two, or a function that does, is cut by responsibility.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;

use super::{Finding, Source, is_test_path, listed};

const FILE_LINES_MAX: usize = 500;
const TEST_FILE_LINES_MAX: usize = 800;
const FUNCTION_LINES_MAX: usize = 70;
const COLUMNS_MAX: usize = 110;
const FOLDER_ENTRIES_MAX: usize = 15;

/// File, function and line lengths.
pub fn check(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources {
        let (lines, limit) = if is_test_path(&source.path) {
            (source.text.lines().count(), TEST_FILE_LINES_MAX)
        } else {
            (source.production().len(), FILE_LINES_MAX)
        };
        if lines > limit {
            findings.push(Finding::new(&source.path, format!("{lines} lines, more than {limit}: cut it")));
        }
        for (number, line) in source.text.lines().enumerate() {
            let columns = line.chars().count();
            if columns > COLUMNS_MAX {
                let place = format!("{}:{}", source.path, number + 1);
                findings.push(Finding::new(place, format!("{columns} columns, more than {COLUMNS_MAX}")));
            }
        }
        if source.path.ends_with(".rs") {
            findings.extend(functions(source));
        }
    }
    findings
}

/// Lengths of functions, found by rustfmt's indentation: a function ends at the brace below its `fn`.
fn functions(source: &Source) -> Vec<Finding> {
    let lines = source.production();
    let mut findings = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let indent = indent_of(line);
        if !is_function_head(line.trim_start()) {
            continue;
        }
        let own: Vec<(usize, &str)> = lines[start..]
            .iter()
            .map(|later| later.trim_end())
            .enumerate()
            .filter(|(_, l)| indent_of(l) == indent)
            .collect();
        // A signature over several lines ends at its own indentation too: with a body, or without in a trait.
        let opens = own
            .iter()
            .find(|(_, later)| later.ends_with('{') || later.ends_with(';') || later.ends_with('}'));
        if !opens.is_some_and(|(_, opening)| opening.ends_with('{')) {
            continue;
        }
        let end = own.iter().find(|(_, later)| later.trim_start() == "}").map(|(at, _)| *at);
        let length = end.map_or(0, |end| end + 1);
        if length > FUNCTION_LINES_MAX {
            let place = format!("{}:{}", source.path, start + 1);
            findings.push(Finding::new(
                place,
                format!("a function of {length} lines, more than {FUNCTION_LINES_MAX}"),
            ));
        }
    }
    findings
}

fn indent_of(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

fn is_function_head(line: &str) -> bool {
    let mut words = line.split_whitespace().skip_while(|word| {
        word.starts_with("pub") || matches!(*word, "async" | "const" | "unsafe" | "extern" | "\"C\"")
    });
    words.next() == Some("fn") && !line.trim_end().ends_with(';')
}

/// Entries of source folders: a long list of neighbours hides the structure.
pub fn folders(root: &Path) -> Result<Vec<Finding>> {
    let mut entries: BTreeMap<String, std::collections::BTreeSet<String>> = BTreeMap::new();
    for path in listed(root)? {
        let parts: Vec<String> = path.iter().map(|part| part.to_string_lossy().into_owned()).collect();
        for depth in 1..parts.len() {
            entries.entry(parts[..depth].join("/")).or_default().insert(parts[depth].clone());
        }
    }
    let is_list = |folder: &str| {
        // Flat lists of one kind: frozen samples, snapshots, migrations.
        folder.contains("/snapshots") || folder.contains("tests/wire") || folder.starts_with("migrations")
    };
    Ok(entries
        .into_iter()
        .filter(|(folder, names)| names.len() > FOLDER_ENTRIES_MAX && !is_list(folder))
        .map(|(folder, names)| {
            Finding::new(
                folder,
                format!("{} entries, more than {FOLDER_ENTRIES_MAX}: group them", names.len()),
            )
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(path: &str, text: String) -> Source {
        Source { path: path.into(), text }
    }

    #[test]
    fn a_long_trait_of_short_declarations_is_no_long_function() {
        let declaration = "    fn one(\n        &self,\n    ) -> u32;\n".repeat(40);
        assert_eq!(
            check(&[source("a/src/lib.rs", format!("pub trait Many {{\n{declaration}}}\n"))]).len(),
            0
        );
    }

    #[test]
    fn long_files_functions_and_lines_are_found_and_tests_do_not_count() {
        let body = "    let x = 1;\n".repeat(80);
        let long_function = format!("pub async fn long() {{\n{body}}}\n");
        assert_eq!(check(&[source("a/src/lib.rs", long_function.clone())]).len(), 1);
        let in_tests = format!("fn short() {{}}\n#[cfg(test)]\nmod tests {{\n{long_function}}}\n");
        assert_eq!(check(&[source("a/src/lib.rs", in_tests)]).len(), 0);
        assert_eq!(check(&[source("a/src/lib.rs", "//\n".repeat(501))]).len(), 1);
        assert_eq!(check(&[source("a/tests/it.rs", "//\n".repeat(501))]).len(), 0);
        assert_eq!(check(&[source("a/src/lib.rs", format!("// {}\n", "x".repeat(108)))]).len(), 1);
    }
}
