//! The actions that the core asks its caller to carry out.

use std::sync::Arc;

use bytes::Bytes;
use protocol::close::CloseCode;
use protocol::did::TenantId;
use protocol::envelope::{Class, MessageId};
use protocol::frame::{Outcome, SendStatus};
use protocol::refusal::RefusalReason;

use super::{AgentSlot, ConnId, RequestId, RowId, SendError, Write};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Answer a registration.
    Registered {
        conn: ConnId,
        request: RequestId,
        epoch: u64,
        tenant: TenantId,
        pending: u64,
    },
    /// Answer a send that was accepted.
    Answer {
        conn: ConnId,
        request: RequestId,
        status: SendStatus,
    },
    /// Answer a request with an error.
    Refuse {
        conn: ConnId,
        request: RequestId,
        error: Box<SendError>,
    },
    Deliver {
        conn: ConnId,
        epoch: u64,
        seq: u64,
        envelope: Bytes,
    },
    /// Deliver the envelope that was submitted with the event of this step. It is not kept.
    Forward {
        conn: ConnId,
        epoch: u64,
        seq: u64,
    },
    /// A notice with `seq` 0 needs no acknowledgement, and a slow connection may skip it.
    Notice {
        conn: ConnId,
        epoch: u64,
        seq: u64,
        id: MessageId,
        to: Arc<str>,
        outcome: Outcome,
        /// Why the recipient refused the message.
        reason: Option<RefusalReason>,
        at: u64,
        /// Notices that were dropped before this one.
        missed: u64,
    },
    Close {
        conn: ConnId,
        code: CloseCode,
    },
    Write(Write),
    /// Read these rows and answer with `Event::Loaded`.
    LoadPage {
        agent: AgentSlot,
        epoch: u64,
        rows: Vec<RowId>,
    },
    /// Meter accepted sends.
    Metered(MeterEvent),
    /// Count an event that causes no other effect.
    Count(Counter),
}

/// The accepted sends of one agent and class since they were told last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeterEvent {
    pub tenant: TenantId,
    pub agent: Arc<str>,
    pub class: Class,
    pub messages: u64,
    /// Bytes of the envelopes.
    pub bytes: u64,
}

impl Effect {
    pub(super) fn refusal(conn: ConnId, request: RequestId, error: SendError) -> Self {
        Self::Refuse { conn, request, error: Box::new(error) }
    }
}

#[cfg(test)]
impl Effect {
    /// A forwarded envelope as a delivery, because both are the same to a recipient.
    pub(crate) fn with_envelope(self, submitted: &[u8]) -> Self {
        match self {
            Self::Forward { conn, epoch, seq } => {
                Self::Deliver { conn, epoch, seq, envelope: Bytes::copy_from_slice(submitted) }
            }
            other => other,
        }
    }
}

/// Events that are counted because no other effect shows them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counter {
    /// A recipient's window was full, and the recipient went into backlog.
    Backlog,
    /// A message was sent again and not accepted a second time.
    Repeated,
    Expired,
    Dropped,
    /// A row of the mailbox could not be read back.
    Unreadable,
    /// The wall clock was set while the relay ran. Nothing ends earlier or later because of it.
    ClockStepped,
}
