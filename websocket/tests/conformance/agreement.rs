//! Our decoder and tungstenite read random frames the same, however the bytes are cut.

use msg2agent_websocket::{FrameDecoder, MessageDecoder as _, StreamEnd, Violation};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::client_frame::{
    BINARY, CLOSE, CONTINUATION, FINAL, PING, PONG, TEXT, close_payload, header, with_first_byte,
};
use crate::decoded_stream::DecodedStream;
use crate::tungstenite_decoder::TungsteniteDecoder;

/// Bytes of a message: little, so that random messages are above it too.
const MESSAGE_BYTES_MAX: usize = 600;

/// First bytes of frames, the usual ones most often.
fn first_byte() -> impl Strategy<Value = u8> {
    prop_oneof![
        20 => Just(FINAL | TEXT),
        10 => Just(TEXT),
        10 => Just(CONTINUATION),
        10 => Just(FINAL | CONTINUATION),
        10 => Just(FINAL | PING),
        5 => Just(FINAL | PONG),
        2 => Just(FINAL | CLOSE),
        1 => Just(FINAL | BINARY),
        1 => any::<u8>(),
    ]
}

/// Payloads: mostly text, sometimes cut within a character, sometimes any bytes.
fn payload() -> impl Strategy<Value = Vec<u8>> {
    let text = || vec(any::<char>(), 0..40).prop_map(|chars| String::from_iter(chars).into_bytes());
    prop_oneof![
        10 => text(),
        5 => (0usize..200).prop_map(|length| vec![b'x'; length]),
        2 => (text(), any::<prop::sample::Index>()).prop_map(|(mut text, cut)| {
            text.truncate(cut.index(text.len() + 1));
            text
        }),
        1 => vec(any::<u8>(), 0..300),
        1 => (any::<u16>(), vec(any::<u8>(), 0..4)).prop_map(|(code, reason)| close_payload(code, reason)),
        1 => prop::sample::select(vec![1000, 1001, 1015, 3000]).prop_map(|code| close_payload(code, "bye")),
    ]
}

fn frames() -> impl Strategy<Value = Vec<u8>> {
    let whole = (first_byte(), payload()).prop_map(|(first, payload)| with_first_byte(first, payload));
    // A frame above the limit, whose payload does not come.
    let too_big = (first_byte(), 601usize..100_000).prop_map(|(first, length)| header(first, length));
    let unmasked = (first_byte(), 0u8..126)
        .prop_map(|(first, length)| [vec![first, length], vec![b'x'; length.into()]].concat());
    vec(prop_oneof![60 => whole, 1 => too_big, 1 => unmasked], 0..20).prop_map(|frames| frames.concat())
}

/// Splits the bytes at random places.
fn chunks(bytes: &[u8], sizes: &[usize]) -> Vec<Vec<u8>> {
    let (mut rest, mut chunks) = (bytes, Vec::new());
    for size in sizes.iter().cycle() {
        if rest.is_empty() || sizes.is_empty() {
            break;
        }
        let (chunk, after) = rest.split_at((*size).min(rest.len()));
        chunks.push(chunk.to_vec());
        rest = after;
    }
    chunks.push(rest.to_vec());
    chunks
}

fn read_ours(chunks: &[Vec<u8>]) -> DecodedStream {
    let mut decoder = FrameDecoder::new(MESSAGE_BYTES_MAX);
    DecodedStream::read(&mut decoder, chunks.iter().map(Vec::as_slice))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn both_read_the_same(bytes in frames(), sizes in vec(1usize..50, 1..20)) {
        let chunks = chunks(&bytes, &sizes);
        let ours = read_ours(&chunks);
        let mut tungstenite = TungsteniteDecoder::new(MESSAGE_BYTES_MAX);
        let theirs = DecodedStream::read(&mut tungstenite, chunks.iter().map(Vec::as_slice));
        if ours.end == Some(StreamEnd::Violation(Violation::Binary)) {
            // Ours sees it in the first frame; theirs at the end of the message, which may not come
            // or break another rule.
            prop_assert!(theirs.end != Some(StreamEnd::Closed) || theirs.answers.len() > ours.answers.len());
            prop_assert_eq!(&ours.texts, &theirs.texts);
            prop_assert!(theirs.answers.starts_with(&ours.answers));
        } else {
            prop_assert_eq!(ours, theirs);
        }
    }

    #[test]
    fn the_cuts_between_pieces_change_nothing(bytes in frames(), sizes in vec(1usize..2000, 1..20)) {
        prop_assert_eq!(read_ours(&chunks(&bytes, &sizes)), read_ours(std::slice::from_ref(&bytes)));
    }
}

