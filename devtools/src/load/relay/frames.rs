//! Prepares `message.send` frames once and patches them per message. Counts deliveries in order and
//! acknowledges them.
//!
//! The envelopes' protected header, body and signature are random text: the relay reads none of
//! them.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, ensure};
use protocol::Did;
use protocol::envelope::{Class, Routing};
use protocol::frame::SendStatus;
use protocol::limits::{WINDOW_BYTES, WINDOW_MESSAGES};

use crate::load::codec::{Codec, Consumed};
use crate::load::websocket;

/// JSON-RPC ids start here, so that all have ten digits.
const FIRST_REQUEST: u64 = 1_000_000_000;
/// Characters of the base64url of a real protected header and signature.
const PROTECTED_CHARACTERS: usize = 480;
const SIGNATURE_CHARACTERS: usize = 86;
/// Mailbox lifetime of a reliable message, seconds.
const TTL: u64 = 600;
/// The last group of a UUID, which counts the messages.
const COUNTER_DIGITS: usize = 12;
/// Ephemeral deliveries left without acknowledgement, and their bytes: half of what the relay
/// allows.
const EPHEMERAL_UNACKNOWLEDGED: u64 = WINDOW_MESSAGES / 2;
const EPHEMERAL_UNACKNOWLEDGED_BYTES: usize = WINDOW_BYTES / 2;

const REQUEST_OPEN: &str = r#"{"jsonrpc":"2.0","id":"#;
const DELIVER_OPEN: &[u8] = br#"{"jsonrpc":"2.0","method":"relay.deliver","params":{"epoch":"#;
const NOTICE_OPEN: &[u8] = br#"{"jsonrpc":"2.0","method":"relay.notice","#;

/// The parts that make the ids of a connection unique: UUIDv7 time, the pair, a counter.
#[derive(Debug, Clone, Copy)]
pub struct IdSpace {
    pub milliseconds: u64,
    pub number: u16,
}

impl IdSpace {
    /// Ids of this millisecond.
    #[must_use]
    pub fn now(number: u16) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { milliseconds: u64::try_from(now.as_millis()).unwrap_or_default(), number }
    }
}

/// Frames of one pair.
pub struct Frames {
    class: Class,
    /// A whole WebSocket frame.
    template: Vec<u8>,
    request_at: usize,
    counter_at: usize,
    /// Offset of the counter from the start of an envelope.
    counter_in_envelope: usize,
    arrived: u64,
    unacknowledged: u64,
}

