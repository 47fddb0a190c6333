//! What the relay has to do.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use protocol::Reason;
use protocol::close::CloseCode;
use protocol::did::TenantId;
use protocol::envelope::MessageId;
use protocol::frame::{Outcome, SendStatus};
use protocol::quota::Quota;

use super::{AgentKey, ConnId, Kind, RequestId, RowId};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// The answer to a registration.
    Welcome {
        conn: ConnId,
        request: RequestId,
        epoch: u64,
        tenant: TenantId,
        pending: u64,
    },
    Answer {
        conn: ConnId,
        request: RequestId,
        status: SendStatus,
    },
    Refuse {
        conn: ConnId,
        request: RequestId,
        reason: Reason,
        retry_after: Option<Duration>,
        /// The limit that was met, where there is one.
        quota: Option<Quota>,
    },
    Deliver {
        conn: ConnId,
        epoch: u64,
        seq: u64,
        envelope: Bytes,
    },
    /// `seq` 0 needs no acknowledgement and may be left out when the connection is slow.
    Notice {
        conn: ConnId,
        epoch: u64,
        seq: u64,
        id: MessageId,
        to: Arc<str>,
        outcome: Outcome,
        at: u64,
    },
    Close {
        conn: ConnId,
        code: CloseCode,
    },
    Write(Write),
    /// Read these rows, answer with [`super::Event::Loaded`].
    Load {
        agent: AgentKey,
        epoch: u64,
        rows: Vec<RowId>,
    },
    /// A counter for what no other effect shows.
    Count(Tally),
}

/// Things worth counting that leave no other trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tally {
    /// A recipient could not take more and went into backlog.
    Backlog,
    /// A message was sent again and not accepted twice.
    Repeated,
    Expired,
    Dropped,
    /// A row of the mailbox could not be read back.
    Unreadable,
}

/// One change of the store. Changes are committed in the order they come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    Insert(WriteRow),
    /// The row left the mailbox; it is remembered until it is forgotten.
    Remove {
        row: RowId,
    },
    /// Delete rows that left the mailbox and were accepted before this Unix second.
    Forget {
        accepted_before: u64,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteRow {
    pub row: RowId,
    pub recipient: Arc<str>,
    /// Who sent the message; for a notice, the agent it is about.
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

impl WriteRow {
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match &self.content {
            WriteContent::Message(_) => Kind::Message,
            WriteContent::Notice(outcome) => Kind::Notice(*outcome),
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
