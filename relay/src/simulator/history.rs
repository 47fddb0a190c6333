//! The history of a run: what each message went through, as the relay did it and as the clients
//! saw it. What contradicts itself is recorded as a violation when it happens.

mod settlements;

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use protocol::Reason;
use protocol::envelope::{Class, MessageId};
use protocol::frame::{Outcome, SendStatus};

pub(super) use super::coverage::Coverage;
use crate::core::EPOCH_BITS;

/// A recipient's settlement of a message that the relay took, and the run of the relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Settlement {
    pub(super) outcome: Outcome,
    pub(super) run: u64,
}

#[derive(Debug)]
pub(super) struct MessageHistory {
    pub(super) to: usize,
    pub(super) class: Class,
    ttl_ms: u64,
    /// Position of the first and last attempt of the client in the history.
    pub(super) first_attempt: u64,
    pub(super) last_attempt: u64,
    /// When the relay got the first and the last attempt, and its run then.
    got_ms: Option<(u64, u64)>,
    /// The run of the first attempt. The end of a message was computed then.
    first_run: u64,
    /// The run of the last attempt.
    got_run: u64,
    pub(super) statuses: Vec<SendStatus>,
    /// Position in the history and epoch of every delivery that reached the client.
    pub(super) received: Vec<(u64, u64)>,
    pub(super) settled: Option<Settlement>,
    /// The recipient has refused it once, perhaps before it was delivered again.
    was_refused: bool,
    /// A recipient has acknowledged it once, whatever happened to it after that.
    was_acknowledged: bool,
    /// The outcomes of which the sender was told that the message ended with them.
    pub(super) ended: BTreeSet<&'static str>,
    /// The outcome that the sender was told as the last one, and the run of the relay.
    told: Option<Settlement>,
    /// The notice of its end was older than notices may be, by the wall clock at a restart, or was
    /// lost with a commit that is reported as failed and has forgotten the message.
    notice_aged: bool,
    /// The run in which the relay wrote first that the message ended without a delivery.
    end_written: Option<u64>,
    /// The run in which the disk had it no longer in the mailbox, promised and acknowledged.
    left_disk: Option<u64>,
    /// The store has reported that.
    left_reported: bool,
    /// The body of the last delivery.
    delivered_body: Option<Bytes>,
    /// The body that was answered, and whether a restart may forget it.
    accepted: Option<(Bytes, Option<u64>)>,
    /// The sender was removed, and hears no more of it.
    pub(super) sender_gone: bool,
    /// The run in which that was.
    gone_run: Option<u64>,
    /// The recipient was removed. A crash may bring back what was in its mailbox.
    pub(super) recipient_gone: bool,
}

impl MessageHistory {
    /// The relay has answered that it took the message. Without that its place in the order is not
    /// promised: a commit that was reported as failed may be durable.
    pub(super) const fn is_accepted(&self) -> bool {
        self.accepted.is_some()
    }

    /// The body that was answered last, if this run of the relay has to know it.
    fn promised_body(&self, run: u64) -> Option<&Bytes> {
        let (body, until) = self.accepted.as_ref()?;
        until.is_none_or(|until| until == run).then_some(body)
    }

    /// A message that was promised has to be acknowledged by its recipient, or ends with a notice.
    /// After a restart the relay cannot tell a wall clock that was set from the time that passed,
    /// so a notice may be too old for its sender then.
    pub(super) fn is_lost(&self) -> bool {
        let promised = self.statuses.iter().any(|status| *status != SendStatus::Forwarded);
        let told = !self.ended.is_empty() || self.notice_aged;
        promised && !self.was_acknowledged && !told && !self.sender_gone
    }

    /// The relay decided that the message ended, forgot that in a crash, and delivered it for the
    /// first time after that.
    pub(super) fn came_back(&self) -> bool {
        let delivered_run = self.received.first().map(|(_, epoch)| epoch >> EPOCH_BITS);
        self.end_written.zip(delivered_run).is_some_and(|(written, delivered)| written < delivered)
    }

