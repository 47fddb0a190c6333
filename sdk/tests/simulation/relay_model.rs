//! A relay with one mailbox: it numbers deliveries, keeps a window, and tells senders the outcome.

use std::collections::{BTreeMap, VecDeque};

use msg2agent::RefusalReason;
use protocol::frame::{AckParams, RefuseParams};

/// A message, by its number. Some of them nobody can open.
pub(crate) type MessageNumber = u64;

/// Every such number is a message that cannot be opened.
pub(crate) const fn is_undecryptable(message: MessageNumber) -> bool {
    message.is_multiple_of(7)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SimDelivery {
    pub(crate) epoch: u64,
    pub(crate) seq: u64,
    pub(crate) message: MessageNumber,
}

/// What its sender was told of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SimOutcome {
    Delivered,
    Refused(RefusalReason),
}

#[derive(Default)]
pub(crate) struct RelayModel {
    pub(crate) epoch: u64,
    next_seq: u64,
    /// Messages without an outcome, in order. The first `sent` of them are in flight.
    mailbox: Vec<MessageNumber>,
    sent: usize,
    in_flight: VecDeque<(u64, MessageNumber)>,
    pub(crate) outcomes: BTreeMap<MessageNumber, SimOutcome>,
}

impl RelayModel {
    pub(crate) fn accept(&mut self, message: MessageNumber) {
        self.mailbox.push(message);
    }

    pub(crate) fn start_session(&mut self) -> u64 {
        self.epoch += 1;
        (self.next_seq, self.sent) = (1, 0);
        self.in_flight.clear();
        self.epoch
    }

    /// Delivers the next message, unless the window is full.
    pub(crate) fn deliver(&mut self, window: usize) -> Option<SimDelivery> {
        if self.in_flight.len() >= window {
            return None;
        }
        let message = *self.mailbox.get(self.sent)?;
        self.sent += 1;
        Some(self.number(message))
    }

    /// Delivers a message a second time, under a new number.
    pub(crate) fn repeat(&mut self, window: usize) -> Option<SimDelivery> {
        if self.in_flight.len() >= window {
            return None;
        }
        let message = self.in_flight.front()?.1;
        Some(self.number(message))
    }

    /// Restarts without what was not on disk: some outcomes are forgotten.
    pub(crate) fn forget_outcome(&mut self, message: MessageNumber) {
        if self.outcomes.remove(&message).is_some() {
            self.mailbox.push(message);
        }
    }

    /// Returns the messages that are called delivered now.
    pub(crate) fn on_ack(&mut self, ack: AckParams) -> Vec<MessageNumber> {
        let mut delivered = Vec::new();
        if ack.epoch != self.epoch {
            return delivered;
        }
        while self.in_flight.front().is_some_and(|(seq, _)| *seq <= ack.seq) {
            let Some((_, message)) = self.in_flight.pop_front() else { break };
            if self.end(message, SimOutcome::Delivered) {
                delivered.push(message);
            }
        }
        delivered
    }

    pub(crate) fn on_refuse(&mut self, refusal: RefuseParams) -> Option<MessageNumber> {
        if refusal.epoch != self.epoch {
            return None;
        }
        let found = self.in_flight.iter().find(|(seq, _)| *seq == refusal.seq).map(|(_, message)| *message);
        found.filter(|message| self.end(*message, SimOutcome::Refused(refusal.reason)))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.mailbox.is_empty()
    }

    fn number(&mut self, message: MessageNumber) -> SimDelivery {
        let delivery = SimDelivery { epoch: self.epoch, seq: self.next_seq, message };
        self.in_flight.push_back((self.next_seq, message));
        self.next_seq += 1;
        delivery
    }

    fn end(&mut self, message: MessageNumber, outcome: SimOutcome) -> bool {
        let Some(index) = self.mailbox.iter().position(|waiting| *waiting == message) else { return false };
        self.mailbox.remove(index);
        self.sent -= usize::from(index < self.sent);
        self.outcomes.insert(message, outcome);
        true
    }
}
