//! Names the limit that a refused request met, how much it allows, and how much is used.
//!
//! People and models then know what to wait for.

use serde::{Deserialize, Serialize};

use crate::strict_json;

/// A limit that a refused request met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quota {
    #[serde(deserialize_with = "strict_json::unit_enum")]
    pub plan: Plan,
    #[serde(deserialize_with = "strict_json::unit_enum")]
    pub name: QuotaName,
    /// How much is allowed, in the unit of the name.
    pub limit: u64,
    /// How much was used when the request was refused.
    pub current: u64,
}

/// Where the limits come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Plan {
    /// The relay's settings.
    Default,
}

/// The limits that a request can meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QuotaName {
    /// Messages that one agent may send at once. They come back at the relay's rate.
    SendsBurst,
    /// Messages that all agents of a tenant may send at once.
    TenantSendsBurst,
    /// Messages that wait in the recipient's mailbox.
    MailboxMessages,
    /// Bytes of the messages that wait, with the message that was refused.
    MailboxBytes,
}

impl Quota {
    /// A limit of the relay's settings.
    #[must_use]
    pub const fn of_default_plan(name: QuotaName, limit: u64, current: u64) -> Self {
        Self { plan: Plan::Default, name, limit, current }
    }
}
