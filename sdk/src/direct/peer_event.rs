//! The events that the task of one peer hears, and the orders that it gives its links.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};

use protocol::direct::{DirectEndpoint, DirectRefusal, SeenResult};
use protocol::envelope::MessageId;
use protocol::frame::{RpcError, SendStatus};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio::time::Instant;

use crate::agent_state::SentNews;
use crate::error::Error;
use crate::rpc::RpcClient;
use crate::sent::Path;
use crate::state_machine::LinkId;

/// Events that wait for the task of a peer. Who has more of them waits.
pub(super) const PEER_EVENTS_MAX: usize = 64;
/// Orders that wait for a link: a window, and what is asked beside it. A link that takes none is
/// closed.
pub(super) const LINK_ORDERS_MAX: usize = 512;

pub(super) enum PeerEvent {
    Send(Box<QueuedSend>),
    /// Dial, because the peer's record is needed.
    Dial {
        endpoints: Vec<DirectEndpoint>,
        reply: oneshot::Sender<Result<(), Error>>,
    },
    Linked(LinkHandle),
    LinkEnded(LinkId),
    Answered {
        link: LinkId,
        id: MessageId,
        answer: Result<SendStatus, RpcError>,
    },
    Seen {
        link: LinkId,
        result: SeenResult,
    },
    News(MessageId, SentNews),
}

/// A sealed message that waits for its answer.
pub(super) struct QueuedSend {
    pub(super) id: MessageId,
    /// The JSON of its envelope.
    pub(super) params: Arc<str>,
    pub(super) attempt: String,
    pub(super) endpoints: Vec<DirectEndpoint>,
    pub(super) relay: RelayRight,
    pub(super) rpc: RpcClient,
    pub(super) permit: Arc<OwnedSemaphorePermit>,
    pub(super) traceparent: Option<String>,
    /// Whether the message was given to a link or to the relay's connection.
    pub(super) written: Arc<AtomicBool>,
    pub(super) caller: oneshot::Sender<Result<(SendStatus, Path), Error>>,
}

/// Whether the relay may get a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RelayRight {
    Allowed,
    /// The caller wants a direct path or an error.
    Forbidden,
    /// There is no relay: dialling is repeated as long as the caller waits.
    NoRelay,
}

/// A link, for the task of its peer.
pub(super) struct LinkHandle {
    pub(super) id: LinkId,
    pub(super) orders: mpsc::Sender<LinkOrder>,
    pub(super) window: usize,
    pub(super) window_bytes: usize,
    /// Milliseconds of the shared time at which something came.
    pub(super) heard: Arc<AtomicU64>,
    pub(super) opened: Instant,
}

pub(super) enum LinkOrder {
    Send { id: MessageId, params: Arc<str> },
    AskSeen(Vec<MessageId>),
    Ping,
    Close(DirectRefusal),
}
