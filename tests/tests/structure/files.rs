//! Checks that every Rust file is short and starts by saying its role in a sentence.

use crate::workspace::rust_files;

/// More is two things in one file.
const LINES_MAX: usize = 400;

/// Words that begin a clause without subject and verb, such as "What a person is asked".
const HEADLESS: [&str; 9] = ["What", "Who", "Whom", "Whose", "Which", "Whether", "How", "Where", "Why"];

#[test]
fn every_file_starts_by_saying_its_role() {
    let silent: Vec<_> =
        rust_files().into_iter().filter(|(_, text)| !text.starts_with("//!")).map(|(path, _)| path).collect();
    assert!(silent.is_empty(), "{silent:?}");
}

#[test]
fn every_header_is_a_sentence() {
    let mut wrong = Vec::new();
    for (path, text) in rust_files() {
        let header = header(&text);
        let first = header.split_whitespace().next().unwrap_or_default();
        if !header.ends_with('.') || HEADLESS.contains(&first) {
            wrong.push(format!("{}: {header}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{} headers:\n{}", wrong.len(), wrong.join("\n"));
}

/// The first paragraph of a file's header.
fn header(text: &str) -> String {
    let lines = text.lines().map_while(|line| line.strip_prefix("//!"));
    let paragraph: Vec<_> = lines.map(str::trim).take_while(|line| !line.is_empty()).collect();
    paragraph.join(" ")
}

#[test]
fn no_file_has_more_than_400_lines() {
    let long: Vec<_> = rust_files()
        .into_iter()
        .map(|(path, text)| (path, text.lines().count()))
        .filter(|(_, lines)| *lines > LINES_MAX)
        .collect();
    assert!(long.is_empty(), "{long:?}");
}
