//! The commands that one read of a connection contained, ready to be executed under the lock.

use bytes::Bytes;
use protocol::envelope::{Class, Routing};
use protocol::frame::{AckParams, ChallengeResult, LookupResult, RefuseParams};
use protocol::quota::Quota;
use protocol::{Did, Reason};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::core::{RequestId, SubmittedEnvelope, digest};

/// Bytes of the detail of a refusal: a sentence.
const DETAIL_BYTES_MAX: usize = 256;

#[derive(Debug)]
pub(crate) enum Command<'a> {
    Send {
        id: RequestId,
        routing: Routing<'a>,
        envelope: ReadEnvelope<'a>,
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
    /// A send whose envelope is copied and digested now, before the hub is locked, if the core may
    /// keep it.
    pub(crate) fn send(id: RequestId, routing: Routing<'a>, envelope: &'a str) -> Self {
        let envelope = envelope.as_bytes();
        let (envelope, digest) = match routing.class {
            Class::Ephemeral => (ReadEnvelope::Borrowed(envelope), 0),
            Class::Reliable => (ReadEnvelope::Copied(Bytes::copy_from_slice(envelope)), digest(envelope)),
        };
        Self::Send { id, routing, envelope, digest }
    }
}

/// An envelope that was read, before the hub is locked.
#[derive(Debug)]
pub(crate) enum ReadEnvelope<'a> {
    /// Of an ephemeral message.
    Borrowed(&'a [u8]),
    /// Of a reliable message, which the core may keep.
    Copied(Bytes),
}

impl ReadEnvelope<'_> {
    pub(super) fn submitted(&self) -> SubmittedEnvelope<'_> {
        match self {
            Self::Borrowed(bytes) => SubmittedEnvelope::Borrowed(bytes),
            Self::Copied(bytes) => SubmittedEnvelope::Shared(bytes),
        }
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
