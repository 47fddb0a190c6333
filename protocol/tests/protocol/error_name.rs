//! Names an error as the fixtures do: its variant and the variants of its causes, joined by `/`.

use std::error::Error;

/// For example `Domain/Port` or `Message/Signature/BadSignature`. A JSON error has the name of the
/// variant that holds it, because the text of the parser may change.
pub(crate) fn error_name(error: &(dyn Error + 'static)) -> String {
    let mut names = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        if error.is::<serde_json::Error>() {
            break;
        }
        names.push(variant(error));
        next = error.source();
    }
    names.join("/")
}

/// The first word of the derived `Debug`. The text of a variant that names the part at fault is
/// kept.
fn variant(error: &(dyn Error + 'static)) -> String {
    let debug = format!("{error:?}");
    let word: String = debug.chars().take_while(char::is_ascii_alphanumeric).collect();
    match debug.strip_prefix(&format!("{word}(\"")).and_then(|rest| rest.strip_suffix("\")")) {
        Some(part) => format!("{word}({part})"),
        None => word,
    }
}
