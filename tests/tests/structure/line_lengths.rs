//! Checks that comments and prose fit into 100 columns. rustfmt checks the code itself.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::workspace::{root, rust_files};

const COLUMNS_MAX: usize = 100;
/// Endings of files whose comments begin with `#`.
const HASH_COMMENTS: [&str; 5] = ["yaml", "yml", "tpl", "toml", "sh"];
/// What programs of this repository write.
const GENERATED: [&str; 2] = ["tests/tests/charts/golden", "charts/msg2agent-crds/templates"];

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
    let pages = tracked_files(&["md"]);
    assert!(pages.len() > 15, "{pages:?}");
    let mut long = Vec::new();
    for page in pages {
        let text = std::fs::read_to_string(root().join(&page)).expect("a readable page");
        report(&page, text.lines().map(Some), &mut long);
    }
    assert!(long.is_empty(), "{} lines:\n{}", long.len(), long.join("\n"));
}

#[test]
fn comments_of_charts_settings_and_scripts_fit_into_100_columns() {
    let mut files = tracked_files(&HASH_COMMENTS);
    files.retain(|file| !GENERATED.iter().any(|folder| file.starts_with(folder)));
    assert!(files.len() > 40, "{files:?}");
    let mut long = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(root().join(&file)).expect("a readable file");
        report(&file, text.lines().map(|line| is_hash_comment(line).then_some(line)), &mut long);
    }
    assert!(long.is_empty(), "{} lines:\n{}", long.len(), long.join("\n"));
}

/// Whether a line is a comment of YAML, TOML or a shell, or begins one of a template.
fn is_hash_comment(line: &str) -> bool {
    let line = line.trim_start();
    ["#", "{{/*", "{{- /*"].iter().any(|start| line.starts_with(start))
}

/// The files with one of these endings that git tracks and that exist. A repository of another user
/// is read too, because the tests may run as root.
fn tracked_files(endings: &[&str]) -> Vec<PathBuf> {
    let git = Command::new("git")
        .args(["-c", "safe.directory=*", "ls-files", "-z"])
        .current_dir(root())
        .output()
        .expect("a git that starts");
    assert!(git.status.success(), "git ls-files: {}", String::from_utf8_lossy(&git.stderr));
    let paths = String::from_utf8(git.stdout).expect("paths in UTF-8");
    let mut files: Vec<_> = paths.split_terminator('\0').map(PathBuf::from).collect();
    files.retain(|file| file.extension().is_some_and(|found| endings.iter().any(|ending| found == *ending)));
    files.retain(|file| root().join(file).is_file());
    files
}

/// Adds the lines that are too long. A line that is not prose ends a code block that was left open.
fn report<'a>(path: &Path, lines: impl Iterator<Item = Option<&'a str>>, long: &mut Vec<String>) {
    let mut in_code = false;
    for (number, line) in lines.enumerate() {
        let Some(line) = line else {
            in_code = false;
            continue;
        };
        let text = line.trim_start().trim_start_matches(['/', '!', '#']).trim_start();
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
fn comments_of_scripts_and_templates_are_recognised() {
    assert!(["# a", "  # a", "{{/* a */}}", "{{- /* a */}}"].into_iter().all(is_hash_comment));
    assert!(!["a: b # c", "{{ a }}", ""].into_iter().any(is_hash_comment));
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
