//! Checks that the paths in ARCHITECTURE.md exist, and that the files which answer its questions
//! hold the symbols that it names.

use std::path::{Path, PathBuf};

use crate::workspace::root;

/// Heading of the table that leads from questions to files.
const QUESTIONS: &str = "Questions and where they are answered";

/// Fewer rows are not the map of a system of this size.
const QUESTIONS_MIN: usize = 20;

/// Words that stand before a name where it is defined.
const DEFINING: [&str; 7] = ["const", "enum", "fn", "macro_rules!", "struct", "trait", "type"];

/// Endings by which a word in backticks is a path.
const ENDINGS: [&str; 8] = [".rs", ".md", ".toml", ".yaml", ".sql", ".sh", ".json", ".txt"];

fn page() -> String {
    std::fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md")
}

#[test]
fn every_path_exists() {
    let page = page();
    let mut paths: Vec<_> = spans(&page).filter_map(path_of).collect();
    paths.extend(page.split("](").skip(1).filter_map(|rest| link_path(rest.split(')').next()?)));
    assert!(paths.len() > 30, "found only {} paths", paths.len());
    let missing: Vec<_> = paths.iter().flat_map(|path| expand(path)).filter(|path| !exists(path)).collect();
    assert!(missing.is_empty(), "in ARCHITECTURE.md, but not in the repository: {missing:?}");
}

