//! Reads the constants of a package, with their doc comments, from its source files.

use std::path::{Path, PathBuf};

use crate::workspace::root;

/// A constant of an integer type or of the type `Duration`.
pub(super) struct Constant {
    pub(super) member: String,
    /// The path from the root of the workspace.
    pub(super) file: String,
    pub(super) name: String,
    pub(super) r#type: String,
    pub(super) value: String,
    /// The first paragraph of the doc comment on one line.
    pub(super) doc: String,
}

impl Constant {
    /// Whether the constant bounds a time, a size or a count. Ports, versions and modes do not.
    pub(super) fn is_limit(&self) -> bool {
        let is_bound = |word| {
            matches!(word, "MAX" | "MIN" | "PERCENT" | "DEFAULT" | "BYTES" | "BATCH" | "QUEUE" | "WINDOW")
        };
        let is_time = |word| matches!(word, "TIMEOUT" | "INTERVAL" | "TTL" | "GRACE");
        self.r#type == "Duration" || self.name.split('_').any(|word| is_bound(word) || is_time(word))
    }
}

/// The constants of a member of the workspace, in order of the file and of the line.
pub(super) fn read_member(member: &str) -> Vec<Constant> {
    let mut files = Vec::new();
    source_files(&root().join(member).join("src"), &mut files);
    files.sort();
    let of_file = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).expect("a readable file");
        let file = path.strip_prefix(root()).expect("a path below the root").display().to_string();
        read(&text).into_iter().map(move |constant| Constant {
            member: member.to_owned(),
            file: file.clone(),
            ..constant
        })
    };
    files.into_iter().flat_map(of_file).collect()
}

/// Collects the Rust files of a folder, without the modules that only tests have.
fn source_files(folder: &Path, files: &mut Vec<PathBuf>) {
    let mut tests = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder of sources").flatten() {
        let path = entry.path();
        if path.is_dir() {
            source_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).expect("a readable file");
            tests.extend(test_modules(&path, &text));
            files.push(path);
        }
    }
    let is_test = |path: &PathBuf| {
        tests.iter().any(|test| path.starts_with(test) || *path == test.with_extension("rs"))
    };
    files.retain(|path| !is_test(path));
}

/// The paths, without an extension, of the modules that a file declares for tests only.
fn test_modules(path: &Path, text: &str) -> Vec<PathBuf> {
    let is_root = path.file_stem().is_some_and(|stem| stem == "lib" || stem == "main");
    let folder = if is_root { path.parent().unwrap_or(path).to_owned() } else { path.with_extension("") };
    let lines: Vec<_> = text.lines().map(str::trim).collect();
    let declared = lines.windows(2).filter(|pair| pair[0].starts_with("#[cfg(test)]")).filter_map(|pair| {
        let (_, rest) = pair[1].split_once("mod ")?;
        Some(folder.join(rest.strip_suffix(';')?))
    });
    declared.collect()
}

/// The constants of one file, up to its module of unit tests.
fn read(text: &str) -> Vec<Constant> {
    let text = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    let (mut constants, mut doc) = (Vec::new(), Vec::new());
    let mut lines = text.lines().map(str::trim);
    while let Some(line) = lines.next() {
        if let Some(comment) = line.strip_prefix("///") {
            doc.push(comment.trim());
        } else if let Some((name, rest)) = declaration(line) {
            let mut rest = rest.to_owned();
            while !rest.ends_with(';') {
                rest.push_str(lines.next().unwrap_or(";"));
            }
            constants.extend(constant(name, &rest, &doc));
            doc.clear();
        } else if !line.starts_with("#[") {
            doc.clear();
        }
    }
    constants
}

/// The name of a constant and what follows it, when the line begins one.
fn declaration(line: &str) -> Option<(&str, &str)> {
    let (before, rest) = line.split_once("const ")?;
    let is_visibility = before.is_empty() || before == "pub " || before.starts_with("pub(");
    let (name, rest) = rest.split_once(": ")?;
    let is_name = name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
    (is_visibility && is_name).then_some((name, rest))
}

fn constant(name: &str, rest: &str, doc: &[&str]) -> Option<Constant> {
    const INTEGERS: [&str; 10] =
        ["u8", "u16", "u32", "u64", "u128", "usize", "i32", "i64", "isize", "UnixSeconds"];
    let (r#type, value) = rest.split_once('=')?;
    let r#type = r#type.trim().rsplit("::").next().unwrap_or_default();
    let known = r#type == "Duration" || INTEGERS.contains(&r#type);
    let paragraph: Vec<_> = doc.iter().take_while(|line| !line.is_empty()).copied().collect();
    known.then(|| Constant {
        member: String::new(),
        file: String::new(),
        name: name.to_owned(),
        r#type: r#type.to_owned(),
        value: value.trim().trim_end_matches(';').to_owned(),
        doc: without_links(&paragraph.join(" ")),
    })
}

/// Turns the links of rustdoc, which lead nowhere on a page, into their text.
fn without_links(doc: &str) -> String {
    let mut text = String::new();
    let mut rest = doc;
    while let Some((before, link)) = rest.split_once('[') {
        let Some((label, after)) = link.split_once(']') else { break };
        text.push_str(before);
        text.push_str(label);
        rest = after;
        if let Some((_, after)) = after.strip_prefix('(').and_then(|target| target.split_once(')')) {
            rest = after;
        }
    }
    text + rest
}
