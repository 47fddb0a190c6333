//! Blanks comments, literals and test modules in Rust text. Lines keep their numbers.

/// The text with comments, strings and characters replaced by blanks.
pub(crate) fn without_comments_and_literals(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let skipped = comment(rest).or_else(|| literal(rest, code.chars().last()));
        let length = skipped.unwrap_or(first.len_utf8());
        let (taken, left) = rest.split_at(length);
        if skipped.is_some() {
            blank(taken, &mut code);
        } else {
            code.push(first);
        }
        rest = left;
    }
    code
}

/// The code without what is compiled for tests only: items behind `#[cfg(test)]`.
pub(crate) fn without_tests(code: &str) -> String {
    let mut kept = String::with_capacity(code.len());
    let mut rest = code;
    while let Some(at) = next_test_item(rest) {
        let (before, item) = rest.split_at(at);
        kept.push_str(before);
        let (item, left) = item.split_at(item_length(item));
        blank(item, &mut kept);
        rest = left;
    }
    kept.push_str(rest);
    kept
}

fn next_test_item(code: &str) -> Option<usize> {
    ["#[cfg(test)]", "#[cfg(all(test"].iter().filter_map(|attribute| code.find(attribute)).min()
}

/// From the attributes of an item to its `;` or its last brace.
fn item_length(item: &str) -> usize {
    let (mut braces, mut brackets) = (0_usize, 0_usize);
    for (at, character) in item.char_indices() {
        match character {
            '[' | '(' => brackets += 1,
            ']' | ')' => brackets = brackets.saturating_sub(1),
            '{' => braces += 1,
            '}' if braces == 1 => return at + 1,
            '}' => braces = braces.saturating_sub(1),
            ';' if braces == 0 && brackets == 0 => return at + 1,
            _ => {}
        }
    }
    item.len()
}

fn blank(text: &str, code: &mut String) {
    code.extend(text.chars().map(|character| if character == '\n' { '\n' } else { ' ' }));
}

/// Length of the comment that the text starts with.
fn comment(text: &str) -> Option<usize> {
    if text.starts_with("//") {
        return Some(text.find('\n').unwrap_or(text.len()));
    }
    if !text.starts_with("/*") {
        return None;
    }
    let (mut depth, mut at) = (0_usize, 0);
    while at < text.len() {
        let rest = text.get(at..)?;
        if rest.starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if rest.starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
        if depth == 0 {
            break;
        }
    }
    Some(at)
}

/// Length of the literal that the text starts with. `previous` tells a raw string from an
/// identifier that ends with `r`.
fn literal(text: &str, previous: Option<char>) -> Option<usize> {
    let in_word = previous.is_some_and(|character| character.is_alphanumeric() || character == '_');
    let prefix = ["br", "cr", "b", "c", "r", ""]
        .into_iter()
        .filter(|prefix| !in_word || prefix.is_empty())
        .find(|prefix| text.strip_prefix(prefix).is_some_and(starts_literal))?;
    let rest = text.get(prefix.len()..)?;
    let length = match rest.chars().next()? {
        '"' if prefix.ends_with('r') => raw_string(rest)?,
        '#' if prefix.ends_with('r') => raw_string(rest)?,
        '"' => quoted(rest, '"')?,
        '\'' => character(rest)?,
        _ => return None,
    };
    Some(prefix.len() + length)
}

fn starts_literal(text: &str) -> bool {
    text.starts_with('"') || text.starts_with('\'') || (text.starts_with('#') && raw_string(text).is_some())
}

fn raw_string(text: &str) -> Option<usize> {
    let hashes = text.chars().take_while(|character| *character == '#').count();
    let inside = text.get(hashes..)?.strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    Some(hashes + 1 + inside.find(&end)? + end.len())
}

fn quoted(text: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (at, character) in text.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if character == quote => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// A character, unless the quote begins a lifetime.
fn character(text: &str) -> Option<usize> {
    let mut characters = text.chars().skip(1);
    match (characters.next()?, characters.next()?) {
        ('\\', _) => quoted(text, '\''),
        (inside, '\'') => Some(2 + inside.len_utf8()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_blanked_and_lines_stay() {
        let text = "a // use crate::x\n/* b /* c */ */ d \"use \\\" e\" 'f' '\\'' r#\"g \" \"# for<'h> i\n";
        let code = without_comments_and_literals(text);
        assert_eq!(code.split_whitespace().collect::<Vec<_>>(), ["a", "d", "for<'h>", "i"]);
        assert_eq!(code.matches('\n').count(), 2);
    }

    #[test]
    fn items_for_tests_are_blanked() {
        let code =
            "a\n#[cfg(test)]\n#[expect(x)]\nmod tests { fn f() { g([0; 2]); } }\nb\n#[cfg(test)]\nmod c;\nd";
        let kept = without_tests(code);
        assert_eq!(kept.split_whitespace().collect::<Vec<_>>(), ["a", "b", "d"]);
        assert_eq!(kept.lines().count(), code.lines().count());
    }
}
