//! An agent: sends, repeats what was not answered, acknowledges when it gets to it, and remembers what it has seen.

use std::collections::{HashSet, VecDeque};

use bytes::Bytes;
use protocol::Did;
use protocol::envelope::{Class, MessageId};

use crate::core::ConnId;

#[derive(Debug)]
pub(super) struct ModelClient {
    pub(super) did: Did,
    pub(super) conn: Option<ConnId>,
    /// Epoch of the running session.
    pub(super) epoch: Option<u64>,
    pub(super) last_epoch: u64,
    pub(super) last_seq: u64,
    /// When the next acknowledgement goes out.
    pub(super) ack_at: Option<u64>,
    /// What was delivered in this epoch and not acknowledged.
    pub(super) unacked: Vec<(usize, MessageId)>,
    pub(super) outbox: VecDeque<Planned>,
    pub(super) seen: HashSet<(usize, MessageId)>,
    pub(super) slow: bool,
}

/// A message without an answer.
#[derive(Debug, Clone)]
pub(super) struct Planned {
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
        // An ephemeral message without an answer is not repeated.
        self.outbox.retain(|planned| planned.class == Class::Reliable);
    }

    pub(super) fn take(&mut self, request: u64) -> Option<Planned> {
        let index = self.outbox.iter().position(|planned| planned.request == request)?;
        self.outbox.remove(index)
    }
}
