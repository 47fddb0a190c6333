//! The notices that wait for a reader, the ones a reader has, and the latest outcomes. Pure.

use std::collections::{HashMap, VecDeque};

use protocol::envelope::MessageId;
use protocol::frame::Outcome;

use super::StoredNotice;

/// Notices that are kept until they are acknowledged, and outcomes that are remembered. The oldest
/// are dropped; 4096 are a mailbox that nobody reads, and need about 2 MiB.
pub(super) const NOTICES_MAX: usize = 4096;

pub(super) struct NoticeTable {
    /// Not acknowledged, oldest first. The first `taken` of them have a reader.
    waiting: VecDeque<StoredNotice>,
    taken: usize,
    outcomes: HashMap<MessageId, Outcome>,
    order: VecDeque<MessageId>,
}

impl NoticeTable {
    pub(super) fn new(waiting: Vec<StoredNotice>) -> Self {
        let mut table =
            Self { waiting: VecDeque::new(), taken: 0, outcomes: HashMap::new(), order: VecDeque::new() };
        for notice in waiting {
            table.insert(notice);
        }
        table
    }

    /// Whether this notice was recorded before: a repetition after a lost acknowledgement.
    pub(super) fn is_known(&self, notice: &StoredNotice) -> bool {
        self.outcomes.get(&notice.id) == Some(&notice.outcome)
    }

    /// Keeps a notice. Returns whether the oldest was dropped for it.
    pub(super) fn insert(&mut self, notice: StoredNotice) -> bool {
        if self.outcomes.insert(notice.id, notice.outcome).is_none() {
            self.order.push_back(notice.id);
        }
        if self.order.len() > NOTICES_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.outcomes.remove(&oldest);
        }
        self.waiting.push_back(notice);
        let full = self.waiting.len() > NOTICES_MAX;
        if full {
            self.waiting.pop_front();
            self.taken = self.taken.saturating_sub(1);
        }
        full
    }

    /// The next notice that no reader has taken. It stays until it is acknowledged.
    pub(super) fn take(&mut self) -> Option<StoredNotice> {
        let notice = self.waiting.get(self.taken)?.clone();
        self.taken += 1;
        Some(notice)
    }

    pub(super) fn acknowledge(&mut self, id: MessageId, outcome: Outcome) {
        let is_it = |notice: &StoredNotice| notice.id == id && notice.outcome == outcome;
        if let Some(index) = self.waiting.iter().position(is_it) {
            self.waiting.remove(index);
            self.taken -= usize::from(index < self.taken);
        }
    }

    pub(super) fn outcome(&self, id: &MessageId) -> Option<Outcome> {
        self.outcomes.get(id).copied()
    }

    pub(super) fn waiting(&self) -> impl ExactSizeIterator<Item = &StoredNotice> {
        self.waiting.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notice(n: u64) -> StoredNotice {
        StoredNotice {
            id: MessageId::new(n, [0; 10]),
            to: "did:wba:localhost:agent:bob".parse().unwrap(),
            outcome: Outcome::Expired,
            reason: None,
            at: n,
        }
    }

    #[test]
    fn a_notice_is_taken_once_and_waits_until_it_is_acknowledged() {
        let mut table = NoticeTable::new(vec![notice(1)]);
        assert!(!table.insert(notice(2)));
        assert_eq!((table.take(), table.take(), table.take()), (Some(notice(1)), Some(notice(2)), None));
        assert_eq!(table.waiting().len(), 2);
        table.acknowledge(notice(1).id, Outcome::Expired);
        table.acknowledge(notice(1).id, Outcome::Expired);
        assert_eq!(table.waiting().cloned().collect::<Vec<_>>(), [notice(2)]);
        table.insert(notice(3));
        assert_eq!(table.take(), Some(notice(3)));
        assert!(table.is_known(&notice(1)) && !table.is_known(&notice(4)));
    }

    #[test]
    fn a_full_table_drops_the_oldest_notice() {
        let mut table = NoticeTable::new(Vec::new());
        let most = u64::try_from(NOTICES_MAX).unwrap();
        (0..most).for_each(|n| assert!(!table.insert(notice(n))));
        assert_eq!(table.take(), Some(notice(0)));
        assert!(table.insert(notice(most)));
        assert_eq!((table.take(), table.waiting().len()), (Some(notice(1)), NOTICES_MAX));
        assert_eq!(table.outcome(&notice(0).id), None);
    }
}
