//! Names that say nothing, and the two file layouts for modules: one of them is used.

use std::path::{Path, PathBuf};

const EMPTY_NAMES: [&str; 9] =
    ["utils", "util", "helpers", "helper", "common", "types", "misc", "manager", "mod"];

#[test]
fn every_module_says_what_it_holds() {
    let bad: Vec<_> = rust_files()
        .into_iter()
        .filter(|path| {
            let names = [path.file_stem(), path.parent().and_then(Path::file_name)];
            names.iter().flatten().any(|name| EMPTY_NAMES.contains(&&*name.to_string_lossy()))
        })
        .collect();
    assert!(bad.is_empty(), "{bad:?}");
}

#[test]
fn every_file_starts_by_saying_its_role() {
    let silent: Vec<_> = rust_files()
        .into_iter()
        .filter(|path| !std::fs::read_to_string(path).expect("a readable file").starts_with("//!"))
        .collect();
    assert!(silent.is_empty(), "{silent:?}");
}

fn rust_files() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned();
    let mut open: Vec<_> = [
        "protocol",
        "sdk",
        "cli",
        "crds",
        "daemon",
        "operator",
        "relay",
        "control-plane",
        "mcp-server",
        "devtools",
        "tests",
    ]
    .iter()
    .map(|folder| root.join(folder))
    .collect();
    let mut files = Vec::new();
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).expect("a readable folder").flatten() {
            let path = entry.path();
            let name = entry.file_name();
            if path.is_dir() && name != "target" && name != "node_modules" {
                open.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                files.push(path);
            }
        }
    }
    assert!(files.len() > 20, "found only {} files below {}", files.len(), root.display());
    files
}
