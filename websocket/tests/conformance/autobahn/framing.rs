//! Sections 1 (framing), 3 (reserved bits) and 4 (opcodes).

use msg2agent_websocket::Violation;

use super::{Case, check};
use crate::client_frame::{BINARY, FINAL, PING, TEXT, frame, header, server_frame, with_first_byte};
use crate::client_frame::{CLOSE, PONG, close_payload};

const HELLO: &str = "Hello, world!";

#[test]
fn section_1_1_texts_of_every_length_are_read() {
    let lengths = [0, 125, 126, 127, 128, 65_535, 65_536, 65_536];
    let cases = (1..).zip(lengths).map(|(number, length)| {
        let text = "*".repeat(length);
        Case::new(&format!("1.1.{number}"), [frame(TEXT, &text)]).text(&text)
    });
    check(&cases.collect::<Vec<_>>());
}

#[test]
fn section_1_2_binary_messages_are_refused() {
    let lengths = [0, 125, 126, 127, 128, 65_535, 65_536, 65_536];
    let cases = (1..).zip(lengths).map(|(number, length)| {
        let bytes = vec![0xfe; length];
        Case::new(&format!("1.2.{number}"), [frame(BINARY, bytes)]).refused(Violation::Binary)
    });
    check(&cases.collect::<Vec<_>>());
}

#[test]
fn section_3_reserved_bits_are_refused() {
    let text = || frame(TEXT, HELLO);
    let reserved = |bits: u8, opcode: u8| with_first_byte(FINAL | bits << 4 | opcode, HELLO);
    let refused = |number, frames: Vec<Vec<u8>>| Case::new(number, frames).refused(Violation::Protocol);
    check(&[
        refused("3.1", vec![reserved(1, TEXT)]),
        refused("3.2", vec![text(), reserved(2, TEXT), frame(PING, "")]).text(HELLO),
        refused("3.3", vec![text(), reserved(3, TEXT), frame(PING, "")]).text(HELLO),
        refused("3.4", vec![text(), reserved(4, TEXT), frame(PING, "")]).text(HELLO),
        refused("3.6", vec![reserved(6, PING)]),
        refused("3.7", vec![reserved(7, CLOSE)]),
    ]);
}

#[test]
fn section_3_5_a_binary_frame_with_a_reserved_bit_is_refused() {
    check(&[Case::new("3.5", [with_first_byte(FINAL | 0x50 | BINARY, HELLO)]).refused(Violation::Protocol)]);
}

#[test]
fn section_4_reserved_opcodes_are_refused() {
    for (section, opcodes) in [("4.1", 3..=7), ("4.2", 11..=15)] {
        let cases = (1..).zip(opcodes).flat_map(|(number, opcode)| {
            let number = format!("{section}.{number}");
            let (bare, after) = (frame(opcode, ""), frame(opcode, HELLO));
            let first = Case::new(&number, [bare]).refused(Violation::Protocol);
            let second = Case::new(&number, [frame(TEXT, HELLO), after, frame(PING, "")]);
            [first, second.text(HELLO).refused(Violation::Protocol)]
        });
        check(&cases.collect::<Vec<_>>());
    }
}

#[test]
fn what_follows_a_valid_frame_is_read_too() {
    let frames = [frame(TEXT, "a"), frame(PING, "b"), frame(TEXT, "c"), frame(PONG, "d")];
    let end = frame(CLOSE, close_payload(1000, ""));
    let case = Case::new("all together", frames.into_iter().chain([end])).text("a").text("c");
    let case = case.answer(server_frame(PONG, "b"));
    check(&[case.answer(server_frame(CLOSE, close_payload(1000, ""))).closed()]);
}

#[test]
fn a_frame_that_is_not_masked_is_refused() {
    check(&[Case::new("RFC 6455, section 5.1", [server_frame(TEXT, "a")]).refused(Violation::Protocol)]);
}

#[test]
fn a_reserved_opcode_is_refused_whatever_its_length() {
    let too_long = header(FINAL | 3, 2 << 20);
    check(&[Case::new("RFC 6455, section 5.2", [too_long]).refused(Violation::Protocol)]);
}
