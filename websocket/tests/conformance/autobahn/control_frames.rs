//! Section 2: pings and pongs.

use msg2agent_websocket::Violation;

use super::{Case, check};
use crate::client_frame::{PING, PONG, frame, server_frame};

#[test]
fn section_2_pings_are_answered_and_pongs_are_not() {
    let binary: &[u8] = &[0x00, 0xff, 0xfe, 0xfd, 0xfc, 0xfb, 0x00, 0xff];
    let long: &[u8] = &[0xfe; 125];
    let ping = |number, payload: &[u8]| {
        Case::new(number, [frame(PING, payload)]).answer(server_frame(PONG, payload))
    };
    let pong = || frame(PONG, "unsolicited pong payload");
    check(&[
        ping("2.1", b""),
        ping("2.2", b"Hello, world!"),
        ping("2.3", binary),
        ping("2.4", long),
        Case::new("2.5", [frame(PING, [0xfe; 126])]).refused(Violation::Protocol),
        ping("2.6", long),
        Case::new("2.7", [frame(PONG, "")]),
        Case::new("2.8", [pong()]),
        Case::new("2.9", [pong(), frame(PING, "ping")]).answer(server_frame(PONG, "ping")),
        ten_pings("2.10"),
        ten_pings("2.11"),
    ]);
}

fn ten_pings(number: &str) -> Case {
    let payloads: Vec<_> = (0..10).map(|n| format!("payload-{n}")).collect();
    let case = Case::new(number, payloads.iter().map(|payload| frame(PING, payload)));
    payloads.iter().fold(case, |case, payload| case.answer(server_frame(PONG, payload)))
}
