//! Lists and checks what is in the deduplication table, for tests and for the rules of the core.

use super::sender_ids::SenderIds;
use super::{DedupTable, MessageKey, OpenEntry};
use crate::core::AgentSlot;

impl DedupTable {
    /// The senders that have ids.
    pub(in crate::core) fn senders(&self) -> impl Iterator<Item = AgentSlot> {
        self.senders.iter().flatten().map(|ids| ids.sender)
    }

    pub(in crate::core) fn open_of(
        &self,
        sender: AgentSlot,
    ) -> impl Iterator<Item = (MessageKey, &OpenEntry)> {
        let open = self.sender(sender).into_iter().flat_map(|ids| &ids.open);
        open.map(move |(id, entry)| (MessageKey { sender, id: *id }, entry))
    }

    /// The number of ids of this sender.
    pub(in crate::core) fn remembered(&self, sender: AgentSlot) -> usize {
        self.sender(sender).map_or(0, SenderIds::len)
    }

    pub(in crate::core) fn is_known(&self, key: MessageKey) -> bool {
        self.open(key).is_some() || self.settled(key).is_some()
    }

    /// Checks that what is counted is there.
    pub(in crate::core) fn check(&self) -> Result<(), String> {
        let (mut count, mut settled) = (0, 0);
        for ids in self.senders.iter().flatten() {
            let waiting = ids.open.values().filter(|entry| entry.state.is_waiting()).count();
            if (waiting, ids.counted()) != (ids.waiting as usize, ids.settled()) {
                return Err(format!("{:?} counts ids that are not there", ids.sender));
            }
            count += ids.len();
            settled += ids.settled();
        }
        let (used, dead, _) = self.settled.size();
        if settled + dead != used {
            return Err(format!("{used} places are used by {settled} settled and {dead} dead ids"));
        }
        let (senders, turns) = (self.senders().count(), self.turns.len());
        if (count, senders, self.lost) != (self.entry_count, turns, 0) {
            return Err(format!("{count} ids of {senders} senders, counted {}, {turns}", self.entry_count));
        }
        Ok(())
    }
}
