//! The limits of a relay that its administrator can set.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The limits of a relay. A limit that is not set has the relay's own default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RelayLimits {
    /// Open connections of the public listener. Further ones get HTTP 503. Defaults to 10000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub connections: Option<i32>,
    /// The share of the connections that one client address may hold, in percent. Use 100 if one
    /// proxy carries all clients. Defaults to 75.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub address_share_percent: Option<i32>,
    /// The share of the connections that the agents of one tenant may hold together, in percent.
    /// Use 100 if the relay has one tenant. Defaults to 75.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub tenant_share_percent: Option<i32>,
    /// Tenants of the relay. Defaults to 1000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub tenants: Option<i32>,
    /// Agents of the relay, over all tenants. Defaults to 20000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub agents: Option<i32>,
    /// Messages in the mailbox of one agent. Defaults to 10000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100_000_000))]
    pub mailbox_messages: Option<i32>,
    /// Bytes in the mailbox of one agent. Defaults to 67108864, which is 64 MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_099_511_627_776_i64))]
    pub mailbox_bytes: Option<i64>,
    /// Messages and notices in all mailboxes of a tenant. Defaults to 500000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100_000_000))]
    pub tenant_mailbox_messages: Option<i32>,
    /// Bytes in all mailboxes of a tenant. Defaults to 4294967296, which is 4 GiB. On a volume that
    /// is too small for `relayMailboxBytes` it keeps its proportion to that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_099_511_627_776_i64))]
    pub tenant_mailbox_bytes: Option<i64>,
    /// Messages and notices in all mailboxes of the relay. An eighth is kept for tenants that hold
    /// little. Defaults to 1000000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100_000_000))]
    pub relay_mailbox_messages: Option<i32>,
    /// Bytes in all mailboxes of the relay, but never more than about half of its volume. An eighth
    /// is kept for tenants that hold little. Defaults to 8589934592, which is 8 GiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_099_511_627_776_i64))]
    pub relay_mailbox_bytes: Option<i64>,
    /// Bytes of undelivered messages in memory, for all agents together. Above it senders have to
    /// retry. Defaults to 268435456, which is 256 MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 16_777_216, max = 1_099_511_627_776_i64))]
    pub memory_bytes: Option<i64>,
    /// Messages that an agent may send per second, on average. Defaults to 1000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub sends_per_second: Option<i32>,
    /// Messages that an agent may send in one burst, above the average. Defaults to 2000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub sends_burst: Option<i32>,
    /// Messages that all agents of a tenant together may send per second, on average. Defaults to
    /// 10000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub tenant_sends_per_second: Option<i32>,
    /// Messages that all agents of a tenant together may send in one burst, above the average.
    /// Defaults to 20000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub tenant_sends_burst: Option<i32>,
}

impl RelayLimits {
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}
