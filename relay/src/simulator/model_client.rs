//! Model of a client: sends, retries what was not answered, settles deliveries with a delay or
//! never, and remembers what it sent.

use std::collections::VecDeque;

use bytes::Bytes;
use protocol::Did;
use protocol::envelope::{Class, MessageId};

use crate::core::ConnId;

/// Messages that a client remembers, to send one of them again.
const SENT_MAX: usize = 30;

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
    /// Deliveries of this epoch that are not settled.
    pub(super) unacked: usize,
    pub(super) unacked_bytes: usize,
    pub(super) outbox: VecDeque<OutboxMessage>,
    pub(super) sent: VecDeque<OutboxMessage>,
    pub(super) pace: Pace,
    /// Notices that the relay said it has dropped.
    pub(super) missed: u64,
    /// Those that the next notice has to tell of.
    pub(super) untold: u64,
}

/// How a client acknowledges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    Quick,
    Slow,
    Silent,
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
            unacked: 0,
            unacked_bytes: 0,
            outbox: VecDeque::new(),
            sent: VecDeque::new(),
            pace: Pace::Quick,
            missed: 0,
            untold: 0,
        }
    }

    pub(super) fn disconnected(&mut self) {
        self.conn = None;
        self.end_session();
        // An ephemeral message without an answer is not sent again.
        self.outbox.retain(|message| message.class == Class::Reliable);
    }

    pub(super) fn end_session(&mut self) {
        self.epoch = None;
        self.ack_at = None;
        self.unacked = 0;
        self.unacked_bytes = 0;
    }

    pub(super) fn take(&mut self, request: u64) -> Option<OutboxMessage> {
        let index = self.outbox.iter().position(|message| message.request == request)?;
        self.outbox.remove(index)
    }

    pub(super) fn remember(&mut self, message: OutboxMessage) {
        self.sent.push_back(message);
        if self.sent.len() > SENT_MAX {
            self.sent.pop_front();
        }
    }
}
