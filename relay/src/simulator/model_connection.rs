//! Model of a connection: two queues that keep the order, delay their items, and can be cut.

use std::collections::VecDeque;

use bytes::Bytes;
use protocol::Reason;
use protocol::envelope::{Class, MessageId};
use protocol::frame::{Outcome, SendStatus};

#[derive(Debug, Clone)]
pub(super) enum ToRelay {
    Register,
    Send {
        request: u64,
        to: usize,
        id: MessageId,
        class: Class,
        ttl: Option<u64>,
        envelope: Bytes,
    },
    Ack {
        epoch: u64,
        seq: u64,
    },
    /// The relay notices the end of the connection.
    End,
}

#[derive(Debug, Clone)]
pub(super) enum ToClient {
    Registered { epoch: u64 },
    Answer { request: u64, status: SendStatus },
    Refuse { request: u64, reason: Reason },
    Deliver { epoch: u64, seq: u64, envelope: Bytes },
    Notice { epoch: u64, seq: u64, id: MessageId, to: String, outcome: Outcome },
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
}
