//! A mailbox row as the store writes it and reads it back.

use std::sync::Arc;

use bytes::Bytes;
use protocol::Did;
use protocol::envelope::MessageId;
use protocol::frame::Outcome;
use protocol::refusal::RefusalReason;

/// Number of a mailbox row. It counts up over the whole life of the store, and the order of rows
/// is the order of messages.
pub type RowId = u64;

/// What a mailbox row holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowKind {
    Message,
    Notice {
        outcome: Outcome,
        /// Why the recipient refused the message.
        reason: Option<RefusalReason>,
    },
}

/// What became of a row of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowState {
    /// It is in the mailbox.
    Waiting,
    /// Its message left the mailbox with this outcome and is remembered for repetitions.
    Left(Outcome),
}

/// One change of the store. Changes are committed in the order in which they are pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    Insert(WriteRow),
    /// The row left the mailbox with this outcome, which stays in the store with the message's id
    /// until [`Write::Forget`], so that a repetition is answered rightly. Without an outcome
    /// nothing of the row is kept. The row may be unknown: its insertion may have failed.
    Remove {
        row: RowId,
        outcome: Option<Outcome>,
    },
    /// Delete the rows that left the mailbox and were accepted before this Unix second.
    Forget {
        accepted_before: u64,
    },
}

impl Write {
    /// The message that leaves its mailbox with this write because the write is the notice of its
    /// end.
    pub(crate) const fn ended_by_notice(&self) -> Option<RowId> {
        match self {
            Self::Insert(WriteRow { content: WriteContent::Notice { ends, .. }, .. }) => *ends,
            Self::Insert(_) | Self::Remove { .. } | Self::Forget { .. } => None,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteRow {
    pub row: RowId,
    pub recipient: Arc<str>,
    /// The sender of a message, or the agent that a notice is about.
    pub peer: Arc<str>,
    pub id: MessageId,
    pub digest: u64,
    pub accepted: u64,
    pub expires: u64,
    pub content: WriteContent,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WriteContent {
    Message(Bytes),
    Notice {
        outcome: Outcome,
        reason: Option<RefusalReason>,
        /// The row of the message that the notice is about. It leaves the mailbox with this outcome
        /// in the same transaction.
        ends: Option<RowId>,
    },
}

/// A row that the store holds at startup. Rows are restored in their order.
#[derive(Debug, Clone)]
pub struct RestoredRow {
    pub row: RowId,
    /// The agent whose mailbox holds the row.
    pub recipient: Did,
    /// The sender of a message, or the agent that a notice is about.
    pub peer: Did,
    pub id: MessageId,
    pub digest: u64,
    pub kind: RowKind,
    pub size: u32,
    /// Unix seconds.
    pub accepted: u64,
    /// Unix seconds.
    pub expires: u64,
    pub state: RowState,
}

impl WriteRow {
    #[must_use]
    pub const fn kind(&self) -> RowKind {
        match &self.content {
            WriteContent::Message(_) => RowKind::Message,
            WriteContent::Notice { outcome, reason, .. } => {
                RowKind::Notice { outcome: *outcome, reason: *reason }
            }
        }
    }

    #[must_use]
    pub const fn size(&self) -> usize {
        match &self.content {
            WriteContent::Message(bytes) => bytes.len(),
            WriteContent::Notice { .. } => 0,
        }
    }
}