    /// An earlier run told the sender that the message was delivered, and no attempt came since.
    fn was_told_before(&self, run: u64) -> bool {
        let of_earlier = |told: Settlement| told.run < run && self.got_run <= told.run;
        self.told.is_some_and(|told| told.outcome == Outcome::Delivered && of_earlier(told))
    }

    /// The sender is told how the message ended. True if it was told otherwise before, although no
    /// attempt has reached a later run of the relay, which may have forgotten the message.
    fn contradicts(&mut self, outcome: Outcome, run: u64) -> bool {
        let told = self.told.replace(Settlement { outcome, run });
        told.is_some_and(|told| told.outcome != outcome && self.got_run <= told.run)
    }
}

/// When and in which run of the relay something happened.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    pub(super) ms: u64,
    pub(super) run: u64,
}

#[derive(Debug, Default)]
pub(super) struct History {
    pub(super) messages: BTreeMap<(usize, MessageId), MessageHistory>,
    pub(super) violations: Vec<(&'static str, String)>,
    pub(super) coverage: Coverage,
    /// The deduplication table forgets nothing in this run, so that every repetition is noticed.
    pub(super) remembers_all: bool,
    /// The wall clock is never set in this run, so that TTLs hold over restarts.
    pub(super) steady_wall: bool,
    position: u64,
}

impl History {
    pub(super) fn violation(&mut self, invariant: &'static str, text: String) {
        self.violations.push((invariant, text));
    }

    /// A client sends a message, perhaps again.
    pub(super) fn attempt(&mut self, from: usize, to: usize, id: MessageId, class: Class, ttl: Option<u64>) {
        self.position += 1;
        let position = self.position;
        let record = self.messages.entry((from, id)).or_insert(MessageHistory {
            to,
            class,
            ttl_ms: ttl.unwrap_or(0) * 1000,
            first_attempt: position,
            last_attempt: position,
            got_ms: None,
            first_run: 0,
            got_run: 0,
            statuses: Vec::new(),
            received: Vec::new(),
            settled: None,
            was_refused: false,
            was_acknowledged: false,
            ended: BTreeSet::new(),
            told: None,
            notice_aged: false,
            end_written: None,
            left_disk: None,
            left_reported: false,
            delivered_body: None,
            accepted: None,
            sender_gone: false,
            gone_run: None,
            recipient_gone: false,
        });
        record.last_attempt = position;
    }

    /// The relay gets an attempt.
    pub(super) fn got(&mut self, from: usize, id: MessageId, now: Moment) {
        if let Some(record) = self.messages.get_mut(&(from, id)) {
            if record.got_ms.is_none() {
                record.first_run = now.run;
            }
            record.got_ms = Some((record.got_ms.map_or(now.ms, |(first, _)| first), now.ms));
            record.got_run = now.run;
        }
    }

    /// The relay answers an attempt.
    pub(super) fn answered(
        &mut self,
        from: usize,
        id: MessageId,
        status: SendStatus,
        body: &Bytes,
        run: u64,
    ) {
        match status {
            SendStatus::Stored => self.coverage.stored += 1,
            SendStatus::Delivered => self.coverage.delivered += 1,
            SendStatus::Forwarded => self.coverage.forwarded += 1,
        }
        let remembers = self.remembers_all;
        let Some(record) = self.messages.get_mut(&(from, id)) else { return };
        let mut faults = Vec::new();
        if status == SendStatus::Delivered && !record.was_acknowledged {
            faults.push(("I4", "was answered delivered before it was acknowledged"));
        }
        let left = record.left_reported || record.left_disk.is_some_and(|left| left < run);
        if status == SendStatus::Stored && remembers && left {
            faults.push(("I11", "was acknowledged, and is said to wait"));
        }
        let other_body = record.delivered_body.as_ref().is_some_and(|delivered| delivered != body);
        if status == SendStatus::Delivered && remembers && other_body {
            faults.push(("I2", "is said to be delivered with another body"));
        }
        if status != SendStatus::Forwarded && remembers {
            if !record.ended.is_empty() {
                faults.push(("I11", "has ended, and was accepted after that"));
            }
            if record.settled == Some(Settlement { outcome: Outcome::Refused, run }) {
                faults.push(("I11", "was refused by its recipient, and is promised"));
            }
            if record.promised_body(run).is_some_and(|promised| promised != body) {
                faults.push(("I2", "was accepted with two bodies"));
            }
        }
        if status != SendStatus::Forwarded {
            if status == SendStatus::Delivered && record.contradicts(Outcome::Delivered, run) && remembers {
                faults.push(("I11", "is said to be delivered, and had ended otherwise"));
            }
            let until = (status == SendStatus::Delivered).then_some(run);
            let durable = record.accepted.as_ref().is_some_and(|(_, until)| until.is_none());
            record.accepted = Some((body.clone(), until.filter(|_| !durable)));
        }
        record.statuses.push(status);
        self.add_faults(from, id, &faults);
    }

