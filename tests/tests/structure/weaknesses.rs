//! `docs/weaknesses.md` names the test that answers each weakness: such a test exists.

use std::path::Path;

#[test]
fn every_test_that_answers_a_weakness_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    let page = std::fs::read_to_string(root.join("docs/weaknesses.md")).expect("docs/weaknesses.md");
    let named: Vec<_> = page.split('`').filter_map(|part| part.split_once(".rs::")).collect();
    let missing: Vec<_> = named
        .iter()
        .filter(|(file, test)| {
            let source = std::fs::read_to_string(root.join(format!("{file}.rs"))).unwrap_or_default();
            !source.contains(&format!("fn {test}("))
        })
        .collect();
    assert!(named.len() > 30, "found only {} tests in the page", named.len());
    assert!(missing.is_empty(), "named in docs/weaknesses.md, but not there: {missing:?}");
}
