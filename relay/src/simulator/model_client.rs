//! Model of a client: sends, retries what was not answered, acknowledges with a delay, and
//! remembers what it received.

use std::collections::{HashSet, VecDeque};

use bytes::Bytes;
use protocol::Did;
use protocol::envelope::{Class, MessageId};

use crate::core::ConnId;

#[derive(Debug)]
pub(super) struct ModelClient {
    pub(super) did: Did,
    pub(super) conn: Option<ConnId>,
    /// Epoch of the current session.
    pub(super) epoch: Option<u64>,
    pub(super) last_epoch: u64,
    pub(super) last_seq: u64,
    /// When the next acknowledgement goes out.
    pub(super) ack_at: Option<u64>,
    /// Messages that were delivered in this epoch and are not acknowledged.
    pub(super) unacked: Vec<(usize, MessageId)>,
    pub(super) outbox: VecDeque<OutboxMessage>,
    pub(super) seen: HashSet<(usize, MessageId)>,
    pub(super) slow: bool,
}

/// A message that waits for its answer.
#[derive(Debug, Clone)]
pub(super) struct OutboxMessage {
    pub(super) request: u64,
    pub(super) to: usize,
    pub(super) id: MessageId,
    pub(super) class: Class,
    pub(super) ttl: Option<u64>,
    pub(super) envelope: Bytes,
}

impl ModelClient {
    pub(super) fn new(did: Did) -> Self {
        Self {
            did,
            conn: None,
            epoch: None,
            last_epoch: 0,
            last_seq: 0,
            ack_at: None,
            unacked: Vec::new(),
            outbox: VecDeque::new(),
            seen: HashSet::new(),
            slow: false,
        }
    }

    pub(super) fn disconnected(&mut self) {
        self.conn = None;
        self.epoch = None;
        self.ack_at = None;
        self.unacked.clear();
        // An ephemeral message without an answer is not sent again.
        self.outbox.retain(|message| message.class == Class::Reliable);
    }

    pub(super) fn take(&mut self, request: u64) -> Option<OutboxMessage> {
        let index = self.outbox.iter().position(|message| message.request == request)?;
        self.outbox.remove(index)
    }
}