    /// The relay refuses an attempt.
    pub(super) fn refused(&mut self, from: usize, id: MessageId, reason: Reason, body: &Bytes, run: u64) {
        let remembers = self.remembers_all;
        let Some(record) = self.messages.get_mut(&(from, id)) else { return };
        let refused = record.was_refused;
        let mut faults = Vec::new();
        if reason == Reason::Ended {
            self.coverage.ended += 1;
            if record.end_written.is_none() && !refused {
                faults.push(("I11", "is said to have ended, and did not"));
            }
        }
        if reason == Reason::DuplicateId && remembers && record.promised_body(run) == Some(body) {
            faults.push(("I2", "is repeated, and taken for another message"));
        }
        if reason == Reason::Refused {
            self.coverage.refused_by_recipient += 1;
            if !refused {
                faults.push(("I4", "is said to be refused by its recipient, and was not"));
            }
            if record.contradicts(Outcome::Refused, run) && remembers {
                faults.push(("I11", "is said to be refused, and had ended otherwise"));
            }
        }
        self.add_faults(from, id, &faults);
    }

    /// The relay puts a delivery on a connection.
    pub(super) fn delivers(&mut self, from: usize, id: MessageId, body: &Bytes, now: Moment) {
        let (remembers, steady) = (self.remembers_all, self.steady_wall);
        let Some(record) = self.messages.get_mut(&(from, id)) else { return };
        let mut faults = Vec::new();
        if remembers && !record.ended.is_empty() {
            faults.push(("I11", "has ended, and is delivered after that"));
        }
        if remembers && record.settled.is_some_and(|settled| settled.run == now.run) {
            faults.push(("I2", "was settled, and is delivered again"));
        }
        if remembers && record.was_told_before(now.run) {
            faults.push(("I2", "is said to be delivered, and is delivered again"));
        }
        if remembers && record.left_disk.is_some() {
            faults.push(("I2", "has left the disk as delivered, and is delivered again"));
        }
        record.delivered_body = Some(body.clone());
        let comparable = steady || record.first_run == now.run;
        // The disk has whole seconds, and a restart begins with one.
        let rounding_ms = if record.first_run == now.run { 0 } else { 2_000 };
        let late = record.got_ms.is_some_and(|(_, last)| now.ms > last + record.ttl_ms + rounding_ms);
        if record.class == Class::Reliable && comparable && late {
            faults.push(("I12", "is delivered after its end"));
        }
        self.add_faults(from, id, &faults);
    }

    /// Records a delivery that arrived, and a violation if the message is not for this client.
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
        if self.remembers_all && record.received.iter().any(|(_, e)| *e == epoch) {
            let text = format!("client {client} got {id} of {from} twice in epoch {epoch}");
            self.violations.push(("I2", text));
        }
        if !record.received.is_empty() {
            self.coverage.redelivered += 1;
        }
        record.received.push((position, epoch));
    }

    /// A client was removed, with its mailbox and what is remembered of its sends.
    pub(super) fn removed(&mut self, client: usize, run: u64) {
        for ((from, _), record) in &mut self.messages {
            record.recipient_gone |= record.to == client;
            if *from == client {
                record.sender_gone = true;
                record.gone_run = Some(run);
            }
        }
    }

    fn add_faults(&mut self, from: usize, id: MessageId, faults: &[(&'static str, &str)]) {
        for (invariant, what) in faults {
            let record = self.messages.get(&(from, id));
            self.violations.push((invariant, format!("{id} of {from} {what}: {record:?}")));
        }
    }
}
