//! Finds the types that other modules can see, and checks that no crate has two of the same name.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::rust_code::{without_comments_and_literals, without_tests};
use crate::workspace::crates;

const KINDS: [&str; 5] = ["struct", "enum", "union", "trait", "type"];

#[test]
fn no_crate_has_two_public_types_of_one_name() {
    let mut doubled = Vec::new();
    for (folder, sources) in crates() {
        let mut places: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
        for (path, text) in &sources {
            for name in public_types(text) {
                places.entry(name).or_default().push(path.clone());
            }
        }
        let several = places.into_iter().filter(|(_, files)| files.len() > 1);
        doubled.extend(several.map(|(name, files)| format!("{}: {name} in {files:?}", folder.display())));
    }
    assert!(doubled.is_empty(), "{} names:\n{}", doubled.len(), doubled.join("\n"));
}

/// Names of types with any visibility beyond their module.
pub(crate) fn public_types(text: &str) -> Vec<String> {
    let code = without_tests(&without_comments_and_literals(text));
    code.lines().filter_map(public_type).collect()
}

fn public_type(line: &str) -> Option<String> {
    let rest = line.trim_start().strip_prefix("pub")?;
    let rest = match rest.strip_prefix('(') {
        Some(restricted) => restricted.split_once(')')?.1,
        None => rest.strip_prefix(' ')?,
    };
    let (kind, rest) = rest.trim_start().split_once(' ')?;
    let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
    (KINDS.contains(&kind) && end > 0).then(|| rest.get(..end).unwrap_or_default().to_owned())
}

#[test]
fn types_of_every_visibility_are_found() {
    let text = "pub struct A<T>(T);\npub(crate) enum B {}\n    pub(in crate::x) type C = u8;\nstruct D;\npub fn e() {}\n// pub struct F;";
    assert_eq!(public_types(text), ["A", "B", "C"]);
}
