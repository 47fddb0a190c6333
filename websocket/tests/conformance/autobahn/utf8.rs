//! Section 6: text is UTF-8, also where a fragment ends within a character.

use msg2agent_websocket::Violation;

use super::{Case, check};
use crate::client_frame::{CONTINUATION, PING, TEXT, fragment, frame};

const HELLO: &str = "Hello-µ@ßöäüàá-UTF-8!!";
const KOSME: &str = "κόσμε";

/// The bytes as one message of several fragments.
fn in_fragments<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    for part in parts {
        frames.push(fragment(if frames.is_empty() { TEXT } else { CONTINUATION }, part));
    }
    frames.push(frame(CONTINUATION, ""));
    frames
}

/// The sequence as one frame, and in fragments of one byte.
fn valid(number: &str, bytes: &[u8]) -> [Case; 2] {
    let text = std::str::from_utf8(bytes).unwrap();
    let whole = Case::new(number, [frame(TEXT, bytes)]).text(text);
    [whole, Case::new(number, in_fragments(bytes.chunks(1))).text(text)]
}

fn invalid(number: &str, bytes: &[u8]) -> [Case; 2] {
    let whole = Case::new(number, [frame(TEXT, bytes)]).refused(Violation::InvalidUtf8);
    [whole, Case::new(number, in_fragments(bytes.chunks(1))).refused(Violation::InvalidUtf8)]
}

#[test]
fn section_6_1_empty_texts_and_fragments() {
    let three = |middle| [fragment(TEXT, ""), fragment(CONTINUATION, middle), frame(CONTINUATION, "")];
    check(&[
        Case::new("6.1.1", [frame(TEXT, "")]).text(""),
        Case::new("6.1.2", three("")).text(""),
        Case::new("6.1.3", three("middle frame payload")).text("middle frame payload"),
    ]);
}

#[test]
fn section_6_2_valid_text_in_fragments() {
    let (front, back) = HELLO.as_bytes().split_at(13);
    check(&[Case::new("6.2.2", in_fragments([front, back])).text(HELLO)]);
    check(&valid("6.2.1, 6.2.3", HELLO.as_bytes()));
    check(&valid("6.2.4", KOSME.as_bytes()));
}

#[test]
fn sections_6_3_and_6_4_an_invalid_character_ends_the_stream() {
    let surrogate = [KOSME.as_bytes(), b"\xed\xa0\x80edited"].concat();
    check(&invalid("6.3.1, 6.3.2", &surrogate));
    // The rest never comes, and the violation is seen where the invalid fragment ends.
    let parts = [KOSME.as_bytes(), b"\xf4\x90\x80\x80".as_slice(), b"edited"];
    let unfinished = in_fragments(parts).into_iter().take(2);
    check(&[Case::new("6.4.1", unfinished).refused(Violation::InvalidUtf8)]);
    let parts = [b"\xce\xba\xf4".as_slice(), b"\x90".as_slice(), b"\x80\x80edited"];
    let unfinished = in_fragments(parts).into_iter().take(2).chain([frame(PING, "")]);
    check(&[Case::new("6.4.2", unfinished).refused(Violation::InvalidUtf8)]);
    let whole = [KOSME.as_bytes(), b"\xf4\x90\x80\x80edited"].concat();
    check(&invalid("6.4.3, 6.4.4", &whole));
}

#[test]
fn section_6_6_prefixes_of_a_valid_text() {
    for length in 1..=KOSME.len() {
        let bytes = KOSME.as_bytes().get(..length).unwrap();
        let number = format!("6.6.{length}");
        let is_whole = KOSME.is_char_boundary(length);
        check(&if is_whole { valid(&number, bytes) } else { invalid(&number, bytes) });
    }
}

/// Sequences of Markus Kuhn's decoder test, which the suite takes over.
const VALID: [(&str, &[&[u8]]); 6] = [
    ("6.5", &[b"Hello", "κό".as_bytes(), "κόσμ".as_bytes(), KOSME.as_bytes()]),
    ("6.7", &[b"\x00", b"\xc2\x80", b"\xe0\xa0\x80", b"\xf0\x90\x80\x80"]),
    ("6.9", &[b"\x7f", b"\xdf\xbf", b"\xef\xbf\xbf", b"\xf4\x8f\xbf\xbf"]),
    ("6.11", &[b"\xed\x9f\xbf", b"\xee\x80\x80", b"\xef\xbf\xbd", b"\xf4\x8f\xbf\xbf"]),
    ("6.22", &[b"\xef\xbf\xbe", b"\xf0\x9f\xbf\xbe", b"\xf0\x9f\xbf\xbf", b"\xf3\xbf\xbf\xbf"]),
    ("6.23", &[b"\xef\xbf\xb9", b"\xef\xbf\xba", b"\xef\xbf\xbb", b"\xef\xbf\xbc", b"\xef\xbf\xbd"]),
];

const INVALID: [(&str, &[&[u8]]); 13] = [
    ("6.8", &[b"\xf8\x88\x80\x80\x80", b"\xfc\x84\x80\x80\x80\x80"]),
    ("6.10", &[b"\xf7\xbf\xbf\xbf", b"\xfb\xbf\xbf\xbf\xbf", b"\xfd\xbf\xbf\xbf\xbf\xbf"]),
    ("6.11.5", &[b"\xf4\x90\x80\x80"]),
    ("6.12", &[b"\x80", b"\xbf", b"\x80\xbf", b"\x80\xbf\x80", b"\x80\xbf\x80\xbf\x80\xbf"]),
    ("6.13", &[b"\xc0 \xc1 ", b"\xe0 \xe1 ", b"\xf0 \xf1 ", b"\xf8 \xf9 ", b"\xfc "]),
    ("6.14", &[b"\xc0", b"\xe0\x80", b"\xf0\x80\x80", b"\xdf", b"\xef\xbf", b"\xf7\xbf\xbf"]),
    ("6.15", &[b"\xc0\xe0\x80\xf0\x80\x80\xf8\x80\x80\x80\xfc\x80\x80\x80\x80\xdf\xef\xbf\xf7\xbf\xbf"]),
    ("6.16", &[b"\xfe", b"\xff", b"\xfe\xfe\xff\xff"]),
    ("6.17", &[b"\xc0\xaf", b"\xe0\x80\xaf", b"\xf0\x80\x80\xaf", b"\xf8\x80\x80\x80\xaf"]),
    ("6.18", &[b"\xc1\xbf", b"\xe0\x9f\xbf", b"\xf0\x8f\xbf\xbf", b"\xf8\x87\xbf\xbf\xbf"]),
    ("6.19", &[b"\xc0\x80", b"\xe0\x80\x80", b"\xf0\x80\x80\x80", b"\xf8\x80\x80\x80\x80"]),
    ("6.20", &[b"\xed\xa0\x80", b"\xed\xad\xbf", b"\xed\xae\x80", b"\xed\xb0\x80", b"\xed\xbf\xbf"]),
    ("6.21", &[b"\xed\xa0\x80\xed\xb0\x80", b"\xed\xaf\xbf\xed\xbf\xbf"]),
];

#[test]
fn sections_6_5_to_6_23_valid_sequences() {
    for (section, sequences) in VALID {
        for (number, bytes) in (1..).zip(sequences) {
            check(&valid(&format!("{section}.{number}"), bytes));
        }
    }
}

#[test]
fn sections_6_8_to_6_21_invalid_sequences() {
    for (section, sequences) in INVALID {
        for (number, bytes) in (1..).zip(sequences) {
            check(&invalid(&format!("{section}.{number}"), bytes));
        }
    }
}
