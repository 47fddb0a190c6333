//! Which limit a refusal is about, so that people and models need not guess: whose limits these are, which one, how much it allows and
//! how much is used.

use serde::{Deserialize, Serialize};

use crate::strict_json;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quota {
    #[serde(deserialize_with = "strict_json::unit_enum")]
    pub plan: Plan,
    #[serde(deserialize_with = "strict_json::unit_enum")]
    pub name: QuotaName,
    /// In the unit of the name.
    pub limit: u64,
    /// Used when the refusal was made.
    pub current: u64,
}

/// Whose limits apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Plan {
    /// Those of the relay's settings.
    Default,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QuotaName {
    /// Sends of this agent at once; they come back at the relay's rate.
    SendsBurst,
    /// The same of all agents of the tenant.
    TenantSendsBurst,
    /// Messages that wait for the recipient.
    MailboxMessages,
    /// Their bytes, with the message that was refused.
    MailboxBytes,
}

impl Quota {
    #[must_use]
    pub const fn of_default_plan(name: QuotaName, limit: u64, current: u64) -> Self {
        Self { plan: Plan::Default, name, limit, current }
    }
}
