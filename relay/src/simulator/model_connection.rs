//! Model of a connection: two queues that keep the order, delay their items, and can be cut.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use protocol::Reason;
use protocol::envelope::{Class, MessageId};
use protocol::refusal::RefusalReason;

#[derive(Debug, Clone)]
pub(super) enum ToRelay {
    Register,
    /// Registers another agent on this connection, which is not allowed.
    RegisterAs {
        client: usize,
    },
    Send(ModelSend),
    Ack {
        epoch: u64,
        seq: u64,
    },
    Refuse {
        epoch: u64,
        seq: u64,
        reason: RefusalReason,
    },
    /// The relay notices the end of the connection.
    End,
}

#[derive(Debug, Clone)]
pub(super) struct ModelSend {
    pub(super) request: u64,
    /// The agent that the message says it is from.
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) id: MessageId,
    pub(super) class: Class,
    pub(super) ttl: Option<u64>,
    pub(super) envelope: Bytes,
}

#[derive(Debug, Clone)]
pub(super) enum ToClient {
    Registered { epoch: u64 },
    Answer { request: u64 },
    Refuse { request: u64, reason: Reason },
    Deliver { epoch: u64, seq: u64, envelope: Bytes },
    Notice { epoch: u64, seq: u64, to: String, missed: u64 },
    End,
}

#[derive(Debug)]
pub(super) struct DelayQueue<T> {
    queue: VecDeque<(u64, T)>,
}

impl<T> Default for DelayQueue<T> {
    fn default() -> Self {
        Self { queue: VecDeque::new() }
    }
}

impl<T> DelayQueue<T> {
    pub(super) fn push(&mut self, due_ms: u64, item: T) {
        let last = self.queue.back().map_or(0, |(due, _)| *due);
        self.queue.push_back((due_ms.max(last), item));
    }

    pub(super) fn pop(&mut self, now_ms: u64) -> Option<T> {
        self.queue.pop_front_if(|(due, _)| *due <= now_ms).map(|(_, item)| item)
    }

    pub(super) fn truncate(&mut self, keep: usize) {
        self.queue.truncate(keep);
    }

    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }
}

#[derive(Debug)]
pub(super) struct ModelConnection {
    pub(super) client: usize,
    pub(super) up: DelayQueue<ToRelay>,
    pub(super) down: DelayQueue<ToClient>,
    /// False once the client is gone; the relay may not have noticed.
    pub(super) connected: bool,
    /// The epoch of the session that the relay has opened on it.
    pub(super) epoch: Option<u64>,
    /// What the relay delivered in this epoch and nobody has settled, as the relay sees it.
    pub(super) deliveries: BTreeMap<u64, (usize, MessageId)>,
    pub(super) last_seq: u64,
    /// When the relay got each request that it has not answered.
    pub(super) requests: BTreeMap<u64, u64>,
    /// Requests that have to be refused for this reason.
    pub(super) refused: BTreeMap<u64, Reason>,
    /// The client settled what was never delivered, and the relay has to close the connection.
    pub(super) must_close: bool,
}

impl ModelConnection {
    pub(super) fn new(client: usize) -> Self {
        Self {
            client,
            up: DelayQueue::default(),
            down: DelayQueue::default(),
            connected: true,
            epoch: None,
            deliveries: BTreeMap::new(),
            last_seq: 0,
            requests: BTreeMap::new(),
            refused: BTreeMap::new(),
            must_close: false,
        }
    }
}
