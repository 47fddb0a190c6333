//! A text message that arrives in pieces.

use crate::Violation;

#[derive(Debug, Default)]
pub(crate) struct PartialMessage {
    bytes: Vec<u8>,
    /// Bytes of complete characters in the fragments that are complete.
    checked: usize,
    /// A first fragment is complete, and the last one is not.
    is_fragmented: bool,
}

impl PartialMessage {
    /// The bytes of the fragments, if a first one is complete.
    pub(crate) fn fragment_bytes(&self) -> Option<usize> {
        self.is_fragmented.then_some(self.bytes.len())
    }

    pub(crate) fn push(&mut self, part: &[u8]) {
        self.bytes.extend_from_slice(part);
    }

    /// Ends a fragment that is not the last. Its last character may continue in the next one.
    pub(crate) fn end_fragment(&mut self) -> Result<(), Violation> {
        let unchecked = self.bytes.get(self.checked..).unwrap_or_default();
        self.checked += match std::str::from_utf8(unchecked) {
            Ok(text) => text.len(),
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            Err(_) => return Err(Violation::InvalidUtf8),
        };
        self.is_fragmented = true;
        Ok(())
    }

    /// Ends the message and takes it out.
    pub(crate) fn finish(&mut self) -> Result<String, Violation> {
        let Self { bytes, .. } = std::mem::take(self);
        String::from_utf8(bytes).map_err(|_| Violation::InvalidUtf8)
    }

    /// Sets the buffer for the next message, unless one has begun.
    pub(crate) fn set_buffer(&mut self, buffer: impl FnOnce() -> Vec<u8>) {
        if self.bytes.is_empty() {
            self.bytes = buffer();
            self.bytes.clear();
        }
    }

    /// Takes the buffer out if no message has begun.
    pub(crate) fn take_buffer(&mut self) -> Vec<u8> {
        if self.bytes.is_empty() { std::mem::take(&mut self.bytes) } else { Vec::new() }
    }
}
