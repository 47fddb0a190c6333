//! Answers the control frames of a client: pings and close frames.

use crate::Violation;

/// First byte of a pong.
const PONG: u8 = 0x8a;
/// First byte of a close frame.
const CLOSE: u8 = 0x88;

/// Appends the pong for a ping.
pub(crate) fn answer_ping(payload: &[u8], answers: &mut Vec<u8>) {
    write(PONG, payload, answers);
}

/// Appends the answer to a close frame, which has the same code and reason.
pub(crate) fn answer_close(payload: &[u8], answers: &mut Vec<u8>) -> Result<(), Violation> {
    check_close(payload)?;
    write(CLOSE, payload, answers);
    Ok(())
}

fn check_close(payload: &[u8]) -> Result<(), Violation> {
    match payload {
        [] => Ok(()),
        [high, low, reason @ ..] => {
            std::str::from_utf8(reason).map_err(|_| Violation::InvalidUtf8)?;
            let code = u16::from_be_bytes([*high, *low]);
            if is_sent_in_close_frames(code) { Ok(()) } else { Err(Violation::Protocol) }
        }
        [_] => Err(Violation::Protocol),
    }
}

/// The codes that RFC 6455, section 7.4, and the registry of codes allow in a frame.
const fn is_sent_in_close_frames(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1013 | 3000..=4999)
}

fn write(first: u8, payload: &[u8], answers: &mut Vec<u8>) {
    // A control frame has at most 125 bytes, so its length is one byte.
    answers.extend_from_slice(&[first, u8::try_from(payload.len()).unwrap_or(0)]);
    answers.extend_from_slice(payload);
}
