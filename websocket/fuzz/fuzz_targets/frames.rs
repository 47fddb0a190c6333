//! Fuzzes the bytes of a client: our decoder and tungstenite find the same in them.
#![no_main]

#[path = "../../tests/conformance/decoded_stream.rs"]
mod decoded_stream;
#[path = "../../tests/conformance/tungstenite_decoder.rs"]
mod tungstenite_decoder;

use decoded_stream::DecodedStream;
use libfuzzer_sys::fuzz_target;
use msg2agent_websocket::{FrameDecoder, StreamEnd, Violation};
use tungstenite_decoder::TungsteniteDecoder;

/// Bytes of a message: little, so that fuzzed messages are above it too.
const MESSAGE_BYTES_MAX: usize = 1000;

fuzz_target!(|input: (u8, &[u8])| {
    let (size, bytes) = input;
    let chunks = bytes.chunks(usize::from(size) + 1);
    let ours = DecodedStream::read(&mut FrameDecoder::new(MESSAGE_BYTES_MAX), chunks.clone());
    let mut theirs = DecodedStream::read(&mut TungsteniteDecoder::new(MESSAGE_BYTES_MAX), chunks.clone());
    if ours.end.is_some() && theirs.end.is_none() {
        // Ours sees most violations in the header; theirs when the payload is complete.
        let rest = [0; 2 * MESSAGE_BYTES_MAX];
        let chunks = chunks.chain([rest.as_slice()]);
        theirs = DecodedStream::read(&mut TungsteniteDecoder::new(MESSAGE_BYTES_MAX), chunks);
    }
    if ours.end == Some(StreamEnd::Violation(Violation::Binary)) {
        // Theirs hands the message out at its end, which may break another rule.
        assert_eq!(ours.texts, theirs.texts);
        assert!(theirs.end.is_some() && theirs.answers.starts_with(&ours.answers));
        return;
    }
    assert_eq!(ours, theirs);
});