#[test]
fn the_fragments_of_a_message_are_together_below_the_limit() {
    let half = "x".repeat(MESSAGE_BYTES_MAX / 2);
    let fragments = [with_first_byte(TEXT, &half), with_first_byte(CONTINUATION, &half)];
    let whole = [fragments.concat(), with_first_byte(FINAL | CONTINUATION, "")].concat();
    let longer = [fragments.concat(), with_first_byte(FINAL | CONTINUATION, "x")].concat();
    let read = |bytes: &[u8]| {
        let mut tungstenite = TungsteniteDecoder::new(MESSAGE_BYTES_MAX);
        let ours = read_ours(&[bytes.to_vec()]);
        assert_eq!(ours, DecodedStream::read(&mut tungstenite, [bytes]));
        (ours.texts.len(), ours.end)
    };
    assert_eq!(read(&whole), (1, None));
    assert_eq!(read(&longer), (0, Some(StreamEnd::Violation(Violation::TooBig))));
}

#[test]
fn nothing_is_read_after_the_end() {
    let mut decoder = FrameDecoder::new(MESSAGE_BYTES_MAX);
    let broken = DecodedStream::read(&mut decoder, [with_first_byte(0x70 | FINAL, "").as_slice()]);
    let after = DecodedStream::read(&mut decoder, [with_first_byte(FINAL | TEXT, "x").as_slice()]);
    assert_eq!(broken.end, Some(StreamEnd::Violation(Violation::Protocol)));
    assert_eq!(after, broken);
}

#[test]
fn a_larger_limit_takes_effect_with_the_next_frame() {
    let text = "x".repeat(MESSAGE_BYTES_MAX + 1);
    let bytes = with_first_byte(FINAL | TEXT, &text);
    let mut decoder = FrameDecoder::new(MESSAGE_BYTES_MAX);
    decoder.set_message_bytes_max(MESSAGE_BYTES_MAX + 1);
    let read = DecodedStream::read(&mut decoder, [bytes.as_slice()]);
    assert_eq!(read.texts, [text]);
    let read = DecodedStream::read(&mut decoder, [header(FINAL | TEXT, MESSAGE_BYTES_MAX + 2).as_slice()]);
    assert_eq!(read.end, Some(StreamEnd::Violation(Violation::TooBig)));
}

#[test]
fn buffers_that_are_given_back_between_pieces_change_nothing() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let frames = [with_first_byte(FINAL | TEXT, "{"), with_first_byte(FINAL | TEXT, &deep)];
    let bytes = [frames.concat(), with_first_byte(FINAL | TEXT, "}")].concat();
    for size in [1, 13, 65_536] {
        let (mut decoder, mut answers, mut texts) = (FrameDecoder::new(1 << 20), Vec::new(), Vec::new());
        for chunk in bytes.chunks(size) {
            let (mut chunk, mut spare) = (chunk.to_vec(), Some(vec![7; 100]));
            let mut input = chunk.as_mut_slice();
            decoder.set_buffer(|| spare.take().unwrap());
            while let Some(text) = decoder.next_text(&mut input, &mut answers).unwrap() {
                texts.push(text.into_owned());
            }
            decoder.take_buffer();
        }
        assert!(texts == ["{", &deep, "}"], "in pieces of {size}");
    }
}
