//! Checks that the tests named in `docs/weaknesses.md` exist, and that every weakness has a test or
//! a reason.

use std::collections::BTreeSet;

use crate::workspace::root;

/// Words of a reason that is given in place of a test; fewer say nothing.
const REASON_WORDS_MIN: usize = 5;

/// One entry of the page: `### W1 A sentence.` and a list.
struct Weakness {
    id: String,
    sentence: String,
    items: Vec<String>,
}

fn page() -> String {
    std::fs::read_to_string(root().join("docs/weaknesses.md")).expect("docs/weaknesses.md")
}

fn weaknesses(page: &str) -> Vec<Weakness> {
    let entries = page.split("\n### ").skip(1);
    let parsed = entries.map(|entry| {
        let (heading, body) = entry.split_once('\n').unwrap_or((entry, ""));
        let (id, sentence) = heading.split_once(' ').unwrap_or((heading, ""));
        let body = body.split("\n## ").next().unwrap_or_default();
        Weakness { id: id.to_owned(), sentence: sentence.to_owned(), items: items(body) }
    });
    parsed.collect()
}

/// List items, their continued lines joined.
fn items(body: &str) -> Vec<String> {
    let mut items: Vec<String> = Vec::new();
    for line in body.lines() {
        if let Some(item) = line.strip_prefix("- ") {
            items.push(item.to_owned());
        } else if let (Some(item), true) = (items.last_mut(), line.starts_with("  ")) {
            item.push(' ');
            item.push_str(line.trim());
        }
    }
    items
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
    let weaknesses = weaknesses(&page());
    let unanswered: Vec<_> =
        weaknesses.iter().filter(|weakness| !is_answered(weakness)).map(|w| &w.id).collect();
    assert!(weaknesses.len() > 70, "found only {} weaknesses", weaknesses.len());
    assert!(unanswered.is_empty(), "without a test and without a reason: {unanswered:?}");
}

#[test]
fn every_weakness_is_there_once_and_says_itself() {
    let weaknesses = weaknesses(&page());
    let ids: BTreeSet<_> = weaknesses.iter().map(|weakness| weakness.id.as_str()).collect();
    assert_eq!(ids.len(), weaknesses.len(), "an id is used twice");
    let numbers = (1..=25).chain(28..=48);
    let expected =
        numbers.map(|n| format!("W{n}")).chain(["W1b".to_owned()]).chain((1..=27).map(|n| format!("M{n}")));
    let missing: Vec<_> = expected.filter(|id| !ids.contains(id.as_str())).collect();
    assert!(missing.is_empty(), "not in docs/weaknesses.md: {missing:?}");
    let silent: Vec<_> =
        weaknesses.iter().filter(|w| w.sentence.split(' ').count() < 3).map(|w| &w.id).collect();
    assert!(silent.is_empty(), "without a sentence: {silent:?}");
}

fn is_answered(weakness: &Weakness) -> bool {
    weakness.items.iter().any(|item| {
        let is_test = item.starts_with("Test:") && item.contains(".rs::");
        let reason = item.strip_prefix("Reason:").map(|reason| reason.split_whitespace().count());
        is_test || reason.is_some_and(|words| words >= REASON_WORDS_MIN)
    })
}

#[test]
fn an_answer_is_a_test_or_a_whole_reason() {
    let page = "# Page\n\n### W1 Keys do not rotate.\n\n- Answer: They do.\n- Test: `a/b.rs::rotates`\n\n\
                ### W2 It leaks.\n\n- Reason: no.\n\n## Other\n\n### M1 One inbox for all.\n\n- Reason: one process\n  is one agent.\n";
    let found = weaknesses(page);
    let answered: Vec<_> =
        found.iter().map(|weakness| (weakness.id.as_str(), is_answered(weakness))).collect();
    assert_eq!(answered, [("W1", true), ("W2", false), ("M1", true)]);
}
