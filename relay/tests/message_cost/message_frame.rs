//! A `message.send` frame that is built once and gets another message id in place.

use protocol::Did;
use protocol::envelope::Class;

/// The last digits of this id are replaced.
const MESSAGE_ID: &str = "01a0f4c8-5c00-7000-8000-000000000000";
/// Digits of an id that count the messages.
const COUNTER_DIGITS: usize = 12;

#[derive(Debug, Clone)]
pub(crate) struct MessageFrame {
    bytes: Vec<u8>,
    /// Where the last digits of the message id are.
    counter: usize,
}

impl MessageFrame {
    /// A frame whose envelope has about this many bytes.
    pub(crate) fn new(from: &Did, to: &Did, class: Class, envelope_bytes: usize) -> Self {
        let (class, ttl) = match class {
            Class::Ephemeral => ("ephemeral", ""),
            Class::Reliable => ("reliable", r#""ttl":60,"#),
        };
        let body = "b".repeat(envelope_bytes.saturating_sub(300));
        let envelope = format!(
            r#"{{"to":"{to}","from":"{from}","id":"{MESSAGE_ID}","class":"{class}",{ttl}"protected":"e30","body":"{body}","signature":"c2ln"}}"#
        );
        let text = format!(r#"{{"jsonrpc":"2.0","id":7,"method":"message.send","params":{envelope}}}"#);
        let mut bytes = client_header(text.len());
        bytes.extend_from_slice(text.as_bytes());
        let id = bytes.windows(MESSAGE_ID.len()).position(|part| part == MESSAGE_ID.as_bytes()).unwrap();
        Self { bytes, counter: id + MESSAGE_ID.len() - COUNTER_DIGITS }
    }

    pub(crate) fn set_counter(&mut self, mut number: u64) {
        let digits = &mut self.bytes[self.counter..self.counter + COUNTER_DIGITS];
        for digit in digits.iter_mut().rev() {
            *digit = b'0' + u8::try_from(number % 10).unwrap();
            number /= 10;
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// The header of a text frame with a mask that changes nothing.
pub(crate) fn client_header(payload_bytes: usize) -> Vec<u8> {
    let mut bytes = vec![0x81];
    match u8::try_from(payload_bytes) {
        Ok(short @ 0..126) => bytes.push(0x80 | short),
        _ => {
            bytes.push(0x80 | 126);
            bytes.extend_from_slice(&u16::try_from(payload_bytes).unwrap().to_be_bytes());
        }
    }
    bytes.extend_from_slice(&[0; 4]);
    bytes
}
