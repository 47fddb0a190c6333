//! Reads the header of a frame (RFC 6455, section 5.2) and refuses what no client may send.

use crate::Violation;

/// Bytes of the longest header that a client sends.
const HEADER_BYTES_MAX: usize = 14;
/// Bytes of the payload of a control frame (RFC 6455, section 5.5).
const CONTROL_BYTES_MAX: usize = 125;

/// The bit that says that the payload is masked.
const MASKED: u8 = 0x80;

/// The header of a frame that a client may send.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FrameHeader {
    pub(crate) is_final: bool,
    pub(crate) opcode: Opcode,
    pub(crate) mask: [u8; 4],
    pub(crate) payload_bytes: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opcode {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

/// The bytes of a header that may not be complete.
#[derive(Debug, Default)]
pub(crate) struct HeaderBytes {
    bytes: [u8; HEADER_BYTES_MAX],
    filled: usize,
}

/// The message that a frame would belong to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MessageSoFar {
    /// Its bytes, if a first fragment has come.
    pub(crate) fragment_bytes: Option<usize>,
    pub(crate) message_bytes_max: usize,
}

impl HeaderBytes {
    /// Takes the bytes of a header from `input`. `None` if it is not complete.
    pub(crate) fn read(
        &mut self,
        input: &mut &mut [u8],
        message: MessageSoFar,
    ) -> Option<Result<FrameHeader, Violation>> {
        while self.filled < self.wanted() {
            let missing = (self.wanted() - self.filled).min(input.len());
            let part = input.split_off_mut(..missing).filter(|part| !part.is_empty())?;
            for (to, from) in self.bytes.iter_mut().skip(self.filled).zip(part) {
                *to = *from;
            }
            self.filled += missing;
        }
        self.filled = 0;
        Some(self.parse(message))
    }

    /// Bytes of the header, as far as those that are there tell.
    const fn wanted(&self) -> usize {
        let [_, second, ..] = self.bytes;
        if self.filled < 2 {
            return 2;
        }
        2 + length_bytes(second) + if second & MASKED == 0 { 0 } else { 4 }
    }

    fn parse(&self, message: MessageSoFar) -> Result<FrameHeader, Violation> {
        let [first, second, length @ ..] = self.bytes;
        let opcode = Opcode::of(first & 0x0f).ok_or(Violation::Protocol)?;
        let payload_bytes = self.payload_bytes().ok_or(Violation::TooBig)?;
        if payload_bytes > message.message_bytes_max {
            return Err(Violation::TooBig);
        }
        if second & MASKED == 0 || first & 0x70 != 0 {
            return Err(Violation::Protocol);
        }
        let is_final = first & 0x80 != 0;
        let mask = length.get(length_bytes(second)..).and_then(|rest| rest.first_chunk());
        let mask = *mask.ok_or(Violation::Protocol)?;
        let header = FrameHeader { is_final, opcode, mask, payload_bytes };
        header.check_place(message)?;
        Ok(header)
    }

    /// `None` for a number above the memory of this machine.
    fn payload_bytes(&self) -> Option<usize> {
        let [_, second, a, b, c, d, e, f, g, h, ..] = self.bytes;
        match second & !MASKED {
            126 => Some(u16::from_be_bytes([a, b]).into()),
            127 => usize::try_from(u64::from_be_bytes([a, b, c, d, e, f, g, h])).ok(),
            short => Some(short.into()),
        }
    }
}

/// Bytes of the length after the second byte.
const fn length_bytes(second: u8) -> usize {
    match second & !MASKED {
        126 => 2,
        127 => 8,
        _ => 0,
    }
}

impl Opcode {
    /// `None` for a reserved number.
    const fn of(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::Continuation,
            1 => Self::Text,
            2 => Self::Binary,
            8 => Self::Close,
            9 => Self::Ping,
            10 => Self::Pong,
            _ => return None,
        })
    }
}

impl FrameHeader {
    /// Refuses a frame that may not stand here, and one that makes the message too long.
    fn check_place(&self, message: MessageSoFar) -> Result<(), Violation> {
        let before = match (self.opcode, message.fragment_bytes) {
            (Opcode::Text, None) => 0,
            (Opcode::Continuation, Some(bytes)) => bytes,
            (Opcode::Binary, None) => return Err(Violation::Binary),
            (Opcode::Text | Opcode::Binary | Opcode::Continuation, _) => return Err(Violation::Protocol),
            _ if self.is_final && self.payload_bytes <= CONTROL_BYTES_MAX => return Ok(()),
            _ => return Err(Violation::Protocol),
        };
        if before + self.payload_bytes > message.message_bytes_max {
            return Err(Violation::TooBig);
        }
        Ok(())
    }
}
