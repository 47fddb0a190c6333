//! What happens to the relay.

use std::fmt;

use bytes::Bytes;
use protocol::Did;
use protocol::did::TenantId;
use protocol::envelope::{Class, MessageId};

use super::{AgentKey, Kind, RowId};

/// Number of a connection. Never used twice by one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnId(pub u64);

/// The id of a JSON-RPC request as it has to be echoed.
#[derive(Clone, PartialEq, Eq)]
pub enum RequestId {
    Number(u64),
    /// Any other JSON, quotes included.
    Json(Box<str>),
}

impl RequestId {
    #[must_use]
    pub fn from_json(json: &str) -> Self {
        let canonical = json == "0" || !json.starts_with('0');
        match json.parse() {
            Ok(number) if canonical => Self::Number(number),
            _ => Self::Json(json.into()),
        }
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Json(json) => f.write_str(json),
        }
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[derive(Debug)]
pub enum Event<'a> {
    /// An agent proved its key on a connection.
    Opened(Opened),
    /// The connection ended, whoever ended it.
    Closed {
        conn: ConnId,
    },
    Sent(Submission<'a>),
    Acked {
        conn: ConnId,
        epoch: u64,
        seq: u64,
    },
    /// Every row up to this one is on the disk.
    Stored {
        upto: RowId,
    },
    /// Every row up to this one that was not reported stored is not on the disk.
    StoreFailed {
        upto: RowId,
    },
    /// The store takes rows again.
    StoreRecovered,
    /// The page asked for by [`super::Effect::Load`]. A row that is not in it could not be read and is given up.
    Loaded {
        agent: AgentKey,
        epoch: u64,
        page: Vec<(RowId, Bytes)>,
    },
    LoadFailed {
        agent: AgentKey,
        epoch: u64,
    },
    /// The agent no longer exists. Its connections are closed by the hub.
    Removed {
        did: &'a str,
    },
    TenantRemoved {
        tenant: &'a TenantId,
    },
    /// From now on nothing is accepted, and everything in flight goes to the disk.
    Drain,
    Tick,
}

#[derive(Debug, Clone)]
pub struct Opened {
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
    /// The bytes that arrived and will be delivered.
    pub envelope: &'a Bytes,
}

/// Who exists. Asked once for each recipient; changes come as events.
pub trait KnownAgents {
    fn tenant_of(&self, did: &str) -> Option<TenantId>;
}

/// A row found in the store at start, in the order of rows.
#[derive(Debug, Clone)]
pub struct RestoredRow {
    pub row: RowId,
    /// Whose mailbox it is in.
    pub recipient: Did,
    /// Who sent the message; for a notice, the agent it is about.
    pub peer: Did,
    pub id: MessageId,
    pub digest: u64,
    pub kind: Kind,
    pub size: u32,
    /// Unix seconds.
    pub accepted: u64,
    /// Unix seconds.
    pub expires: u64,
    /// False: only remembered, so that it is not accepted twice.
    pub waiting: bool,
}
