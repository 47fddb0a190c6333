//! The ways in which a client can break the protocol.

/// Why the connection of a client has to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Violation {
    /// Frames that RFC 6455 does not allow.
    Protocol,
    /// A binary message, where only text is accepted.
    Binary,
    /// Text, or the reason of a close frame, that is not UTF-8.
    InvalidUtf8,
    /// A frame or a message above the limit.
    TooBig,
}

impl Violation {
    /// The close code of RFC 6455, section 7.4.1.
    #[must_use]
    pub const fn close_code(self) -> u16 {
        match self {
            Self::Protocol => 1002,
            Self::Binary => 1003,
            Self::InvalidUtf8 => 1007,
            Self::TooBig => 1009,
        }
    }
}
