//! Defines one request that writes many agents.

use serde::{Deserialize, Serialize};

use super::{AgentSpec, Applied, Owner, Problem};
use crate::did::{AgentName, TenantId};

/// Agents in one batch. The relay commits them in one transaction, which takes milliseconds.
pub const BATCH_MAX: usize = 256;
/// Bytes of a batch in JSON: [`BATCH_MAX`] agents with the keys and the card of a usual one.
pub const BATCH_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The body of `PUT agents`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentBatch {
    /// At most [`BATCH_MAX`].
    pub items: Vec<AgentWrite>,
}

/// The write of one agent in a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct AgentWrite {
    pub tenant: TenantId,
    pub name: AgentName,
    /// Who writes, as the header [`super::OWNER_HEADER`] of a single write.
    pub owner: Owner,
    /// As the header [`super::FORMER_OWNER_HEADER`] of a single write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub former_owner: Option<Owner>,
    /// As the header [`super::IF_OWNED_HEADER`] of a single write.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub if_owned: bool,
    pub spec: AgentSpec,
}

/// The answer to a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchApplied {
    /// One for each item, in the order of the items.
    pub results: Vec<BatchResult>,
}

/// The result of one write of a batch. A refused one does not hold up the others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum BatchResult {
    Applied(Applied),
    Problem(Problem),
}
