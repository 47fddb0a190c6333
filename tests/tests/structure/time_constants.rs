//! Checks that constants of time end in one of four suffixes, so that a reader knows what each
//! bounds: an operation, the time between repetitions, a validity, or extra time.

use crate::rust_code::without_comments_and_literals;
use crate::workspace::rust_files;

const SUFFIXES: [&str; 4] = ["TIMEOUT", "INTERVAL", "TTL", "GRACE"];

/// Units in names of integers.
const UNITS: [&str; 9] =
    ["MICROSECONDS", "MILLISECONDS", "MILLIS", "SECONDS", "SECS", "MINUTES", "HOURS", "DAYS", "WEEKS"];

#[test]
fn constants_of_time_say_what_they_bound() {
    let mut wrong = Vec::new();
    for (path, text) in rust_files() {
        let code = without_comments_and_literals(&text);
        for (number, line) in code.lines().enumerate() {
            if let Some(name) = wrong_constant(line) {
                wrong.push(format!("{}:{}: {name}", path.display(), number + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "{} constants:\n{}", wrong.len(), wrong.join("\n"));
}

/// The name of a constant of time that has another suffix.
fn wrong_constant(line: &str) -> Option<&str> {
    let (before, declared) = line.split_once("const ").or_else(|| line.split_once("static "))?;
    if !before.trim_start().is_empty() && !before.trim_start().starts_with("pub") {
        return None;
    }
    let (name, kind) = declared.split_once(':')?;
    let kind = kind.split('=').next()?.trim();
    let is_name = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    if !name.chars().all(is_name) {
        return None;
    }
    let words: Vec<_> = name.split('_').collect();
    let is_right = match words.as_slice() {
        [.., suffix] if is_duration(kind) => SUFFIXES.contains(suffix),
        [.., suffix, unit] if has_unit(&words) => SUFFIXES.contains(suffix) && UNITS.contains(unit),
        _ => !has_unit(&words),
    };
    (!is_right).then_some(name)
}

fn is_duration(kind: &str) -> bool {
    kind.rsplit("::").next() == Some("Duration")
}

/// Whether the name is of a time. `MILLISECONDS_PER_SECOND` converts one unit to another.
fn has_unit(words: &[&str]) -> bool {
    !words.contains(&"PER") && words.iter().any(|word| UNITS.contains(word))
}

#[test]
fn the_four_suffixes_are_told_from_others() {
    for right in [
        "const READ_TIMEOUT: Duration = Duration::from_secs(1);",
        "    pub(crate) const MAX_KEY_TTL: std::time::Duration = X;",
        "pub const ACCESS_TOKEN_TTL_SECONDS: u64 = 600;",
        "const SENDS_PER_SECOND: u32 = 5;",
        "const MILLISECONDS_PER_SECOND: u128 = 1000;",
        "const fn seconds(seconds: u64) -> u64 {",
    ] {
        assert_eq!(wrong_constant(right), None, "{right}");
    }
    for (wrong, name) in [
        ("const PATIENCE: Duration = Duration::from_secs(1);", "PATIENCE"),
        ("pub const READ_TIMEOUT_MAX: Duration = X;", "READ_TIMEOUT_MAX"),
        ("const LIFETIME_SECONDS: u64 = 5;", "LIFETIME_SECONDS"),
        ("const SECONDS_MAX: u64 = 5;", "SECONDS_MAX"),
    ] {
        assert_eq!(wrong_constant(wrong), Some(name));
    }
}