impl Frames {
    /// # Errors
    /// A `size` below what the members need, or above one frame.
    pub fn new(from: &Did, to: &Did, class: Class, size: usize, ids: IdSpace) -> anyhow::Result<Self> {
        let open = format!(r#"{REQUEST_OPEN}{FIRST_REQUEST},"method":"message.send","params":"#);
        let (envelope, counter_in_envelope) =
            envelope(from, to, class, size.saturating_sub(open.len() + 1), ids)?;
        Routing::parse(&envelope).context("the envelope made for this run is not one")?;
        let mut template = vec![];
        websocket::write_text(format!("{open}{envelope}}}").as_bytes(), &mut template);
        let header = websocket::client_header_bytes(size);
        ensure!(template.len() == size + header, "a frame of {size} bytes has another header than expected");
        Ok(Self {
            class,
            request_at: header + REQUEST_OPEN.len(),
            counter_at: header + open.len() + counter_in_envelope,
            counter_in_envelope,
            template,
            arrived: 0,
            unacknowledged: 0,
        })
    }

    fn count_delivery(&mut self, text: &[u8]) -> anyhow::Result<Delivery> {
        let rest = text.strip_prefix(DELIVER_OPEN).with_context(|| unexpected(text))?;
        let (epoch, rest) = number(rest).with_context(|| unexpected(text))?;
        let (seq, rest) =
            rest.strip_prefix(b",\"seq\":").and_then(number).with_context(|| unexpected(text))?;
        let envelope = rest.strip_prefix(b",\"envelope\":").with_context(|| unexpected(text))?;
        let counter = envelope.get(self.counter_in_envelope..).and_then(|rest| rest.get(..COUNTER_DIGITS));
        let due = counter_digits(self.arrived);
        ensure!(
            counter == Some(&due),
            "message {} was due, another arrived: {}",
            self.arrived,
            unexpected(text)
        );
        self.arrived += 1;
        self.unacknowledged += 1;
        Ok(Delivery { epoch, seq })
    }

    fn ephemeral_unacknowledged(&self) -> u64 {
        EPHEMERAL_UNACKNOWLEDGED.min((EPHEMERAL_UNACKNOWLEDGED_BYTES / self.template.len()) as u64)
    }

    fn acknowledge(&mut self, last: Delivery, reply: &mut Vec<u8>) {
        if self.class == Class::Ephemeral && self.unacknowledged < self.ephemeral_unacknowledged() {
            return;
        }
        self.unacknowledged = 0;
        let Delivery { epoch, seq } = last;
        let ack =
            format!(r#"{{"jsonrpc":"2.0","method":"relay.ack","params":{{"epoch":{epoch},"seq":{seq}}}}}"#);
        websocket::write_text(ack.as_bytes(), reply);
    }
}

#[derive(Clone, Copy)]
struct Delivery {
    epoch: u64,
    seq: u64,
}

impl Codec for Frames {
    fn message(&mut self, n: u64, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&self.template);
        patch(out, start + self.request_at, (FIRST_REQUEST + n).to_string().as_bytes());
        patch(out, start + self.counter_at, &counter_digits(n));
    }

    fn at_recipient(&mut self, input: &[u8], reply: &mut Vec<u8>) -> anyhow::Result<Consumed> {
        let (mut count, mut last) = (0, None);
        let bytes = websocket::read(input, reply, |text| {
            last = Some(self.count_delivery(text)?);
            count += 1;
            Ok(())
        })?;
        if let Some(last) = last {
            self.acknowledge(last, reply);
        }
        Ok(Consumed { bytes, count, stored: 0 })
    }

    fn at_sender(&mut self, input: &[u8], reply: &mut Vec<u8>) -> anyhow::Result<Consumed> {
        let class = self.class;
        let mut consumed = Consumed::default();
        consumed.bytes = websocket::read(input, reply, |text| {
            let answer = answer(text, class)?;
            consumed.count += u64::from(answer.is_some());
            consumed.stored += u64::from(answer == Some(SendStatus::Stored));
            Ok(())
        })?;
        Ok(consumed)
    }
}

/// The answer to a send; `None` for a notice, which follows an answer `stored`.
fn answer(text: &[u8], class: Class) -> anyhow::Result<Option<SendStatus>> {
    if class == Class::Reliable && text.starts_with(NOTICE_OPEN) {
        return Ok(None);
    }
    let rest = text.strip_prefix(REQUEST_OPEN.as_bytes()).and_then(number).map(|(_, rest)| rest);
    let good: &[SendStatus] = match class {
        Class::Reliable => &[SendStatus::Delivered, SendStatus::Stored],
        Class::Ephemeral => &[SendStatus::Forwarded],
    };
    let status = good.iter().copied().find(|status| rest == Some(result_of(*status)));
    Ok(Some(status.with_context(|| unexpected(text))?))
}

const fn result_of(status: SendStatus) -> &'static [u8] {
    match status {
        SendStatus::Delivered => br#","result":{"status":"delivered"}}"#,
        SendStatus::Stored => br#","result":{"status":"stored"}}"#,
        SendStatus::Forwarded => br#","result":{"status":"forwarded"}}"#,
    }
}

