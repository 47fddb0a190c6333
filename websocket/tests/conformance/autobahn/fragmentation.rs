//! Section 5: messages in fragments.

use msg2agent_websocket::Violation;

use super::{Case, check};
use crate::client_frame::{CONTINUATION, PING, PONG, TEXT, fragment, frame, server_frame};

#[test]
fn section_5_control_frames_are_not_fragmented() {
    let both = |number, opcode| {
        let frames = [fragment(opcode, "fragment1"), frame(CONTINUATION, "fragment2")];
        Case::new(number, frames).refused(Violation::Protocol)
    };
    check(&[both("5.1", PING), both("5.2", PONG)]);
}

#[test]
fn section_5_fragments_are_one_message() {
    let first = || fragment(TEXT, "fragment1");
    let last = || frame(CONTINUATION, "fragment2");
    let whole = |number| Case::new(number, [first(), last()]).text("fragment1fragment2");
    let around_a_ping = |number| {
        let case = Case::new(number, [first(), frame(PING, "ping payload"), last()]);
        case.text("fragment1fragment2").answer(server_frame(PONG, "ping payload"))
    };
    check(&[
        whole("5.3"),
        whole("5.4"),
        whole("5.5"),
        around_a_ping("5.6"),
        around_a_ping("5.7"),
        around_a_ping("5.8"),
        around_two_pings("5.19"),
        around_two_pings("5.20"),
    ]);
}

fn around_two_pings(number: &str) -> Case {
    let case = Case::new(
        number,
        [
            fragment(TEXT, "fragment1"),
            fragment(CONTINUATION, "fragment2"),
            frame(PING, "pongme 1!"),
            fragment(CONTINUATION, "fragment3"),
            fragment(CONTINUATION, "fragment4"),
            frame(PING, "pongme 2!"),
            frame(CONTINUATION, "fragment5"),
        ],
    );
    let case = case.text("fragment1fragment2fragment3fragment4fragment5");
    case.answer(server_frame(PONG, "pongme 1!")).answer(server_frame(PONG, "pongme 2!"))
}

#[test]
fn section_5_a_continuation_of_nothing_is_refused() {
    let text = || frame(TEXT, "Hello, world!");
    let nothing = |number, first: Vec<u8>| Case::new(number, [first, text()]).refused(Violation::Protocol);
    let last = || frame(CONTINUATION, "non-continuation payload");
    let middle = || fragment(CONTINUATION, "non-continuation payload");
    let message = || [fragment(TEXT, "fragment1"), frame(CONTINUATION, "fragment2")];
    let after = message().into_iter().chain([fragment(CONTINUATION, "fragment3"), text()]);
    let repeated = |number, first: fn() -> Vec<u8>| {
        let frames = [first(), fragment(TEXT, "fragment2"), frame(CONTINUATION, "fragment3")];
        Case::new(number, frames).refused(Violation::Protocol)
    };
    check(&[
        nothing("5.9", last()),
        nothing("5.10", last()),
        nothing("5.11", last()),
        nothing("5.12", middle()),
        nothing("5.13", middle()),
        nothing("5.14", middle()),
        Case::new("5.15", after).text("fragment1fragment2").refused(Violation::Protocol),
        repeated("5.16", || fragment(CONTINUATION, "fragment1")),
        repeated("5.17", || frame(CONTINUATION, "fragment1")),
    ]);
}

#[test]
fn section_5_18_a_second_first_fragment_is_refused() {
    let frames = [fragment(TEXT, "fragment1"), frame(TEXT, "fragment2")];
    check(&[Case::new("5.18", frames).refused(Violation::Protocol)]);
}
