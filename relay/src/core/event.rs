//! The events that the core reacts to.

use bytes::Bytes;
use protocol::Did;
use protocol::did::TenantId;
use protocol::envelope::{Class, MessageId};
use protocol::refusal::RefusalReason;

use super::{AgentSlot, ConnId, RequestId, RowId};

#[derive(Debug)]
pub enum Event<'a> {
    /// An agent proved its key on a connection.
    Opened(NewSession),
    /// The connection ended, whichever side ended it.
    Closed {
        conn: ConnId,
    },
    Sent(Submission<'a>),
    Acked {
        conn: ConnId,
        epoch: u64,
        seq: u64,
    },
    /// The recipient will never process this one delivery.
    Refused {
        conn: ConnId,
        epoch: u64,
        seq: u64,
        reason: RefusalReason,
    },
    /// Every row up to this one is on disk.
    Stored {
        upto: RowId,
    },
    /// The removal of these rows is on disk.
    Removed {
        rows: Vec<RowId>,
    },
    /// No row up to this one is on disk, except those that were reported stored before.
    StoreFailed {
        upto: RowId,
    },
    /// After a failure the store accepts notices and removals again, and no messages: its disk is
    /// full.
    StoreFull,
    /// The oldest row has waited too long for its commit, which may still come.
    StoreStalled,
    /// The store accepts rows again.
    StoreRecovered,
    /// The page requested by `Effect::LoadPage`. A requested row that is missing here
    /// could not be read, and its message is dropped.
    Loaded {
        agent: AgentSlot,
        epoch: u64,
        page: Vec<(RowId, Bytes)>,
    },
    LoadFailed {
        agent: AgentSlot,
        epoch: u64,
    },
    /// The agent no longer exists. The hub closes its connections.
    AgentRemoved {
        did: &'a str,
    },
    TenantRemoved {
        tenant: &'a TenantId,
    },
    /// Shutdown begins: accept nothing more, and write everything in flight to disk.
    Drain,
    Tick,
}

impl<'a> Event<'a> {
    /// The envelope that this event submits, for [`Effect::Forward`](super::Effect::Forward).
    pub(crate) fn submitted_envelope(&self) -> &'a [u8] {
        match self {
            Self::Sent(submission) => submission.envelope.as_slice(),
            _ => &[],
        }
    }
}

/// A connection whose agent has registered.
#[derive(Debug, Clone)]
pub struct NewSession {
    pub conn: ConnId,
    pub did: Did,
    pub tenant: TenantId,
    pub request: RequestId,
}

/// One `message.send`.
#[derive(Debug)]
pub struct Submission<'a> {
    pub conn: ConnId,
    pub request: RequestId,
    pub to: &'a str,
    pub from: &'a str,
    pub id: MessageId,
    pub class: Class,
    pub ttl: Option<u64>,
    /// The bytes as they arrived, which are also the bytes that are delivered.
    pub envelope: SubmittedEnvelope<'a>,
    /// The [`digest`](super::digest()) of the envelope of a reliable message.
    pub digest: u64,
}

/// The bytes of a submitted envelope.
#[derive(Debug, Clone, Copy)]
pub enum SubmittedEnvelope<'a> {
    /// In the read buffer of the connection. Nothing keeps an ephemeral message.
    Borrowed(&'a [u8]),
    /// Copied before the core was locked, so that the core can keep it without a copy.
    Shared(&'a Bytes),
}

impl<'a> SubmittedEnvelope<'a> {
    pub(crate) fn as_slice(self) -> &'a [u8] {
        match self {
            Self::Borrowed(bytes) => bytes,
            Self::Shared(bytes) => bytes,
        }
    }

    /// The bytes for the core to keep.
    pub(super) fn to_bytes(self) -> Bytes {
        match self {
            Self::Borrowed(bytes) => Bytes::copy_from_slice(bytes),
            Self::Shared(bytes) => bytes.clone(),
        }
    }

    pub(super) fn len(self) -> usize {
        self.as_slice().len()
    }
}

/// Looks up the agents that exist. The core asks once for each recipient and hears of removals
/// through events.
pub trait AgentRegistry {
    /// The tenant of an agent that has a mailbox.
    fn tenant_of(&self, did: &str) -> Option<TenantId>;

    /// Whether the agent may get messages. One that was deleted may not, even if its mailbox was
    /// retained: nobody may ever read it.
    fn accepts_messages(&self, did: &str) -> bool {
        self.tenant_of(did).is_some()
    }
}
