//! The errors of calls to the network, in words that a model can act on.

use protocol::Reason;
use protocol::quota::Quota;

/// How long a reconnect takes, about: the advised delay before a retry without a connection.
const RECONNECT_INTERVAL_MS: u64 = 3_000;

#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// The relay refused.
    #[error("{}", .reason.advice())]
    Relay { reason: Reason, retry_after_ms: Option<u64>, quota: Option<Quota> },
    #[error("there is no connection to the relay at the moment, and nothing was sent; try again")]
    RelayUnreachable,
    #[error(
        "the relay did not answer in time; the message may or may not have been sent. Ask the recipient before \
         sending it again"
    )]
    RelayTimeout,
    #[error(
        "another process of this agent took the session over during the call; the message may or may not have been \
         sent. Ask the recipient before sending it again"
    )]
    Interrupted,
    #[error("the published record of this agent does not verify; nothing was sent")]
    Unverified,
    #[error(
        "this agent has another root key than before, as an impostor would; nothing was sent. A person must find out \
         why and, if the new key is right, remove the old one from the state folder"
    )]
    KeyChanged,
    /// The SDK refused to seal a message of this size.
    #[error("the message is too large")]
    TooLarge,
    #[error("this server failed; its log contains the cause")]
    Internal,
}

impl NetworkError {
    /// The reason for programs and metrics.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Relay { reason, .. } => reason.as_str(),
            Self::RelayUnreachable => "relay_unreachable",
            Self::RelayTimeout => "relay_timeout",
            Self::Interrupted => "interrupted",
            Self::Unverified => "unverified",
            Self::KeyChanged => "key_changed",
            Self::TooLarge => Reason::TooLarge.as_str(),
            Self::Internal => "internal",
        }
    }

    #[must_use]
    pub const fn retry_after_ms(&self) -> Option<u64> {
        match self {
            Self::Relay { retry_after_ms, .. } => *retry_after_ms,
            Self::RelayUnreachable => Some(RECONNECT_INTERVAL_MS),
            _ => None,
        }
    }

    #[must_use]
    pub const fn quota(&self) -> Option<&Quota> {
        match self {
            Self::Relay { quota, .. } => quota.as_ref(),
            _ => None,
        }
    }

    /// Whether the message may have been sent despite the error.
    #[must_use]
    pub const fn is_uncertain(&self) -> bool {
        matches!(self, Self::RelayTimeout | Self::Interrupted)
    }
}