/// The envelope's JSON, and where the counter in its id stands.
fn envelope(
    from: &Did,
    to: &Did,
    class: Class,
    size: usize,
    ids: IdSpace,
) -> anyhow::Result<(String, usize)> {
    let IdSpace { milliseconds, number } = ids;
    let time = format!("{:08x}-{:04x}", (milliseconds >> 16) & 0xffff_ffff, milliseconds & 0xffff);
    let id = format!("{time}-7{:03x}-8{number:03x}-", rand::random::<u16>() & 0xfff);
    let open = format!(r#"{{"to":"{to}","from":"{from}","id":"{id}"#);
    let class = match class {
        Class::Reliable => format!(r#""class":"reliable","ttl":{TTL}"#),
        Class::Ephemeral => r#""class":"ephemeral""#.to_owned(),
    };
    let (protected, signature) = (text(PROTECTED_CHARACTERS), text(SIGNATURE_CHARACTERS));
    let counter = "0".repeat(COUNTER_DIGITS);
    let head = format!(r#"{open}{counter}",{class},"protected":"{protected}","body":""#);
    let tail = format!(r#"","signature":"{signature}"}}"#);
    let body = size.checked_sub(head.len() + tail.len()).context("the size is too small for an envelope")?;
    Ok((format!("{head}{}{tail}", text(body)), open.len()))
}

/// As many characters of base64url.
fn text(length: usize) -> String {
    let bytes: Vec<u8> = (0..length).map(|_| rand::random()).collect();
    protocol::base64url::encode(&bytes).chars().take(length).collect()
}

fn counter_digits(n: u64) -> [u8; COUNTER_DIGITS] {
    let mut digits = [b'0'; COUNTER_DIGITS];
    let mut rest = n;
    for digit in digits.iter_mut().rev() {
        *digit = b"0123456789abcdef".get((rest & 0xf) as usize).copied().unwrap_or(b'0');
        rest >>= 4;
    }
    digits
}

/// The number that `text` starts with, and what follows.
fn number(text: &[u8]) -> Option<(u64, &[u8])> {
    let length = text.iter().position(|byte| !byte.is_ascii_digit())?;
    let (digits, rest) = text.split_at_checked(length)?;
    Some((std::str::from_utf8(digits).ok()?.parse().ok()?, rest))
}

fn patch(out: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(place) = out.get_mut(at..at + bytes.len()) {
        place.copy_from_slice(bytes);
    }
}

fn unexpected(text: &[u8]) -> String {
    let start: String = String::from_utf8_lossy(text).chars().take(300).collect();
    format!("unexpected frame {start}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::frame::{Incoming, SendResult, write_deliver, write_result};

    fn frames(class: Class) -> Frames {
        let (from, to) = ("did:wba:a.example:agent:t:s", "did:wba:a.example:agent:t:r");
        let ids = IdSpace { milliseconds: 1_790_000_000_123, number: 7 };
        Frames::new(&from.parse().unwrap(), &to.parse().unwrap(), class, 1024, ids).unwrap()
    }

    fn payload(frames: &mut Frames, n: u64) -> String {
        let mut out = vec![];
        frames.message(n, &mut out);
        assert_eq!(out.len(), 1024 + websocket::client_header_bytes(1024));
        String::from_utf8(out.split_off(websocket::client_header_bytes(1024))).unwrap()
    }

    fn delivered(payload: &str, seq: u64) -> Vec<u8> {
        let Incoming::Request { params, .. } = Incoming::parse(payload).unwrap() else { panic!("{payload}") };
        let mut text = vec![];
        write_deliver(&mut text, 4, seq, params.as_bytes());
        let mut frame = vec![0x81, 126];
        frame.extend(u16::try_from(text.len()).unwrap().to_be_bytes());
        frame.extend(text);
        frame
    }

    #[test]
    fn every_message_is_a_valid_send_with_an_id_of_its_own() {
        let mut frames = frames(Class::Reliable);
        let (first, second) = (payload(&mut frames, 0), payload(&mut frames, 0xabc));
        let id = |payload: &str| {
            let Incoming::Request { id, method, params } = Incoming::parse(payload).unwrap() else {
                panic!("{payload}")
            };
            assert_eq!(method, "message.send");
            (id.as_json().to_owned(), Routing::parse(params).unwrap().id.to_string())
        };
        assert_eq!(id(&first).0, "1000000000");
        assert_eq!(id(&second).0, "1000002748");
        assert!(id(&second).1.ends_with("-000000000abc"));
    }

    #[test]
    fn reliable_deliveries_are_acknowledged_once_per_batch() {
        let mut frames = frames(Class::Reliable);
        let mut input = delivered(&payload(&mut frames, 0), 1);
        input.extend(delivered(&payload(&mut frames, 1), 2));
        let mut reply = vec![];
        assert_eq!(
            frames.at_recipient(&input, &mut reply).unwrap(),
            Consumed { bytes: input.len(), count: 2, stored: 0 }
        );
        let text = String::from_utf8_lossy(&reply);
        assert!(
            text.ends_with(r#"{"jsonrpc":"2.0","method":"relay.ack","params":{"epoch":4,"seq":2}}"#),
            "{text}"
        );
        assert_eq!(text.matches("relay.ack").count(), 1);
    }

    #[test]
    fn a_message_that_comes_twice_or_out_of_order_is_an_error() {
        let mut frames = frames(Class::Ephemeral);
        let input = delivered(&payload(&mut frames, 1), 1);
        let error = frames.at_recipient(&input, &mut vec![]).unwrap_err();
        assert!(error.to_string().starts_with("message 0 was due, another arrived"), "{error}");
    }

    #[test]
    fn answers_are_those_that_the_protocol_writes() {
        for status in [SendStatus::Delivered, SendStatus::Stored, SendStatus::Forwarded] {
            let mut text = vec![];
            write_result(&mut text, "1000000007", &SendResult { status });
            let class = if status == SendStatus::Forwarded { Class::Ephemeral } else { Class::Reliable };
            assert_eq!(answer(&text, class).unwrap(), Some(status));
        }
    }

    #[test]
    fn a_refused_send_ends_the_round_with_the_relay_s_words() {
        let error =
            answer(br#"{"jsonrpc":"2.0","id":1,"error":{"code":-32001}}"#, Class::Reliable).unwrap_err();
        assert!(error.to_string().contains("-32001"), "{error}");
    }
}
