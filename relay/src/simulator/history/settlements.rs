//! Records how messages end: what recipients settle, what leaves the disk, and what senders are
//! told of it.

use protocol::envelope::MessageId;
use protocol::frame::Outcome;

use super::{History, Moment, Settlement};

impl History {
    /// The relay takes a recipient's acknowledgement or refusal.
    pub(in crate::simulator) fn settled(&mut self, from: usize, id: MessageId, outcome: Outcome, run: u64) {
        let Some(record) = self.messages.get_mut(&(from, id)) else { return };
        record.settled = Some(Settlement { outcome, run });
        record.was_refused |= outcome == Outcome::Refused;
        record.was_acknowledged |= outcome == Outcome::Delivered;
        if outcome == Outcome::Delivered && self.remembers_all && !record.ended.is_empty() {
            self.add_faults(from, id, &[("I11", "has ended, and is acknowledged")]);
        }
    }

    /// The disk has the message no longer in the mailbox.
    pub(in crate::simulator) fn left_disk(&mut self, from: usize, id: MessageId, run: u64) {
        if let Some(record) = self.messages.get_mut(&(from, id)) {
            let promised = record.accepted.as_ref().is_some_and(|(_, until)| until.is_none());
            let acknowledged = record.settled.is_some_and(|settled| settled.outcome == Outcome::Delivered);
            if promised && acknowledged {
                record.left_disk.get_or_insert(run);
            }
        }
    }

    /// The relay learns that the disk has the message no longer in the mailbox.
    pub(in crate::simulator) fn left_reported(&mut self, from: usize, id: MessageId) {
        if let Some(record) = self.messages.get_mut(&(from, id)) {
            record.left_reported |= record.left_disk.is_some();
        }
    }

    /// A sender that is connected hears when the disk has its message no longer.
    pub(in crate::simulator) fn must_have_told(&mut self, from: usize, id: MessageId, run: u64) {
        let Some(record) = self.messages.get(&(from, id)) else { return };
        let delivered = Some(Settlement { outcome: Outcome::Delivered, run });
        let left = self.remembers_all && record.left_disk == Some(run);
        if left && record.told != delivered && !record.sender_gone {
            self.add_faults(from, id, &[("I11", "was delivered, and its sender does not hear it")]);
        }
    }

    /// The relay writes that a message has ended.
    pub(in crate::simulator) fn end_written(&mut self, from: usize, id: MessageId, run: u64) {
        if let Some(record) = self.messages.get_mut(&(from, id)) {
            record.end_written.get_or_insert(run);
        }
    }

    /// The relay restarts, and its wall clock says that the notice has expired.
    pub(in crate::simulator) fn notice_aged(&mut self, from: usize, id: MessageId) {
        if let Some(record) = self.messages.get_mut(&(from, id)) {
            record.notice_aged = true;
        }
    }

    /// The relay tells the sender what became of a message.
    pub(in crate::simulator) fn noticed(
        &mut self,
        from: usize,
        id: MessageId,
        outcome: Outcome,
        now: Moment,
    ) {
        match outcome {
            Outcome::Delivered => self.coverage.late_delivered += 1,
            Outcome::Expired => self.coverage.expired += 1,
            Outcome::Dropped => self.coverage.dropped += 1,
            Outcome::Refused => self.coverage.late_refused += 1,
        }
        let (steady, remembers) = (self.steady_wall, self.remembers_all);
        let Some(record) = self.messages.get_mut(&(from, id)) else {
            return self.violation("I6", format!("client {from} is told of a message that it did not send"));
        };
        let mut faults = Vec::new();
        if record.gone_run == Some(now.run) {
            faults.push(("I6", "is told to another agent than the one that sent it"));
        }
        let settled = record.settled;
        if record.contradicts(outcome, now.run) && remembers {
            faults.push(("I11", "was said to have ended otherwise"));
        }
        if outcome == Outcome::Delivered {
            if !record.was_acknowledged {
                faults.push(("I4", "is said to be delivered, and was not"));
            }
            return self.add_faults(from, id, &faults);
        }
        record.ended.insert(outcome.as_str());
        if remembers && record.ended.len() > 1 {
            faults.push(("I11", "ended in two ways"));
        }
        if remembers && settled == Some(Settlement { outcome: Outcome::Delivered, run: now.run }) {
            faults.push(("I11", "was acknowledged, and ended"));
        }
        if outcome == Outcome::Refused && !record.was_refused {
            faults.push(("I4", "is said to be refused by its recipient, and was not"));
        }
        let early = record.got_ms.is_some_and(|(first, _)| now.ms < first + record.ttl_ms);
        if outcome == Outcome::Expired && early && (steady || record.first_run == now.run) {
            faults.push(("I12", "expired before its time"));
        }
        self.add_faults(from, id, &faults);
    }
}
