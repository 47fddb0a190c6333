//! The write buffer of a connection: WebSocket frames that wait for the socket.

use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use protocol::close::CloseCode;

use super::spare_buffers;

/// Above this, nothing more is read from the connection: a client that does not read its answers
/// gets no new ones.
pub(super) const SOFT_BYTES_MAX: usize = 256 * 1024;
/// Above this, the connection ends: room for a window of deliveries, a page of discovery, and
/// answers.
const HARD_BYTES_MAX: usize = 8 << 20;
/// Room that is left for a header: enough for payloads from 126 bytes to 64 KiB. The payload is
/// moved if its header is shorter or longer.
const USUAL_HEADER_BYTES: usize = 4;
/// Bytes of the longest header that a server sends.
const HEADER_BYTES_MAX: usize = 10;

#[derive(Debug, Default)]
pub(super) struct WriteBuffer {
    bytes: Vec<u8>,
    /// A close frame was appended, and nothing may follow it.
    closing: bool,
    overflowed: bool,
}

impl WriteBuffer {
    /// Appends a text frame with the payload that `write` appends.
    pub(super) fn push_text(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        self.push(OpCode::Data(Data::Text), write);
    }

    pub(super) fn push_ping(&mut self) {
        self.push(OpCode::Control(Control::Ping), |_| {});
    }

    /// Frames made by the codec: pongs, and the answer to a close.
    pub(super) fn push_frames(&mut self, frames: &[u8]) {
        if !self.closing {
            self.bytes.extend_from_slice(frames);
        }
    }

    /// False if the connection is closing already.
    pub(super) fn push_close(&mut self, code: CloseCode) -> bool {
        if self.closing {
            return false;
        }
        let code = code.number().to_be_bytes();
        self.push(OpCode::Control(Control::Close), |out| out.extend_from_slice(&code));
        self.closing = true;
        true
    }

    /// Drops the frames that the socket has not begun to take, except a close frame and what comes
    /// before it.
    pub(super) fn discard(&mut self) {
        if !self.closing {
            self.bytes = Vec::new();
        }
    }

    pub(super) const fn is_closing(&self) -> bool {
        self.closing
    }

    pub(super) const fn has_overflowed(&self) -> bool {
        self.overflowed
    }

    pub(super) const fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }

    fn push(&mut self, opcode: OpCode, write: impl FnOnce(&mut Vec<u8>)) {
        if self.closing || self.overflowed {
            return;
        }
        if self.bytes.capacity() == 0 {
            self.bytes = spare_buffers::take();
        }
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; USUAL_HEADER_BYTES]);
        write(&mut self.bytes);
        if self.bytes.len() > HARD_BYTES_MAX {
            self.bytes.truncate(start);
            self.overflowed = true;
            return;
        }
        self.write_header(opcode, start);
    }

    /// Replaces the room before the last payload with its header (RFC 6455 section 5.2).
    fn write_header(&mut self, opcode: OpCode, start: usize) {
        let payload = start + USUAL_HEADER_BYTES;
        let payload_bytes = (self.bytes.len() - payload) as u64;
        let header = FrameHeader { opcode, ..FrameHeader::default() };
        let mut bytes = [0; HEADER_BYTES_MAX];
        // No header is longer than the room for it.
        let _ = header.format(payload_bytes, &mut bytes.as_mut_slice());
        let used = bytes.get(..header.len(payload_bytes)).unwrap_or_default();
        self.bytes.splice(start..payload, used.iter().copied());
    }
}

#[cfg(test)]
mod tests {
    use tokio_tungstenite::tungstenite::Message;
    use tokio_tungstenite::tungstenite::protocol::{Role, WebSocket};

    use super::*;

    fn text(payload: &[u8]) -> impl FnOnce(&mut Vec<u8>) {
        |out| out.extend_from_slice(payload)
    }

    #[test]
    fn a_payload_of_any_length_is_read_back_by_tungstenite() {
        for length in [0, 1, 125, 126, 127, 65_535, 65_536, 100_000] {
            let mut buffer = WriteBuffer::default();
            let payload = "x".repeat(length);
            buffer.push_text(text(b"before"));
            buffer.push_text(text(payload.as_bytes()));
            buffer.push_text(text(b"after"));
            let bytes = std::io::Cursor::new(buffer.take());
            let mut reader = WebSocket::from_raw_socket(bytes, Role::Client, None);
            for expected in ["before", &payload, "after"] {
                assert_eq!(reader.read().unwrap(), Message::text(expected), "{length}");
            }
        }
    }

    #[test]
    fn nothing_follows_a_close_frame() {
        let mut buffer = WriteBuffer::default();
        buffer.push_text(text(b"{}"));
        assert!(buffer.push_close(CloseCode::Replaced));
        buffer.push_text(text(b"late"));
        assert!(!buffer.push_close(CloseCode::Normal));
        assert_eq!(buffer.take(), [0x81, 2, b'{', b'}', 0x88, 2, 0x11, 0x39]);
    }

    #[test]
    fn frames_are_discarded_only_before_a_close_frame_is_there() {
        let mut buffer = WriteBuffer::default();
        buffer.push_text(text(b"{}"));
        buffer.discard();
        assert!(buffer.push_close(CloseCode::TryAgain));
        buffer.discard();
        assert_eq!(buffer.take(), [0x88, 2, 0x03, 0xf5]);
    }

    #[test]
    fn a_buffer_that_is_never_read_is_bounded() {
        let mut buffer = WriteBuffer::default();
        let megabyte = vec![b' '; 1 << 20];
        for _ in 0..20 {
            buffer.push_text(text(&megabyte));
        }
        assert!(buffer.has_overflowed());
        assert!(buffer.len() <= HARD_BYTES_MAX + 128);
    }
}
