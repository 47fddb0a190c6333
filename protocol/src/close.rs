//! WebSocket close codes of the relay: those of RFC 6455 section 7.4 and our own in the private range.

/// Why the relay closes a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum CloseCode {
    Normal = 1000,
    GoingAway = 1001,
    Policy = 1008,
    TooBig = 1009,
    /// The relay restarts: reconnect after the hinted time.
    Restart = 1012,
    /// The reader was too slow; its messages are kept.
    TryAgain = 1013,
    Malformed = 4400,
    /// The API key was revoked or expired: read the current one.
    CredentialRevoked = 4401,
    Suspended = 4403,
    RegistrationTimeout = 4408,
    /// A newer session of the same DID took over.
    Replaced = 4409,
    TooManyConnections = 4429,
}

impl CloseCode {
    #[must_use]
    pub const fn number(self) -> u16 {
        self as u16
    }

    /// Whether a client should connect again by itself.
    #[must_use]
    pub const fn should_reconnect(number: u16) -> bool {
        !matches!(number, 1000 | 4400 | 4403 | 4409)
    }
}
