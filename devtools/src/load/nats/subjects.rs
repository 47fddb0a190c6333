//! The part of the text protocol of NATS that a pair needs, over TCP or inside WebSocket frames:
//! PUB, SUB, MSG, PING.
//!
//! Source: docs.nats.io, "Client Protocol".

use anyhow::{Context as _, bail, ensure};

use crate::load::codec::{Codec, Consumed};
use crate::load::websocket;

/// Bytes of a line before its payload; the server's own limit is 4 KiB.
const LINE_BYTES_MAX: usize = 4096;

/// Publishes to `pair.<number>`; with `answers`, the recipient publishes to the reply subject.
pub struct Subjects {
    message: Vec<u8>,
    answer: Option<Vec<u8>>,
}

impl Subjects {
    #[must_use]
    pub fn new(number: u16, size: usize, answers: bool) -> Self {
        let reply = if answers { format!(" answer.{number}") } else { String::new() };
        let mut message = format!("PUB pair.{number}{reply} {size}\r\n").into_bytes();
        message.resize(message.len() + size, b'x');
        message.extend_from_slice(b"\r\n");
        let answer = answers.then(|| format!("PUB answer.{number} 2\r\nok\r\n").into_bytes());
        Self { message, answer }
    }
}

impl Codec for Subjects {
    fn message(&mut self, _: u64, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.message);
    }

    fn at_recipient(&mut self, input: &[u8], reply: &mut Vec<u8>) -> anyhow::Result<Consumed> {
        let consumed = read(input, reply)?;
        if let Some(answer) = &self.answer {
            (0..consumed.count).for_each(|_| reply.extend_from_slice(answer));
        }
        Ok(consumed)
    }

    fn at_sender(&mut self, input: &[u8], reply: &mut Vec<u8>) -> anyhow::Result<Consumed> {
        read(input, reply)
    }
}

/// Counts MSG, answers PING, skips INFO and PONG; anything else is an error.
fn read(input: &[u8], reply: &mut Vec<u8>) -> anyhow::Result<Consumed> {
    let mut consumed = Consumed::default();
    loop {
        let rest = input.get(consumed.bytes..).unwrap_or_default();
        let Some(end) = rest.iter().take(LINE_BYTES_MAX).position(|byte| *byte == b'\n') else {
            ensure!(rest.len() < LINE_BYTES_MAX, "nats-server sends a line without end");
            return Ok(consumed);
        };
        let line = rest.get(..end).unwrap_or_default().trim_ascii_end();
        let mut length = end + 1;
        if line.starts_with(b"MSG ") {
            length += payload_length(line)? + 2;
            if rest.len() < length {
                return Ok(consumed);
            }
            consumed.count += 1;
        } else if line == b"PING" {
            reply.extend_from_slice(b"PONG\r\n");
        } else if !(line.starts_with(b"INFO ") || line == b"PONG") {
            bail!("nats-server says {:?}", String::from_utf8_lossy(line));
        }
        consumed.bytes += length;
    }
}

/// The last word of `MSG <subject> <sid> [reply] <bytes>`.
fn payload_length(line: &[u8]) -> anyhow::Result<usize> {
    let word = line.rsplit(|byte| *byte == b' ').next().unwrap_or_default();
    let text = std::str::from_utf8(word).context("MSG without length")?;
    text.parse().context("MSG without length")
}

/// The same protocol in binary frames. A line may begin in one frame and end in the next.
pub struct SubjectsInFrames {
    subjects: Subjects,
    to_sender: Vec<u8>,
    to_recipient: Vec<u8>,
}

impl SubjectsInFrames {
    #[must_use]
    pub const fn new(subjects: Subjects) -> Self {
        Self { subjects, to_sender: Vec::new(), to_recipient: Vec::new() }
    }
}

impl Codec for SubjectsInFrames {
    fn message(&mut self, _: u64, out: &mut Vec<u8>) {
        websocket::write_binary(&self.subjects.message, out);
    }

    fn at_recipient(&mut self, input: &[u8], reply: &mut Vec<u8>) -> anyhow::Result<Consumed> {
        let subjects = &mut self.subjects;
        in_frames(&mut self.to_recipient, input, reply, |text, answer| subjects.at_recipient(text, answer))
    }

    fn at_sender(&mut self, input: &[u8], reply: &mut Vec<u8>) -> anyhow::Result<Consumed> {
        in_frames(&mut self.to_sender, input, reply, read)
    }
}

/// Reads the protocol from whole frames. What is left of it waits in `text` for the next ones.
fn in_frames(
    text: &mut Vec<u8>,
    input: &[u8],
    reply: &mut Vec<u8>,
    take: impl FnOnce(&[u8], &mut Vec<u8>) -> anyhow::Result<Consumed>,
) -> anyhow::Result<Consumed> {
    let bytes = websocket::read(input, reply, |payload| {
        text.extend_from_slice(payload);
        Ok(())
    })?;
    let mut answer = Vec::new();
    let consumed = take(text, &mut answer)?;
    text.drain(..consumed.bytes);
    if !answer.is_empty() {
        websocket::write_binary(&answer, reply);
    }
    Ok(Consumed { bytes, ..consumed })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_messages_are_counted_and_a_part_waits() {
        let mut subjects = Subjects::new(3, 5, true);
        let mut reply = vec![];
        let input = b"MSG pair.3 1 answer.3 5\r\nhello\r\nPING\r\nMSG pair.3 1 answer.3 5\r\nhel";
        let consumed = subjects.at_recipient(input, &mut reply).unwrap();
        assert_eq!(consumed, Consumed { bytes: 38, count: 1, stored: 0 });
        assert_eq!(reply, b"PONG\r\nPUB answer.3 2\r\nok\r\n");
    }

    #[test]
    fn an_error_of_the_server_ends_the_round() {
        let error = read(b"-ERR 'Slow Consumer'\r\n", &mut vec![]).unwrap_err();
        assert!(error.to_string().contains("Slow Consumer"), "{error}");
    }

    #[test]
    fn a_message_in_two_frames_is_counted_once() {
        let mut subjects = SubjectsInFrames::new(Subjects::new(3, 5, true));
        let mut reply = vec![];
        let line = b"MSG pair.3 1 answer.3 5\r\nhello\r\n";
        for (part, count) in [(&line[..10], 0), (&line[10..], 1)] {
            let frame = [&[0x82, u8::try_from(part.len()).unwrap()], part].concat();
            let consumed = subjects.at_recipient(&frame, &mut reply).unwrap();
            assert_eq!(consumed, Consumed { bytes: frame.len(), count, stored: 0 });
        }
        assert!(reply.ends_with(b"PUB answer.3 2\r\nok\r\n") && reply[0] == 0x82);
    }
}
