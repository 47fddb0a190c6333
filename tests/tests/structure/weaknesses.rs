//! `docs/weaknesses.md` names the test that answers each weakness: such a test exists, and no row
//! is without an answer.

use std::path::Path;

/// Words of a reason that stands for a test; fewer say nothing.
const REASON_WORDS_MIN: usize = 5;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace")
}

fn page() -> String {
    std::fs::read_to_string(root().join("docs/weaknesses.md")).expect("docs/weaknesses.md")
}

#[test]
fn every_test_that_answers_a_weakness_exists() {
    let page = page();
    let named: Vec<_> = page.split('`').filter_map(|part| part.split_once(".rs::")).collect();
    let missing: Vec<_> = named
        .iter()
        .filter(|(file, test)| {
            let source = std::fs::read_to_string(root().join(format!("{file}.rs"))).unwrap_or_default();
            !source.contains(&format!("fn {test}("))
        })
        .collect();
    assert!(named.len() > 30, "found only {} tests in the page", named.len());
    assert!(missing.is_empty(), "named in docs/weaknesses.md, but not there: {missing:?}");
}

#[test]
fn every_weakness_has_a_test_or_a_reason() {
    let page = page();
    let rows: Vec<Vec<_>> = page
        .lines()
        .filter(|line| line.starts_with("| W"))
        .map(|line| line.split('|').map(str::trim).collect())
        .collect();
    let unanswered: Vec<_> = rows
        .iter()
        .filter(|row| {
            let answer = row.get(3).copied().unwrap_or_default();
            !answer.contains(".rs::") && answer.split(' ').count() < REASON_WORDS_MIN
        })
        .collect();
    assert!(rows.len() > 40, "found only {} rows in the page", rows.len());
    assert!(unanswered.is_empty(), "without a test and without a reason: {unanswered:?}");
}
