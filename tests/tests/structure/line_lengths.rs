//! Checks that comments and prose fit into 100 columns. rustfmt checks the code itself.

use std::path::Path;

use crate::workspace::{files_below, root, rust_files};

const COLUMNS_MAX: usize = 100;

#[test]
fn comment_lines_fit_into_100_columns() {
    let mut long = Vec::new();
    for (path, text) in rust_files() {
        let comments = text.lines().map(|line| line.trim_start().strip_prefix("//").map(|_| line));
        report(&path, comments, &mut long);
    }
    assert!(long.is_empty(), "{} lines:\n{}", long.len(), long.join("\n"));
}

#[test]
fn prose_of_markdown_fits_into_100_columns() {
    let mut pages: Vec<_> = files_below(Path::new("docs"));
    pages.extend(["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md"].map(Into::into));
    pages.retain(|page| page.extension().is_some_and(|extension| extension == "md"));
    assert!(pages.len() > 8, "{pages:?}");
    let mut long = Vec::new();
    for page in pages {
        let text = std::fs::read_to_string(root().join(&page)).expect("a readable page");
        report(&page, text.lines().map(Some), &mut long);
    }
    assert!(long.is_empty(), "{} lines:\n{}", long.len(), long.join("\n"));
}

/// Adds the lines that are too long. A line that is not prose ends a code block that was left open.
fn report<'a>(path: &Path, lines: impl Iterator<Item = Option<&'a str>>, long: &mut Vec<String>) {
    let mut in_code = false;
    for (number, line) in lines.enumerate() {
        let Some(line) = line else {
            in_code = false;
            continue;
        };
        let text = line.trim_start().trim_start_matches(['/', '!']).trim_start();
        if text.starts_with("```") {
            in_code = !in_code;
        }
        let is_table = text.starts_with('|');
        if line.chars().count() > COLUMNS_MAX && !in_code && !is_table && can_break(text) {
            long.push(format!("{}:{}: {} columns", path.display(), number + 1, line.chars().count()));
        }
    }
}

/// Whether the text, without the marker of a list and a label such as `Test:`, has more than one
/// word.
fn can_break(text: &str) -> bool {
    let text = text.trim_start_matches(['-', '*', ' ']);
    let text = text.split_once(": ").filter(|(label, _)| !label.contains(' ')).map_or(text, |(_, rest)| rest);
    text.trim().contains(' ')
}

#[test]
fn only_lines_that_can_be_broken_are_reported() {
    let word = "x".repeat(COLUMNS_MAX);
    let lines = [
        "short".to_owned(),
        format!("two {word}"),
        format!("- Test: `{word}`"),
        format!("| a | {word} |"),
        "```".to_owned(),
        format!("let a = {word}"),
        "```".to_owned(),
    ];
    let mut long = Vec::new();
    report(Path::new("page.md"), lines.iter().map(|line| Some(line.as_str())), &mut long);
    assert_eq!(long, ["page.md:2: 104 columns"]);
}
