//! The text frames of one turn, borrowed from the read buffer.

use std::borrow::Cow;
use std::cell::OnceCell;

use websocket::{FrameDecoder, MessageDecoder as _, StreamEnd};

use crate::hub::Connection;

/// Decodes the frames that were read. Pongs and the answer to a close frame go to the write buffer.
pub(super) struct TextFrames<'a> {
    pub(super) connection: &'a Connection,
    pub(super) decoder: &'a mut FrameDecoder,
    pub(super) input: &'a mut [u8],
    /// Holds the message of this turn that arrived in pieces.
    pub(super) assembled: &'a OnceCell<String>,
    /// A second such message, which is left for the next turn.
    pub(super) next_assembled: &'a mut Option<String>,
    pub(super) end: &'a mut Option<StreamEnd>,
    pub(super) answers: Vec<u8>,
}

impl<'a> Iterator for TextFrames<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        if let Some(text) = self.next_assembled.take() {
            return self.assemble(text);
        }
        let decoded = self.decoder.next_text(&mut self.input, &mut self.answers);
        if !self.answers.is_empty() {
            self.connection.push_frames(&self.answers);
            self.answers.clear();
        }
        match decoded {
            Ok(Some(Cow::Borrowed(text))) => Some(text),
            Ok(Some(Cow::Owned(text))) => self.assemble(text),
            Ok(None) => None,
            Err(end) => {
                *self.end = Some(end);
                None
            }
        }
    }
}

impl<'a> TextFrames<'a> {
    fn assemble(&mut self, text: String) -> Option<&'a str> {
        match self.assembled.set(text) {
            Ok(()) => self.assembled.get().map(String::as_str),
            Err(text) => {
                *self.next_assembled = Some(text);
                None
            }
        }
    }
}
