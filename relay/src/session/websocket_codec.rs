//! tungstenite over memory: bytes in, text frames out. It never sees the socket.

use std::io::{self, Read, Write};

use bytes::Bytes;
use protocol::close::CloseCode;
use protocol::limits::FRAME_BYTES_MAX;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig, WebSocketContext};
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};

/// Bytes tungstenite keeps per idle connection. It copies from our read buffer in steps of this.
const READ_BUFFER_BYTES: usize = 4096;
/// Bytes of a frame before registration: a record in base64 and the members around it.
const UNREGISTERED_FRAME_BYTES_MAX: usize = 96 * 1024;

pub(super) struct Engine {
    websocket: WebSocketContext,
}

/// What a read meant.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fed {
    Open,
    /// The other side closed in order.
    Closed,
    /// The other side broke the protocol.
    Broken(CloseCode),
}

impl Engine {
    pub(super) fn new() -> Self {
        Self { websocket: WebSocketContext::new(Role::Server, Some(config(UNREGISTERED_FRAME_BYTES_MAX))) }
    }

    pub(super) fn registered(&mut self) {
        self.websocket.set_config(|config| {
            config.max_frame_size = Some(FRAME_BYTES_MAX);
            config.max_message_size = Some(FRAME_BYTES_MAX);
        });
    }

    /// Takes bytes of the socket, adds whole text frames to `frames`, and pongs and close answers to `out`.
    pub(super) fn feed(&mut self, bytes: &[u8], frames: &mut Vec<Utf8Bytes>, out: &mut Vec<u8>) -> Fed {
        let mut memory = Memory { bytes, out };
        loop {
            match self.websocket.read(&mut memory) {
                Ok(Message::Text(text)) => frames.push(text),
                Ok(Message::Binary(_)) => return Fed::Broken(CloseCode::Malformed),
                Ok(Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_)) => {}
                Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => return Fed::Open,
                Err(Error::ConnectionClosed | Error::AlreadyClosed) => return Fed::Closed,
                Err(Error::Capacity(_)) => return Fed::Broken(CloseCode::TooBig),
                Err(_) => return Fed::Broken(CloseCode::Malformed),
            }
        }
    }
}

fn config(frame_bytes_max: usize) -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(0)
        .max_message_size(Some(frame_bytes_max))
        .max_frame_size(Some(frame_bytes_max))
}

/// The part of a text frame that `text` borrows from, without a copy.
pub(super) fn shared(frame: &Utf8Bytes, part: &str) -> Bytes {
    Bytes::from(frame.clone()).slice_ref(part.as_bytes())
}

struct Memory<'a> {
    bytes: &'a [u8],
    out: &'a mut Vec<u8>,
}

impl Read for Memory<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.bytes.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.bytes.read(into)
    }
}

impl Write for Memory<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![first];
        match payload.len() {
            len @ 0..126 => bytes.push(0x80 | u8::try_from(len).unwrap()),
            len => {
                bytes.push(0x80 | 127);
                bytes.extend_from_slice(&(len as u64).to_be_bytes());
            }
        }
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(payload);
        bytes
    }

    fn feed(chunks: &[&[u8]]) -> (Vec<String>, Vec<u8>, Fed) {
        let (mut engine, mut frames, mut out) = (Engine::new(), Vec::new(), Vec::new());
        let mut fed = Fed::Open;
        for chunk in chunks {
            fed = engine.feed(chunk, &mut frames, &mut out);
        }
        (frames.iter().map(ToString::to_string).collect(), out, fed)
    }

    #[test]
    fn frames_are_found_however_the_bytes_arrive() {
        let bytes = [masked(0x81, b"{\"a\":1}"), masked(0x81, &[b'x'; 5000])].concat();
        let whole = feed(&[&bytes]);
        let pieces: Vec<&[u8]> = bytes.chunks(3).collect();
        assert_eq!(whole, feed(&pieces));
        assert_eq!(whole.0.len(), 2);
    }

    #[test]
    fn a_ping_is_answered_and_a_close_ends_in_order() {
        let (_, out, fed) = feed(&[&masked(0x89, b"hi"), &masked(0x88, &1000u16.to_be_bytes())]);
        assert_eq!(fed, Fed::Closed);
        assert_eq!(out, [0x8a, 2, b'h', b'i', 0x88, 2, 3, 232]);
    }

    #[test]
    fn what_is_not_the_protocol_is_named() {
        let big = masked(0x81, &vec![b' '; UNREGISTERED_FRAME_BYTES_MAX + 1]);
        assert_eq!(feed(&[&big]).2, Fed::Broken(CloseCode::TooBig));
        assert_eq!(feed(&[&masked(0x82, b"binary")]).2, Fed::Broken(CloseCode::Malformed));
        assert_eq!(feed(&[&masked(0x81, &[0xff])]).2, Fed::Broken(CloseCode::Malformed));
        assert_eq!(feed(&[&[0x81, 1, b'a']]).2, Fed::Broken(CloseCode::Malformed), "not masked");
        assert_eq!(feed(&[&masked(0xf1, b"{}")]).2, Fed::Broken(CloseCode::Malformed), "reserved bits");
    }
}
