//! What the tools ask of the msg2agent network, and how it may refuse. [`link`] answers with the SDK; unit tests answer
//! themselves.

use std::time::Duration;

use futures::future::BoxFuture;
use protocol::Did;
use protocol::envelope::{Content, MessageId, MessageType};
use protocol::frame::{DiscoverParams, DiscoverResult, SendStatus};
use protocol::record::Card;
use schemars::JsonSchema;
use serde::Serialize;

use crate::inbox::Received;
use crate::refusal::Refusal;

pub mod link;

/// An agent whose record was verified.
pub use msg2agent::Contact as Found;

pub trait Network: Send + Sync {
    fn me(&self) -> Me;
    /// Makes sure, as well as it can in a few seconds, that messages which wait at the relay are here.
    fn refresh(&self) -> BoxFuture<'_, ()>;
    fn send(&self, message: Outgoing) -> BoxFuture<'_, Result<Sent, Refusal>>;
    /// Sends and waits for the reply; after `wait`, the answer is without one.
    fn request(&self, message: Outgoing, wait: Duration) -> BoxFuture<'_, Result<Answer, Refusal>>;
    fn discover(&self, query: DiscoverParams) -> BoxFuture<'_, Result<DiscoverResult, Refusal>>;
    fn lookup(&self, did: &Did) -> BoxFuture<'_, Result<Found, Refusal>>;
}

/// Who this agent is, and whether the relay knows it at the moment.
#[derive(Debug, Clone)]
pub struct Me {
    pub did: Did,
    pub card: Card,
    pub session: Session,
}

/// How this process stands with the relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Session {
    /// Registered at the relay.
    Connected,
    /// Not now; it is being tried.
    Connecting,
    /// Another process of this agent has the session. The next call that needs it takes it back.
    Yielded,
    /// The agent or its tenant is suspended at the relay; it is tried again.
    Suspended,
    /// The relay does not let this agent in for another reason, which every call that needs the relay names; it is tried again.
    Refused,
}

impl Session {
    pub(crate) const ALL: [Self; 5] =
        [Self::Connected, Self::Connecting, Self::Yielded, Self::Suspended, Self::Refused];

    /// The same word as in answers.
    #[must_use]
    pub(crate) const fn word(self) -> &'static str {
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
pub struct Outgoing {
    pub to: Did,
    /// Absent: a new one.
    pub id: Option<MessageId>,
    /// A request is one when somebody waits for its answer here, or later.
    pub kind: MessageType,
    pub content: Content,
    pub thread: Option<String>,
    pub re: Option<MessageId>,
}

#[derive(Debug, Clone, Copy)]
pub struct Sent {
    pub id: MessageId,
    pub status: SendStatus,
}

pub struct Answer {
    pub sent: Sent,
    pub reply: Option<(Received, Box<dyn Acknowledge>)>,
}

/// Tells the relay that a message needs no second delivery.
pub trait Acknowledge: Send + Sync {
    fn acknowledge(self: Box<Self>) -> BoxFuture<'static, Result<(), Refusal>>;
}
