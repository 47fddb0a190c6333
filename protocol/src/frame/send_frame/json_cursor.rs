//! A position in a JSON text, and readers of the values that need no decoding.
//!
//! Each reader skips blanks, returns the value as it stands in the text, and moves behind it.
//! `None` says that the text has something else there, whether or not it is valid JSON. A cursor
//! that has returned `None` is of no further use.

/// Bytes that are looked at together: one or two vector registers.
const CHUNK_BYTES: usize = 32;

pub(super) struct JsonCursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> JsonCursor<'a> {
    pub(super) const fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// Reads an object. `read` gets each member's name and reads its value.
    pub(super) fn object(&mut self, mut read: impl FnMut(&mut Self, &'a str) -> Option<()>) -> Option<()> {
        self.expect(b'{')?;
        loop {
            let name = self.string()?;
            self.expect(b':')?;
            read(self, name)?;
            match self.next()? {
                b',' => {}
                b'}' => return Some(()),
                _ => return None,
            }
        }
    }

    /// Reads a value, and returns the text of that value too.
    pub(super) fn with_text<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<(T, &'a str)> {
        self.skip_blanks();
        let start = self.at;
        let value = read(self)?;
        Some((value, self.text.get(start..self.at)?))
    }

    /// A string without escapes.
    pub(super) fn string(&mut self) -> Option<&'a str> {
        self.expect(b'"')?;
        let start = self.at;
        self.at += plain_bytes(self.rest());
        let text = self.text.get(start..self.at)?;
        (self.rest().first() == Some(&b'"')).then(|| self.at += 1)?;
        Some(text)
    }

    /// A string without escapes, as its JSON.
    pub(super) fn quoted(&mut self) -> Option<&'a str> {
        self.with_text(Self::string).map(|(_, json)| json)
    }

    /// A non-negative integer, as its JSON. The cursor does not move if there is none.
    pub(super) fn digits(&mut self) -> Option<&'a str> {
        self.skip_blanks();
        let count = self.rest().iter().take_while(|byte| byte.is_ascii_digit()).count();
        let digits = self.text.get(self.at..self.at + count)?;
        (digits == "0" || (count > 0 && !digits.starts_with('0'))).then(|| self.at += count)?;
        Some(digits)
    }

    /// Whether only blanks follow.
    pub(super) fn is_at_end(&mut self) -> bool {
        self.skip_blanks();
        self.rest().is_empty()
    }

    fn expect(&mut self, wanted: u8) -> Option<()> {
        (self.next()? == wanted).then_some(())
    }

    fn next(&mut self) -> Option<u8> {
        self.skip_blanks();
        let next = self.rest().first().copied();
        self.at += usize::from(next.is_some());
        next
    }

    fn skip_blanks(&mut self) {
        while matches!(self.rest().first(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn rest(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }
}

/// The number of bytes before the end of a string, an escape or a control character.
fn plain_bytes(bytes: &[u8]) -> usize {
    let (chunks, _) = bytes.as_chunks::<CHUNK_BYTES>();
    // No early end within a chunk, so that the compiler uses vector instructions.
    let is_plain = |chunk: &&[u8; CHUNK_BYTES]| !chunk.iter().fold(false, |found, byte| found | ends(*byte));
    let whole = chunks.iter().take_while(is_plain).count() * CHUNK_BYTES;
    let rest = bytes.get(whole..).unwrap_or_default();
    whole + rest.iter().take_while(|byte| !ends(**byte)).count()
}

const fn ends(byte: u8) -> bool {
    byte < b' ' || byte == b'"' || byte == b'\\'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_string_ends_at_its_quote_wherever_that_is() {
        for length in 0..100 {
            let text = format!("  \"{}\" rest", "ä".repeat(length));
            let mut cursor = JsonCursor::new(&text);
            assert_eq!(cursor.string(), Some(&*"ä".repeat(length)));
            assert_eq!(cursor.next(), Some(b'r'));
        }
    }

    #[test]
    fn escapes_and_control_characters_are_seen_at_every_place() {
        for (place, special) in (0..70).flat_map(|place| [(place, '\\'), (place, '\u{1f}'), (place, '\n')]) {
            let mut text = "x".repeat(80);
            text.replace_range(place..=place, &special.to_string());
            assert_eq!(JsonCursor::new(&format!("\"{text}\"")).string(), None, "{place}");
        }
    }

    #[test]
    fn digits_are_an_integer_in_its_only_spelling() {
        let digits = |text| JsonCursor::new(text).digits();
        assert_eq!((digits("0,"), digits(" 17}"), digits("")), (Some("0"), Some("17"), None));
        assert_eq!((digits("017"), digits("-1"), digits("x")), (None, None, None));
    }
}
