//! The WebSocket codec: tungstenite over memory, which decodes bytes into text frames. It never
//! sees the socket.

use std::io::{self, Read, Write};

use bytes::Bytes;
use protocol::close::CloseCode;
use protocol::limits::FRAME_BYTES_MAX;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig, WebSocketContext};
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};

/// Bytes that tungstenite keeps for each idle connection. It copies from our read buffer in steps
/// of this size.
const READ_BUFFER_BYTES: usize = 4096;
/// Size of a frame before registration: a record in base64 and the members around it.
const UNREGISTERED_FRAME_BYTES_MAX: usize = 96 * 1024;

pub(super) struct WebSocketCodec {
    websocket: WebSocketContext,
}

/// The state of the stream after some bytes were decoded.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum StreamState {
    Open,
    /// The peer sent a close frame.
    Closed,
    /// The peer violated the protocol.
    Broken(CloseCode),
}

impl WebSocketCodec {
    pub(super) fn new() -> Self {
        Self { websocket: WebSocketContext::new(Role::Server, Some(config(UNREGISTERED_FRAME_BYTES_MAX))) }
    }

    /// Accepts frames of the size that registered agents may send.
    pub(super) fn allow_large_frames(&mut self) {
        self.websocket.set_config(|config| {
            config.max_frame_size = Some(FRAME_BYTES_MAX);
            config.max_message_size = Some(FRAME_BYTES_MAX);
        });
    }

    /// Decodes bytes of the socket. Appends complete text frames to `frames`, and pongs and answers
    /// to close frames to `out`.
    pub(super) fn decode(
        &mut self,
        bytes: &[u8],
        frames: &mut Vec<Utf8Bytes>,
        out: &mut Vec<u8>,
    ) -> StreamState {
        let mut memory = Memory { bytes, out };
        loop {
            match self.websocket.read(&mut memory) {
                Ok(Message::Text(text)) => frames.push(text),
                Ok(Message::Binary(_)) => return StreamState::Broken(CloseCode::Malformed),
                Ok(Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_)) => {}
                Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                    return StreamState::Open;
                }
                Err(Error::ConnectionClosed | Error::AlreadyClosed) => return StreamState::Closed,
                Err(Error::Capacity(_)) => return StreamState::Broken(CloseCode::TooBig),
                Err(_) => return StreamState::Broken(CloseCode::Malformed),
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

/// The part of a text frame that `part` borrows, without a copy.
pub(super) fn slice_of(frame: &Utf8Bytes, part: &str) -> Bytes {
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

    fn decode(chunks: &[&[u8]]) -> (Vec<String>, Vec<u8>, StreamState) {
        let (mut codec, mut frames, mut out) = (WebSocketCodec::new(), Vec::new(), Vec::new());
        let mut state = StreamState::Open;
        for chunk in chunks {
            state = codec.decode(chunk, &mut frames, &mut out);
        }
        (frames.iter().map(ToString::to_string).collect(), out, state)
    }

    #[test]
    fn frames_are_found_however_the_bytes_arrive() {
        let bytes = [masked(0x81, b"{\"a\":1}"), masked(0x81, &[b'x'; 5000])].concat();
        let whole = decode(&[&bytes]);
        let pieces: Vec<&[u8]> = bytes.chunks(3).collect();
        assert_eq!(whole, decode(&pieces));
        assert_eq!(whole.0.len(), 2);
    }

    #[test]
    fn a_ping_and_a_close_frame_are_answered() {
        let (_, out, state) = decode(&[&masked(0x89, b"hi"), &masked(0x88, &1000u16.to_be_bytes())]);
        assert_eq!(state, StreamState::Closed);
        assert_eq!(out, [0x8a, 2, b'h', b'i', 0x88, 2, 3, 232]);
    }

    #[test]
    fn every_protocol_violation_has_its_close_code() {
        let big = masked(0x81, &vec![b' '; UNREGISTERED_FRAME_BYTES_MAX + 1]);
        assert_eq!(decode(&[&big]).2, StreamState::Broken(CloseCode::TooBig));
        assert_eq!(decode(&[&masked(0x82, b"binary")]).2, StreamState::Broken(CloseCode::Malformed));
        assert_eq!(decode(&[&masked(0x81, &[0xff])]).2, StreamState::Broken(CloseCode::Malformed));
        assert_eq!(decode(&[&[0x81, 1, b'a']]).2, StreamState::Broken(CloseCode::Malformed), "not masked");
        assert_eq!(
            decode(&[&masked(0xf1, b"{}")]).2,
            StreamState::Broken(CloseCode::Malformed),
            "reserved bits"
        );
    }
}
