//! The write buffer of a connection: WebSocket frames that wait for the socket.

use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use protocol::close::CloseCode;

/// Above this, nothing more is read from the connection: a client that does not read its answers
/// gets no new ones.
pub(super) const SOFT_BYTES_MAX: usize = 256 * 1024;
/// Above this, the connection ends: room for a window of deliveries, a page of discovery, and
/// answers.
const HARD_BYTES_MAX: usize = 8 << 20;

#[derive(Debug, Default)]
pub(super) struct WriteBuffer {
    bytes: Vec<u8>,
    /// A close frame was appended, and nothing may follow it.
    closing: bool,
    overflowed: bool,
}

impl WriteBuffer {
    pub(super) fn push_text(&mut self, payload: &[u8]) {
        self.push(OpCode::Data(Data::Text), payload);
    }

    pub(super) fn push_ping(&mut self) {
        self.push(OpCode::Control(Control::Ping), &[]);
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
        self.push(OpCode::Control(Control::Close), &code.number().to_be_bytes());
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

    fn push(&mut self, opcode: OpCode, payload: &[u8]) {
        if self.closing || self.overflowed {
            return;
        }
        if self.bytes.len() + payload.len() > HARD_BYTES_MAX {
            self.overflowed = true;
            return;
        }
        let header = FrameHeader { opcode, ..FrameHeader::default() };
        // Writing into a `Vec` cannot fail.
        let _ = header.format(payload.len() as u64, &mut self.bytes);
        self.bytes.extend_from_slice(payload);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_follows_a_close_frame() {
        let mut buffer = WriteBuffer::default();
        buffer.push_text(b"{}");
        assert!(buffer.push_close(CloseCode::Replaced));
        buffer.push_text(b"late");
        assert!(!buffer.push_close(CloseCode::Normal));
        assert_eq!(buffer.take(), [0x81, 2, b'{', b'}', 0x88, 2, 0x11, 0x39]);
    }

    #[test]
    fn frames_are_discarded_only_before_a_close_frame_is_there() {
        let mut buffer = WriteBuffer::default();
        buffer.push_text(b"{}");
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
            buffer.push_text(&megabyte);
        }
        assert!(buffer.has_overflowed());
        assert!(buffer.len() <= HARD_BYTES_MAX + 128);
    }
}
