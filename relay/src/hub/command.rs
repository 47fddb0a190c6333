//! The commands that one read of a connection contained, ready to be executed under the lock.

use bytes::Bytes;
use protocol::envelope::{Class, Routing};
use protocol::frame::{AckParams, ChallengeResult, LookupResult, RefuseParams};
use protocol::quota::Quota;
use protocol::{Did, Reason};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::core::{RequestId, digest};

/// Bytes of the detail of a refusal: a sentence.
const DETAIL_BYTES_MAX: usize = 256;

#[derive(Debug)]
pub(crate) enum Command<'a> {
    Send {
        id: RequestId,
        routing: Routing<'a>,
        envelope: Bytes,
        /// That of the envelope of a reliable message.
        digest: u64,
    },
    Ack(AckParams),
    RefuseDelivery(RefuseParams),
    Challenged {
        id: RequestId,
        result: ChallengeResult,
    },
    /// The hub fills in `online`.
    Discovered {
        id: RequestId,
        result: PreparedPage,
    },
    /// The hub fills in `online`.
    LookedUp {
        id: RequestId,
        did: Did,
        result: LookupResult,
    },
    Refuse {
        /// `None` if the id could not be read.
        id: Option<RequestId>,
        refusal: RequestRefusal,
    },
}

impl<'a> Command<'a> {
    /// A send whose digest is computed now, before the hub is locked.
    pub(crate) fn send(id: RequestId, routing: Routing<'a>, envelope: Bytes) -> Self {
        let digest = if routing.class == Class::Reliable { digest(&envelope) } else { 0 };
        Self::Send { id, routing, envelope, digest }
    }
}

/// The result of `relay.discover` with its cards as JSON already, because it is written under the
/// lock.
#[derive(Debug, Serialize)]
pub(crate) struct PreparedPage {
    pub(crate) agents: Vec<PreparedAgent>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cursor: Option<Did>,
}

#[derive(Debug, Serialize)]
pub(crate) struct PreparedAgent {
    pub(crate) did: Did,
    pub(crate) card: Box<RawValue>,
    pub(crate) online: bool,
}

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RequestRefusal {
    pub(crate) reason: Reason,
    /// What exactly is wrong, for the programmer of the client.
    pub(crate) detail: Option<Box<str>>,
    /// The limit that the request met.
    pub(crate) quota: Option<Quota>,
    /// When the same request may succeed.
    pub(crate) retry_ms: Option<u64>,
}

impl RequestRefusal {
    pub(crate) fn with_detail(reason: Reason, detail: &str) -> Self {
        // A detail may quote the request.
        let end = detail.floor_char_boundary(DETAIL_BYTES_MAX);
        Self { detail: Some(detail.get(..end).unwrap_or_default().into()), ..reason.into() }
    }

    pub(crate) fn over(reason: Reason, quota: Quota, retry_ms: u64) -> Self {
        Self { quota: Some(quota), retry_ms: Some(retry_ms), ..reason.into() }
    }
}

impl From<Reason> for RequestRefusal {
    fn from(reason: Reason) -> Self {
        Self { reason, detail: None, quota: None, retry_ms: None }
    }
}

#[derive(Debug, Default)]
pub(crate) struct CommandBatch<'a> {
    pub(super) commands: Vec<Command<'a>>,
}

impl<'a> CommandBatch<'a> {
    pub(crate) fn extend(&mut self, command: Option<Command<'a>>) {
        self.commands.extend(command);
    }

    /// Whether the last command answers with a page of agents.
    pub(crate) fn ends_with_page(&self) -> bool {
        matches!(self.commands.last(), Some(Command::Discovered { .. }))
    }
}

impl<'a> From<Command<'a>> for CommandBatch<'a> {
    fn from(command: Command<'a>) -> Self {
        Self { commands: vec![command] }
    }
}
