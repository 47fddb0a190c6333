//! The history of a run as the clients saw it, for the checks.

use std::collections::{BTreeMap, BTreeSet};

use protocol::envelope::{Class, MessageId};
use protocol::frame::{Outcome, SendStatus};

#[derive(Debug)]
pub(super) struct MessageHistory {
    pub(super) to: usize,
    pub(super) class: Class,
    /// Position of the first and last attempt in the history.
    pub(super) first_attempt: u64,
    pub(super) last_attempt: u64,
    pub(super) statuses: Vec<SendStatus>,
    /// Position in the history and epoch of every delivery.
    pub(super) received: Vec<(u64, u64)>,
    /// The recipient acknowledged it.
    pub(super) acked: bool,
    pub(super) notices: BTreeSet<&'static str>,
    /// The sender got `delivered` before the recipient acknowledged.
    pub(super) premature: bool,
}

#[derive(Debug, Default)]
pub(super) struct History {
    pub(super) messages: BTreeMap<(usize, MessageId), MessageHistory>,
    pub(super) violations: Vec<(&'static str, String)>,
    pub(super) coverage: Coverage,
    position: u64,
}

/// How often each kind of event happened.
#[derive(Debug, Default, Clone)]
pub(super) struct Coverage {
    pub(super) crashes: u64,
    pub(super) cuts: u64,
    pub(super) replaced: u64,
    pub(super) stored: u64,
    pub(super) delivered: u64,
    pub(super) forwarded: u64,
    pub(super) refused: u64,
    pub(super) storage_refusals: u64,
    pub(super) repeated: u64,
    pub(super) redelivered: u64,
    pub(super) expired: u64,
    pub(super) late_delivered: u64,
    pub(super) backlogs: u64,
    pub(super) drains: u64,
}

impl Coverage {
    fn counts(&self) -> [u64; 14] {
        [
            self.crashes,
            self.cuts,
            self.replaced,
            self.stored,
            self.delivered,
            self.forwarded,
            self.refused,
            self.storage_refusals,
            self.repeated,
            self.redelivered,
            self.expired,
            self.late_delivered,
            self.backlogs,
            self.drains,
        ]
    }

    pub(super) fn is_complete(&self) -> bool {
        self.counts().iter().all(|count| *count > 0)
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.crashes += other.crashes;
        self.cuts += other.cuts;
        self.replaced += other.replaced;
        self.stored += other.stored;
        self.delivered += other.delivered;
        self.forwarded += other.forwarded;
        self.refused += other.refused;
        self.storage_refusals += other.storage_refusals;
        self.repeated += other.repeated;
        self.redelivered += other.redelivered;
        self.expired += other.expired;
        self.late_delivered += other.late_delivered;
        self.backlogs += other.backlogs;
        self.drains += other.drains;
    }
}

impl History {
    pub(super) fn violation(&mut self, invariant: &'static str, text: String) {
        self.violations.push((invariant, text));
    }

    pub(super) fn attempt(&mut self, from: usize, to: usize, id: MessageId, class: Class) {
        self.position += 1;
        let position = self.position;
        let record = self.messages.entry((from, id)).or_insert(MessageHistory {
            to,
            class,
            first_attempt: position,
            last_attempt: position,
            statuses: Vec::new(),
            received: Vec::new(),
            acked: false,
            notices: BTreeSet::new(),
            premature: false,
        });
        record.last_attempt = position;
    }

    pub(super) fn answered(&mut self, from: usize, id: MessageId, status: SendStatus) {
        match status {
            SendStatus::Stored => self.coverage.stored += 1,
            SendStatus::Delivered => self.coverage.delivered += 1,
            SendStatus::Forwarded => self.coverage.forwarded += 1,
        }
        let Some(record) = self.messages.get_mut(&(from, id)) else { return };
        record.premature |= status == SendStatus::Delivered && !record.acked;
        record.statuses.push(status);
    }

    /// Records a delivery, and a violation if the message is not for this client.
    pub(super) fn received(&mut self, client: usize, from: usize, id: MessageId, epoch: u64) {
        self.position += 1;
        let position = self.position;
        let Some(record) = self.messages.get_mut(&(from, id)) else {
            return self.violation("I6", format!("client {client} got a message that no client sent"));
        };
        if record.to != client {
            let text = format!("client {client} got a message for {}", record.to);
            return self.violation("I6", text);
        }
        if record.received.iter().any(|(_, e)| *e == epoch) {
            let text = format!("client {client} got {id} of {from} twice in epoch {epoch}");
            self.violations.push(("I2", text));
        }
        if !record.received.is_empty() {
            self.coverage.redelivered += 1;
        }
        record.received.push((position, epoch));
    }

    pub(super) fn acknowledged(&mut self, from: usize, id: MessageId) {
        if let Some(record) = self.messages.get_mut(&(from, id)) {
            record.acked = true;
        }
    }

    pub(super) fn noticed(&mut self, from: usize, id: MessageId, outcome: Outcome) {
        match outcome {
            Outcome::Delivered => self.coverage.late_delivered += 1,
            Outcome::Expired => self.coverage.expired += 1,
            Outcome::Dropped | Outcome::Refused => {}
        }
        let Some(record) = self.messages.get_mut(&(from, id)) else { return };
        record.premature |= outcome == Outcome::Delivered && !record.acked;
        record.notices.insert(outcome.as_str());
    }
}
