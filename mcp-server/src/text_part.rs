//! Cuts text into parts of a bounded size without splitting a character.

/// At most `limit` bytes of `text` from byte `offset`, in whole characters. An offset inside a
/// character moves back to its start.
pub(crate) fn text_part(text: &str, offset: usize, limit: usize) -> &str {
    let start = text.floor_char_boundary(offset);
    let end = text.floor_char_boundary(start.saturating_add(limit));
    text.get(start..end).unwrap_or_default()
}
