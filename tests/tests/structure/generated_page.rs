//! Compares a page that is generated from the sources with the one in the repository.
//!
//! `MSG2AGENT_WRITE_GOLDEN=1` writes the page.

use crate::workspace::root;

const REWRITE: &str = "MSG2AGENT_WRITE_GOLDEN";

/// Fails unless the page at `path`, from the repository's root, is `wanted`.
pub(crate) fn check(path: &str, wanted: &str) {
    let file = root().join(path);
    if std::env::var_os(REWRITE).is_some() {
        std::fs::write(&file, wanted).expect("a writable page");
    }
    let found = std::fs::read_to_string(&file).unwrap_or_default();
    let line = found.lines().zip(wanted.lines()).find(|(found, wanted)| found != wanted);
    assert!(found == wanted, "{path} is not current, `make gen` writes it. First difference: {line:?}");
}
