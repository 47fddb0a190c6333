//! Counts of messages within one hold of the hub's lock. The metrics get their sums after it, so
//! that a message costs no atomic operation.

use protocol::frame::SendStatus;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct MessageCounts {
    pub(super) submitted: CountedMessages,
    pub(super) delivered: CountedMessages,
    /// In the order of [`SendStatus::ALL`].
    pub(super) answers: [u64; SendStatus::ALL.len()],
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct CountedMessages {
    pub(super) messages: u64,
    pub(super) bytes: u64,
}

impl CountedMessages {
    pub(super) const fn add(&mut self, size: usize) {
        self.messages += 1;
        self.bytes += size as u64;
    }
}

impl MessageCounts {
    pub(super) fn answered(&mut self, status: SendStatus) {
        let counted = SendStatus::ALL.iter().zip(&mut self.answers).find(|(known, _)| **known == status);
        if let Some((_, count)) = counted {
            *count += 1;
        }
    }
}
