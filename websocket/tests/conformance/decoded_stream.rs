//! Everything that a decoder finds in the bytes of one client.

use std::borrow::Cow;

use msg2agent_websocket::{MessageDecoder, StreamEnd};

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct DecodedStream {
    pub(crate) texts: Vec<String>,
    /// Pongs, and the answer to a close frame.
    pub(crate) answers: Vec<u8>,
    pub(crate) end: Option<StreamEnd>,
}

impl DecodedStream {
    /// Decodes chunks until the stream ends.
    pub(crate) fn read<'a>(
        decoder: &mut impl MessageDecoder,
        chunks: impl IntoIterator<Item = &'a [u8]>,
    ) -> Self {
        let mut stream = Self::default();
        for chunk in chunks {
            stream.read_chunk(decoder, &mut chunk.to_vec());
            if stream.end.is_some() {
                break;
            }
        }
        stream
    }

    fn read_chunk(&mut self, decoder: &mut impl MessageDecoder, mut input: &mut [u8]) {
        loop {
            match decoder.next_text(&mut input, &mut self.answers) {
                Ok(Some(text)) => self.texts.push(Cow::into_owned(text)),
                Ok(None) => {
                    assert!(input.is_empty(), "the decoder left input");
                    return;
                }
                Err(end) => {
                    self.end = Some(end);
                    return;
                }
            }
        }
    }
}
