//! The name of an error as fixtures give it: its variant, and those of its causes, joined by `/`.

use std::error::Error;

/// `Domain/Port`, `Message/Signature/BadSignature`. A JSON error is named by the variant that holds
/// it: its text is the parser's and may change.
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

/// The first word of the derived `Debug`; a variant's text member, which names the part at fault,
/// is kept.
fn variant(error: &(dyn Error + 'static)) -> String {
    let debug = format!("{error:?}");
    let word: String = debug.chars().take_while(char::is_ascii_alphanumeric).collect();
    match debug.strip_prefix(&format!("{word}(\"")).and_then(|rest| rest.strip_suffix("\")")) {
        Some(part) => format!("{word}({part})"),
        None => word,
    }
}
