//! Finds the crates of the workspace and reads their Rust files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Rust files by their path from the repository's root.
pub(crate) type Sources = BTreeMap<PathBuf, String>;

/// The repository's root folder.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace")
}

/// Folders of the members, as the root's Cargo.toml lists them.
pub(crate) fn members() -> Vec<String> {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).expect("the root's Cargo.toml");
    let (_, list) = manifest.split_once("members = [").expect("a list of members");
    let (list, _) = list.split_once(']').expect("the end of the list");
    list.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

/// All Rust files of the members, tests included.
pub(crate) fn rust_files() -> Sources {
    let sources: Sources = members().iter().flat_map(|member| rust_files_below(Path::new(member))).collect();
    assert!(sources.len() > 500, "found only {} Rust files", sources.len());
    sources
}

/// The crates, each with its files: the sources of every member, and every test program.
pub(crate) fn crates() -> BTreeMap<PathBuf, Sources> {
    let mut crates: BTreeMap<PathBuf, Sources> = BTreeMap::new();
    for (path, text) in rust_files() {
        crates.entry(crate_folder(&path)).or_default().insert(path, text);
    }
    crates
}

/// `relay/src` of `relay/src/core/limits.rs`, `relay/tests/api` of `relay/tests/api/main.rs`.
fn crate_folder(path: &Path) -> PathBuf {
    let member = members().into_iter().find(|member| path.starts_with(member)).expect("a file of a member");
    let inside = path.strip_prefix(&member).expect("a file of the member");
    let depth = if inside.starts_with("tests") { 2 } else { 1 };
    let folder: PathBuf = inside.iter().take(depth).collect();
    Path::new(&member).join(folder)
}

fn rust_files_below(folder: &Path) -> Sources {
    let mut found = Sources::new();
    for path in files_below(folder) {
        if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(root().join(&path)).expect("a readable file");
            found.insert(path, text);
        }
    }
    found
}

/// All files below a folder of the repository, without what builds and packages leave there.
fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(root().join(&folder)).expect("a readable folder").flatten() {
            let (path, name) = (folder.join(entry.file_name()), entry.file_name());
            if entry.path().is_dir() {
                if name != "target" && name != "node_modules" {
                    open.push(path);
                }
            } else {
                files.push(path);
            }
        }
    }
    files
}
