//! Defines the WebSocket close codes of the relay: codes of RFC 6455 section 7.4, and private ones
//! from 4400 on.

/// Why the relay closes a connection.
///
/// ```
/// use msg2agent_protocol::close::CloseCode;
///
/// assert!(CloseCode::should_reconnect(CloseCode::Restart.number()));
/// assert!(!CloseCode::should_reconnect(CloseCode::Replaced.number()));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum CloseCode {
    Normal = 1000,
    GoingAway = 1001,
    Policy = 1008,
    TooBig = 1009,
    /// The relay restarts. Reconnect after the time that `relay.goodbye` gave.
    Restart = 1012,
    /// The client read too slowly. Its messages are kept.
    TryAgain = 1013,
    /// The client broke the protocol in a way that a new connection would repeat.
    Malformed = 4400,
    /// The API key was revoked or has expired. Read the current one and reconnect.
    CredentialRevoked = 4401,
    /// The agent or its tenant is suspended.
    Suspended = 4403,
    /// The client did not register within [`crate::limits::REGISTRATION_TIMEOUT`].
    RegistrationTimeout = 4408,
    /// A newer session of the same DID took over.
    Replaced = 4409,
    /// The relay has as many connections as it allows.
    TooManyConnections = 4429,
}

impl CloseCode {
    /// Every code.
    pub const ALL: [Self; 12] = [
        Self::Normal,
        Self::GoingAway,
        Self::Policy,
        Self::TooBig,
        Self::Restart,
        Self::TryAgain,
        Self::Malformed,
        Self::CredentialRevoked,
        Self::Suspended,
        Self::RegistrationTimeout,
        Self::Replaced,
        Self::TooManyConnections,
    ];

    /// What happened, in one sentence.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Normal => "The session ended as asked.",
            Self::GoingAway => "The connection was silent for too long.",
            Self::Policy => {
                "The client violated this protocol, as with an acknowledgement beyond the last delivery."
            }
            Self::TooBig => "A frame is too big.",
            Self::Restart => "The relay restarts; wait for the time that `relay.goodbye` gave.",
            Self::TryAgain => "The client read too slowly; what it did not acknowledge is kept.",
            Self::Malformed => "A binary frame, invalid UTF-8, or too many frames that cannot be read.",
            Self::CredentialRevoked => "The API key was revoked or has expired; read the current one.",
            Self::Suspended => "The agent or its tenant is suspended.",
            Self::RegistrationTimeout => "The client did not register in time.",
            Self::Replaced => "A newer session of the same DID took over; do not fight with it.",
            Self::TooManyConnections => {
                "This key, agent, tenant or address has its share of the connections."
            }
        }
    }

    /// The code as sent in the close frame.
    #[must_use]
    pub const fn number(self) -> u16 {
        self as u16
    }

    /// Whether a client should reconnect without a person doing something first. Unknown codes say
    /// yes.
    #[must_use]
    pub const fn should_reconnect(number: u16) -> bool {
        !matches!(number, 1000 | 4400 | 4403 | 4409)
    }
}
