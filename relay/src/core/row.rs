//! A mailbox row as the store writes it and reads it back.

use std::sync::Arc;

use bytes::Bytes;
use protocol::Did;
use protocol::envelope::MessageId;
use protocol::frame::Outcome;

/// Number of a mailbox row. It counts up over the whole life of the store, and the order of rows
/// is the order of messages.
pub type RowId = u64;

/// What a mailbox row holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowKind {
    Message,
    Notice(Outcome),
}

/// One change of the store. Changes are committed in the order in which they are pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    Insert(WriteRow),
    /// The row left the mailbox. Its message id stays in the store until [`Write::Forget`], so
    /// that a repetition is recognized.
    Remove {
        row: RowId,
    },
    /// Delete the rows that left the mailbox and were accepted before this Unix second.
    Forget {
        accepted_before: u64,
    },
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
    Notice(Outcome),
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
    /// False for a row that only serves to recognize a repetition.
    pub waiting: bool,
}

impl WriteRow {
    #[must_use]
    pub const fn kind(&self) -> RowKind {
        match &self.content {
            WriteContent::Message(_) => RowKind::Message,
            WriteContent::Notice(outcome) => RowKind::Notice(*outcome),
        }
    }

    #[must_use]
    pub const fn size(&self) -> usize {
        match &self.content {
            WriteContent::Message(bytes) => bytes.len(),
            WriteContent::Notice(_) => 0,
        }
    }
}
