//! Section 7: close frames.

use msg2agent_websocket::Violation;

use super::{Case, check};
use crate::client_frame::{CLOSE, CONTINUATION, PING, TEXT, close_payload, fragment, frame, server_frame};

fn closes(number: &str, payload: impl AsRef<[u8]>) -> Case {
    let payload = payload.as_ref();
    Case::new(number, [frame(CLOSE, payload)]).answer(server_frame(CLOSE, payload)).closed()
}

/// A close frame with code 1000 among other frames. What follows it is not read.
fn closes_among(number: &str, before: Vec<Vec<u8>>, after: Vec<Vec<u8>>) -> Case {
    let normal = close_payload(1000, "");
    let frames = before.into_iter().chain([frame(CLOSE, &normal)]).chain(after);
    Case::new(number, frames).answer(server_frame(CLOSE, normal)).closed()
}

#[test]
fn section_7_1_nothing_is_read_after_a_close_frame() {
    let text = || frame(TEXT, "Hello World!");
    let again = || frame(CLOSE, close_payload(1000, ""));
    let long = "BAsd7&jh23".repeat(25_600);
    check(&[
        closes_among("7.1.1", vec![text()], vec![]).text("Hello World!"),
        closes_among("7.1.2", vec![], vec![again()]),
        closes_among("7.1.3", vec![], vec![frame(PING, "")]),
        closes_among("7.1.4", vec![], vec![text()]),
        closes_among("7.1.5", vec![fragment(TEXT, "fragment1")], vec![frame(CONTINUATION, "fragment2")]),
        closes_among("7.1.6", vec![frame(TEXT, &long), text()], vec![frame(PING, "")])
            .text(&long)
            .text("Hello World!"),
    ]);
}

#[test]
fn section_7_3_payloads_of_close_frames() {
    check(&[
        closes("7.3.1", ""),
        Case::new("7.3.2", [frame(CLOSE, "a")]).refused(Violation::Protocol),
        closes("7.3.3", close_payload(1000, "")),
        closes("7.3.4", close_payload(1000, "Hello World!")),
        closes("7.3.5", close_payload(1000, "*".repeat(123))),
        Case::new("7.3.6", [frame(CLOSE, close_payload(1000, "*".repeat(124)))]).refused(Violation::Protocol),
    ]);
}

#[test]
fn section_7_5_a_reason_is_utf8() {
    let reason = [b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5".as_slice(), b"\xed\xa0\x80edited"].concat();
    check(&[Case::new("7.5.1", [frame(CLOSE, close_payload(1000, reason))]).refused(Violation::InvalidUtf8)]);
}

#[test]
fn section_7_7_valid_codes_are_echoed() {
    let codes = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999];
    let cases = (1..).zip(codes).map(|(n, code)| closes(&format!("7.7.{n}"), close_payload(code, "")));
    check(&cases.collect::<Vec<_>>());
}

#[test]
fn sections_7_9_and_7_13_invalid_codes_are_refused() {
    let invalid = [0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999];
    let cases = (1..).zip(invalid).map(|(n, code)| (format!("7.9.{n}"), code));
    let cases =
        cases.chain([("7.13.1".to_owned(), 5000), ("7.13.2".to_owned(), 65_535)]).map(|(number, code)| {
            Case::new(&number, [frame(CLOSE, close_payload(code, ""))]).refused(Violation::Protocol)
        });
    check(&cases.collect::<Vec<_>>());
}
