//! The interface of a decoder, which the tests implement a second time with tungstenite.

use std::borrow::Cow;

use crate::Violation;

/// Decodes the bytes of one client, however they are split.
pub trait MessageDecoder {
    /// Decodes the front of `input` up to the end of the next text message, and cuts it off.
    /// `None` if the message that follows is not complete; all input is used then. Pongs and the
    /// answer to a close frame are appended to `answers`.
    ///
    /// # Errors
    /// The stream has ended. Every later call returns the same.
    fn next_text<'a>(
        &mut self,
        input: &mut &'a mut [u8],
        answers: &mut Vec<u8>,
    ) -> Result<Option<Cow<'a, str>>, StreamEnd>;

    /// Changes the limit for the bytes of a message.
    fn set_message_bytes_max(&mut self, message_bytes_max: usize);
}

/// Why no more messages come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamEnd {
    /// The client sent a close frame.
    Closed,
    Violation(Violation),
}

impl From<Violation> for StreamEnd {
    fn from(violation: Violation) -> Self {
        Self::Violation(violation)
    }
}
