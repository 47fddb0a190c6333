//! The time a recipient has to acknowledge a message before it is written to disk.

use super::limits::ACK_GRACE;
use super::{AgentSlot, Core, CoreTime, Effect};

/// When a delivery is written to the mailbox, unless it is acknowledged before. All deliveries
/// wait equally long, so a queue keeps them in order.
#[derive(Debug, Clone, Copy)]
pub(super) struct AckDeadline {
    at_ms: u64,
    mailbox: AgentSlot,
    epoch: u64,
    seq: u64,
}

impl AckDeadline {
    /// The delivery that this is about, if it is one of this session.
    #[cfg(test)]
    pub(super) fn seq_of(&self, mailbox: AgentSlot, epoch: u64) -> Option<u64> {
        (self.mailbox == mailbox && self.epoch == epoch).then_some(self.seq)
    }
}

impl Core {
    pub(super) fn start_ack_grace(&mut self, mailbox: AgentSlot, epoch: u64, seq: u64, now: CoreTime) {
        let at_ms = now.mono_ms + u64::try_from(ACK_GRACE.as_millis()).unwrap_or(u64::MAX);
        self.ack_deadlines.push_back(AckDeadline { at_ms, mailbox, epoch, seq });
    }

    /// Writes the deliveries that were not acknowledged in time.
    pub(super) fn persist_overdue(&mut self, now: CoreTime, out: &mut Vec<Effect>) {
        while let Some(due) = self.ack_deadlines.pop_front_if(|due| due.at_ms <= now.mono_ms) {
            let session = self.agents.session_mut(due.mailbox).filter(|session| session.epoch == due.epoch);
            let live = session.and_then(|session| session.live_mut());
            if let Some(message) = live.and_then(|live| live.take(due.seq)) {
                self.persist(due.mailbox, due.seq, &message, now, out);
            }
        }
    }
}