#[test]
fn every_question_is_answered_by_a_symbol_in_a_file() {
    let page = page();
    let (_, section) = page.split_once(QUESTIONS).expect("the table of questions");
    let rows: Vec<_> = section.lines().skip(1).skip_while(|line| !line.starts_with('|')).skip(2).collect();
    let rows: Vec<_> = rows.into_iter().take_while(|line| line.starts_with('|')).collect();
    assert!(rows.len() >= QUESTIONS_MIN, "only {} questions", rows.len());
    let wrong: Vec<_> = rows.iter().filter_map(|row| wrong_answer(row)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Why a row answers nothing: it names no symbol of a file, or one that the file before it does not
/// hold.
fn wrong_answer(row: &str) -> Option<String> {
    let (mut file, mut symbols) = (None, 0);
    for span in spans(row) {
        let (path, symbol) = match span.split_once(".rs::") {
            Some((path, symbol)) => (Some(format!("{path}.rs")), Some(symbol)),
            None if path_of(span).is_some() => (Some(span.to_owned()), None),
            None => (None, Some(span)),
        };
        file = path.or(file);
        let (Some(file), Some(symbol)) = (&file, symbol) else { continue };
        symbols += 1;
        let text = std::fs::read_to_string(root().join(file)).unwrap_or_default();
        let name = symbol.rsplit("::").next().unwrap_or(symbol).trim_end_matches("()");
        let holds = if file.ends_with(".rs") { is_in_code(&text, name) } else { text.contains(name) };
        if !holds {
            return Some(format!("{file} does not hold {symbol}: {row}"));
        }
    }
    (symbols == 0).then(|| format!("no file with a symbol: {row}"))
}

/// Whether Rust code defines the name, or uses it as the last part of a path such as
/// `Reason::NAME`.
fn is_in_code(text: &str, name: &str) -> bool {
    let lines = || text.lines().map(str::trim_start).filter(|line| !line.starts_with("//"));
    lines().any(|line| is_definition(line, name))
        || lines().any(|line| line.split("::").skip(1).any(|rest| first_word(rest) == name))
}

/// Whether the line defines the name as an item or as a variant of an enum.
fn is_definition(line: &str, name: &str) -> bool {
    let words: Vec<_> = line.split_whitespace().collect();
    let is_item = words
        .windows(2)
        .any(|pair| matches!(pair, [word, next] if DEFINING.contains(word) && first_word(next) == name));
    let rest = line.strip_prefix(name).map(str::trim_start);
    is_item || rest.is_some_and(|rest| rest.starts_with([',', '{', '(']))
}

/// The identifier that the text begins with.
fn first_word(text: &str) -> &str {
    text.split(|c: char| !(c.is_alphanumeric() || c == '_')).next().unwrap_or_default()
}

/// The text in backticks, without code blocks.
fn spans(text: &str) -> impl Iterator<Item = &str> {
    let prose = text.split("```").step_by(2);
    prose.flat_map(|prose| prose.split('`').skip(1).step_by(2))
}

/// The span without a symbol and a line behind it, where it is a path.
fn path_of(span: &str) -> Option<String> {
    let path = span.split("::").next().unwrap_or(span);
    let is_plain = path.chars().all(|c| c.is_ascii_alphanumeric() || "._-/{},*".contains(c));
    let first = path.split('/').next().unwrap_or_default();
    let is_below_root = path.contains('/') && !first.is_empty() && root().join(first).is_dir();
    let has_ending =
        ENDINGS.iter().any(|ending| path.ends_with(ending)) && !path.starts_with(['*', '.', '/']);
    (is_plain && (is_below_root || has_ending)).then(|| path.trim_end_matches('/').to_owned())
}

fn link_path(target: &str) -> Option<String> {
    let path = target.split('#').next().unwrap_or_default();
    (!path.is_empty() && !path.contains("://")).then(|| path.to_owned())
}

/// `a/{b,c}.rs` as its two paths.
fn expand(path: &str) -> Vec<String> {
    let parts = path.split_once('{').and_then(|(before, rest)| Some((before, rest.split_once('}')?)));
    let Some((before, (choices, after))) = parts else { return vec![path.to_owned()] };
    choices.split(',').flat_map(|choice| expand(&format!("{before}{choice}{after}"))).collect()
}

/// Whether a path is there; `*` stands for any part of one name.
fn exists(path: &str) -> bool {
    let mut found = vec![root().to_owned()];
    for part in path.split('/') {
        found = found.iter().flat_map(|folder| entries(folder, part)).collect();
    }
    !found.is_empty()
}

fn entries(folder: &Path, pattern: &str) -> Vec<PathBuf> {
    let Some((start, end)) = pattern.split_once('*') else {
        return Some(folder.join(pattern)).filter(|path| path.exists()).into_iter().collect();
    };
    let names = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let fits = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with(start) && name.ends_with(end)
    };
    names.filter(fits).collect()
}

#[test]
fn paths_are_told_from_other_code() {
    for path in ["relay/src", "tests/src/lib.rs", "nowhere/lost.rs", "accept.rs", "docs/*.md"] {
        assert!(path_of(path).is_some(), "{path}");
    }
    for other in ["application/json", "/mcp", "kubectl apply", "Core", "*.rs", "a::b"] {
        assert_eq!(path_of(other), None, "{other}");
    }
    assert!(expand("tests/{src,tests}").iter().all(|path| exists(path)));
    assert!(exists("docs/*.md") && !exists("docs/*.rs") && !exists("nowhere/lost.rs"));
}

#[test]
fn a_row_needs_a_symbol_that_is_in_its_file() {
    assert_eq!(wrong_answer("| Where? | `tests/src/namespace.rs` `TestNamespace` |"), None);
    assert_eq!(wrong_answer("| Where? | `tests/src/namespace.rs::TestNamespace` |"), None);
    assert!(wrong_answer("| Where? | `tests/src/lib.rs` |").is_some());
    assert!(wrong_answer("| Where? | `tests/src/lib.rs`, `no_such_symbol` |").is_some());
}

#[test]
fn a_symbol_is_a_definition_or_the_end_of_a_path() {
    for held in
        ["pub fn resolve(x: u8) {", "struct resolve;", "    resolve,", "resolve { a: u8 },", "A::resolve)"]
    {
        assert!(is_in_code(held, "resolve"), "{held}");
    }
    for other in ["// fn resolve()", "let x = resolve;", "fn resolve_all()", "x.resolve", "A::resolved"] {
        assert!(!is_in_code(other, "resolve"), "{other}");
    }
}
