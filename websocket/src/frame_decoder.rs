//! The decoder of a connection.

use std::borrow::Cow;

use crate::control_frame::{answer_close, answer_ping};
use crate::frame_header::{FrameHeader, HeaderBytes, MessageSoFar, Opcode};
use crate::masking::unmask;
use crate::partial_message::PartialMessage;
use crate::{MessageDecoder, StreamEnd, Violation};

/// Decodes the frames of one client. Between two messages it holds no memory of its own.
#[derive(Debug)]
pub struct FrameDecoder {
    message_bytes_max: usize,
    header: HeaderBytes,
    /// The frame whose payload is not complete.
    frame: Option<PartialFrame>,
    message: PartialMessage,
    /// The payload of a control frame that is not complete.
    control: Vec<u8>,
    end: Option<StreamEnd>,
}

#[derive(Debug, Clone, Copy)]
struct PartialFrame {
    header: FrameHeader,
    /// Bytes of the payload that have come.
    received: usize,
}

/// What has come of the payload of a frame, unmasked.
#[derive(Debug)]
struct Piece<'a> {
    opcode: Opcode,
    /// The frame is the last of its message.
    is_final: bool,
    /// The first piece of its frame.
    is_first: bool,
    /// The last piece of its frame.
    is_last: bool,
    bytes: &'a [u8],
}

impl FrameDecoder {
    /// A decoder of messages up to this size.
    #[must_use]
    pub fn new(message_bytes_max: usize) -> Self {
        Self {
            message_bytes_max,
            header: HeaderBytes::default(),
            frame: None,
            message: PartialMessage::default(),
            control: Vec::new(),
            end: None,
        }
    }

    /// Sets the buffer for the next message that arrives in pieces, so that it needs no allocation.
    /// Does nothing if a message has begun.
    pub fn set_buffer(&mut self, buffer: impl FnOnce() -> Vec<u8>) {
        self.message.set_buffer(buffer);
    }

    /// Takes the buffer out if no message has begun.
    pub fn take_buffer(&mut self) -> Vec<u8> {
        self.message.take_buffer()
    }

    fn decode<'a>(
        &mut self,
        input: &mut &'a mut [u8],
        answers: &mut Vec<u8>,
    ) -> Result<Option<Cow<'a, str>>, StreamEnd> {
        while let Some(frame) = self.next_frame(input)? {
            let piece = frame.take_piece(input);
            if !piece.is_last {
                self.frame = Some(PartialFrame { received: frame.received + piece.bytes.len(), ..frame });
            }
            let text = match piece.opcode {
                Opcode::Text | Opcode::Binary | Opcode::Continuation => self.take_data(&piece)?,
                Opcode::Close | Opcode::Ping | Opcode::Pong => self.take_control(&piece, answers)?,
            };
            if text.is_some() || self.frame.is_some() {
                return Ok(text);
            }
        }
        Ok(None)
    }

    /// The frame that the next bytes belong to. `None` if its header is not complete.
    fn next_frame(&mut self, input: &mut &mut [u8]) -> Result<Option<PartialFrame>, Violation> {
        if let Some(frame) = self.frame.take() {
            return Ok(Some(frame));
        }
        let message = MessageSoFar {
            fragment_bytes: self.message.fragment_bytes(),
            message_bytes_max: self.message_bytes_max,
        };
        let header = self.header.read(input, message).transpose()?;
        Ok(header.map(|header| PartialFrame { header, received: 0 }))
    }

    fn take_data<'a>(&mut self, piece: &Piece<'a>) -> Result<Option<Cow<'a, str>>, Violation> {
        if piece.is_first && piece.is_last && piece.is_final && piece.opcode == Opcode::Text {
            let text = std::str::from_utf8(piece.bytes).map_err(|_| Violation::InvalidUtf8)?;
            return Ok(Some(Cow::Borrowed(text)));
        }
        self.message.push(piece.bytes);
        match (piece.is_last, piece.is_final) {
            (false, _) => Ok(None),
            (true, false) => self.message.end_fragment().map(|()| None),
            (true, true) => self.message.finish().map(|text| Some(Cow::Owned(text))),
        }
    }

    fn take_control<'a>(
        &mut self,
        piece: &Piece<'_>,
        answers: &mut Vec<u8>,
    ) -> Result<Option<Cow<'a, str>>, StreamEnd> {
        if piece.is_first && piece.is_last {
            answer(piece.opcode, piece.bytes, answers)?;
        } else {
            self.control.extend_from_slice(piece.bytes);
            if piece.is_last {
                answer(piece.opcode, &std::mem::take(&mut self.control), answers)?;
            }
        }
        Ok(None)
    }
}

impl PartialFrame {
    /// Cuts the bytes of this frame off `input` and unmasks them.
    fn take_piece<'a>(&self, input: &mut &'a mut [u8]) -> Piece<'a> {
        let Self { header: FrameHeader { is_final, opcode, mask, payload_bytes }, received } = *self;
        let missing = payload_bytes - received;
        let bytes = input.split_off_mut(..missing.min(input.len())).unwrap_or_default();
        unmask(bytes, mask, received);
        Piece { opcode, is_final, is_first: received == 0, is_last: bytes.len() == missing, bytes }
    }
}

/// Answers a control frame that is complete.
fn answer(opcode: Opcode, payload: &[u8], answers: &mut Vec<u8>) -> Result<(), StreamEnd> {
    match opcode {
        Opcode::Ping => answer_ping(payload, answers),
        Opcode::Close => {
            answer_close(payload, answers)?;
            return Err(StreamEnd::Closed);
        }
        _ => {}
    }
    Ok(())
}

impl MessageDecoder for FrameDecoder {
    fn next_text<'a>(
        &mut self,
        input: &mut &'a mut [u8],
        answers: &mut Vec<u8>,
    ) -> Result<Option<Cow<'a, str>>, StreamEnd> {
        if let Some(end) = self.end {
            return Err(end);
        }
        let decoded = self.decode(input, answers);
        self.end = decoded.as_ref().err().copied();
        decoded
    }

    fn set_message_bytes_max(&mut self, message_bytes_max: usize) {
        self.message_bytes_max = message_bytes_max;
    }
}
