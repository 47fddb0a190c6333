//! Identifiers of connections, requests and agents inside the core.

use std::fmt;

/// Number of a connection. One process never uses it twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnId(pub u64);

/// Position of an agent in the agent table. The generation keeps a removed agent's slot from
/// being mistaken for that of its successor.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AgentSlot {
    pub(super) index: u32,
    pub(super) generation: u32,
}

/// The id of a JSON-RPC request, as the answer has to echo it.
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
