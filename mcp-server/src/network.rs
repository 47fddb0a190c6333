//! The interface between the tools and the msg2agent network. [`crate::relay_connection`]
//! implements it with the SDK; unit tests implement it with scripted answers.

use std::time::Duration;

use futures::future::BoxFuture;
use protocol::Did;
use protocol::envelope::{Content, MessageId, MessageType};
use protocol::frame::{DiscoverParams, DiscoverResult, SendStatus};
use protocol::record::Card;
use schemars::JsonSchema;
use serde::Serialize;

use crate::inbox::ReceivedMessage;

mod error;

pub use error::NetworkError;
/// An agent whose record was verified.
pub use msg2agent::Contact;

pub trait Network: Send + Sync {
    fn own_agent(&self) -> OwnAgent;
    /// Connects if there is no session, and gives messages that wait at the relay a moment to
    /// arrive. Takes a few seconds at most and does not fail.
    fn ensure_connected(&self) -> BoxFuture<'_, ()>;
    fn send(&self, message: OutgoingMessage) -> BoxFuture<'_, Result<SentMessage, NetworkError>>;
    /// Sends a message and waits for the reply, for at most `wait`.
    fn request(
        &self,
        message: OutgoingMessage,
        wait: Duration,
    ) -> BoxFuture<'_, Result<RequestOutcome, NetworkError>>;
    fn discover(&self, query: DiscoverParams) -> BoxFuture<'_, Result<DiscoverResult, NetworkError>>;
    fn lookup(&self, did: &Did) -> BoxFuture<'_, Result<Contact, NetworkError>>;
}

/// This agent, and the status of its session at the relay.
#[derive(Debug, Clone)]
pub struct OwnAgent {
    pub did: Did,
    pub card: Card,
    pub session: SessionStatus,
}

/// The status of this agent's session at the relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SessionStatus {
    /// Registered at the relay.
    Connected,
    /// Not connected; this server is trying to connect.
    Connecting,
    /// Another process of this agent has the session. The next call that needs it takes it back.
    Yielded,
    /// The agent or its tenant is suspended at the relay; this server keeps trying.
    Suspended,
    /// The relay refuses this agent for another reason, which every call that needs the relay
    /// returns; this server keeps trying.
    Refused,
}

impl SessionStatus {
    pub(crate) const ALL: [Self; 5] =
        [Self::Connected, Self::Connecting, Self::Yielded, Self::Suspended, Self::Refused];

    /// The same name as in JSON.
    #[must_use]
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::Connecting => "connecting",
            Self::Yielded => "yielded",
            Self::Suspended => "suspended",
            Self::Refused => "refused",
        }
    }
}

#[derive(Debug, Clone)]
pub struct OutgoingMessage {
    pub to: Did,
    /// Absent: the SDK creates one.
    pub id: Option<MessageId>,
    /// [`Network::request`] sends every message as a request.
    pub kind: MessageType,
    pub content: Content,
    pub thread: Option<String>,
    /// The message that this one answers.
    pub re: Option<MessageId>,
}

#[derive(Debug, Clone, Copy)]
pub struct SentMessage {
    pub id: MessageId,
    pub status: SendStatus,
}

pub struct RequestOutcome {
    pub sent: SentMessage,
    /// The reply, with its acknowledgement; absent when none arrived in time.
    pub reply: Option<(ReceivedMessage, Box<dyn Acknowledge>)>,
}

/// Acknowledges one message to the relay, which then does not deliver it again.
pub trait Acknowledge: Send + Sync {
    fn acknowledge(self: Box<Self>) -> BoxFuture<'static, Result<(), NetworkError>>;
}
