//! The reasons why a session ends or cannot begin.

use std::error::Error as StdError;
use std::time::Duration;

use protocol::Reason;
use protocol::close::CloseCode;
use protocol::frame::{GoodbyeParams, RpcError};

use crate::error::{Error, ErrorKind};

#[derive(Debug)]
pub(super) enum Disconnect {
    /// The application closed the agent.
    Closed,
    /// A new record must be registered.
    Reregister,
    /// The relay announced its end and when to reconnect.
    Goodbye(GoodbyeParams),
    /// The relay closed the WebSocket with this code.
    ClosedByRelay(u16),
    /// The relay rejects the API key.
    Unauthorized(Error),
    /// The agent or its tenant is suspended until an admin lifts that.
    Suspended(Error),
    /// The relay refused challenge or registration.
    Refused(RpcError),
    /// The connection failed or broke.
    Lost(Error),
    /// Retrying cannot help.
    Fatal(Error),
}

impl Disconnect {
    pub(super) fn lost(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::Lost(Error::new(ErrorKind::Connect, "the connection to the relay broke").caused_by(cause))
    }

    /// The error of an agent that ends with this disconnect.
    pub(super) fn into_error(self) -> Error {
        match self {
            Self::Closed | Self::Reregister | Self::Goodbye(_) => closed(),
            Self::ClosedByRelay(code) => closed_by_relay(code),
            Self::Refused(refusal) => refused(&refusal),
            Self::Unauthorized(error) | Self::Suspended(error) | Self::Lost(error) | Self::Fatal(error) => {
                error
            }
        }
    }
}

/// The error of calls on an agent that the application has closed.
pub(super) fn closed() -> Error {
    Error::new(ErrorKind::Closed, "the agent is closed")
}

/// A suspension ends the agent, because only an admin can lift it. The application decides whether
/// and when to connect again.
pub(super) fn suspended(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Error {
    Error::new(ErrorKind::Suspended, "the agent is suspended at the relay").caused_by(cause)
}

pub(super) fn closed_by_relay(code: u16) -> Error {
    let error = |kind, attempt: &str| Error::new(kind, attempt).caused_by(format!("close code {code}"));
    if code == CloseCode::Replaced.number() {
        return error(ErrorKind::Replaced, "a newer session of the same DID replaced this one")
            .advising("run one agent per DID: stop the other one, or give this one its own DID");
    }
    if code == CloseCode::Suspended.number() {
        return suspended(format!("close code {code}"));
    }
    error(ErrorKind::Connect, "the relay closed the connection")
}

pub(super) fn refused(refusal: &RpcError) -> Error {
    if refusal.data.reason == Reason::Suspended {
        return suspended("it refused the registration");
    }
    Error::new(ErrorKind::Registration(refusal.data.reason), "the relay refused the registration")
        .caused_by(refusal.data.reason.as_str())
        .retrying_after(refusal.data.retry_after_ms.map(Duration::from_millis))
}
