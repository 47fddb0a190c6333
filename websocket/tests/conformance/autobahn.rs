//! The cases of the Autobahn test suite, sections 1 to 7, under its numbers. Each is decoded in one
//! piece, byte by byte, and in pieces between, so that the suite's "chopped" variants are included.
//!
//! What differs from the suite: an echo is a text that is handed out, and a binary message is a
//! violation, because clients of the relay send text only.

mod close_handshake;
mod control_frames;
mod fragmentation;
mod framing;
mod utf8;

use msg2agent_websocket::{FrameDecoder, StreamEnd, Violation};

use crate::decoded_stream::DecodedStream;
use crate::tungstenite_decoder::TungsteniteDecoder;

/// Bytes of a message: above the largest text of the suite.
const MESSAGE_BYTES_MAX: usize = 1 << 20;
/// Bytes of each piece of input.
const CHUNK_BYTES: [usize; 5] = [usize::MAX, 1, 3, 64, 997];

/// One case of the suite.
struct Case {
    /// Its number in the suite.
    number: String,
    bytes: Vec<u8>,
    expected: DecodedStream,
}

impl Case {
    fn new(number: &str, frames: impl IntoIterator<Item = Vec<u8>>) -> Self {
        let bytes = frames.into_iter().collect::<Vec<_>>().concat();
        Self { number: number.to_owned(), bytes, expected: DecodedStream::default() }
    }

    fn text(mut self, text: &str) -> Self {
        self.expected.texts.push(text.to_owned());
        self
    }

    fn answer(mut self, frame: Vec<u8>) -> Self {
        self.expected.answers.extend(frame);
        self
    }

    fn closed(mut self) -> Self {
        self.expected.end = Some(StreamEnd::Closed);
        self
    }

    fn refused(mut self, violation: Violation) -> Self {
        self.expected.end = Some(StreamEnd::Violation(violation));
        self
    }

    fn check(&self) {
        for size in CHUNK_BYTES {
            if size < 64 && self.bytes.len() > 200_000 {
                continue;
            }
            let chunks = || self.bytes.chunks(size.min(self.bytes.len()));
            let ours = DecodedStream::read(&mut FrameDecoder::new(MESSAGE_BYTES_MAX), chunks());
            assert!(ours == self.expected, "{} in pieces of {size}: {}", self.number, short(&ours));
            let theirs = DecodedStream::read(&mut TungsteniteDecoder::new(MESSAGE_BYTES_MAX), chunks());
            assert!(theirs == self.expected, "tungstenite, {}: {}", self.number, short(&theirs));
        }
    }
}

fn check(cases: &[Case]) {
    for case in cases {
        case.check();
    }
}

/// A decoded stream without long texts.
fn short(stream: &DecodedStream) -> String {
    let texts: Vec<_> = stream.texts.iter().map(|text| text.chars().take(40).collect::<String>()).collect();
    format!("{texts:?}, {:02x?}, {:?}", stream.answers, stream.end)
}
