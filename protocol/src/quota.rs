//! Names the limit that a refused request met, how much it allows, and how much is used.
//!
//! People and models then know what to wait for.

use serde::{Deserialize, Deserializer, Serialize};

use crate::strict_json;

/// A limit that a refused request met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quota {
    #[serde(deserialize_with = "strict_json::unit_enum")]
    pub plan: Plan,
    #[serde(deserialize_with = "strict_json::unit_enum")]
    pub name: QuotaName,
    /// How much is allowed, in the unit of the name.
    pub limit: u64,
    /// How much was used when the request was refused, without the request itself.
    pub current: u64,
}

/// Where the limits come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Plan {
    /// The relay's settings.
    Default,
}

macro_rules! quota_names {
    ($($name:ident = $word:literal, $meaning:literal;)*) => {
        /// The limits that a request can meet.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        pub enum QuotaName {
            $(#[doc = $meaning] #[serde(rename = $word)] $name,)*
        }

        impl QuotaName {
            /// Every name.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The name on the wire.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }

            /// What is counted, in one sentence.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$name => $meaning,)* }
            }
        }
    };
}

quota_names! {
    SendsBurst = "sends_burst", "Messages that one agent may send at once. They come back at the relay's rate.";
    TenantSendsBurst = "tenant_sends_burst", "Messages that all agents of a tenant may send at once.";
    QueriesBurst = "queries_burst", "Requests other than sends that one connection may make at once.";
    Registrations = "registrations", "Registrations of one agent with a new record within a minute.";
    TenantRegistrations = "tenant_registrations", "Registrations of all agents of a tenant with a new record within a minute.";
    UnansweredSends = "unanswered_sends", "Sends of one agent that wait for their answer.";
    MailboxMessages = "mailbox_messages", "Messages that wait in the recipient's mailbox.";
    MailboxBytes = "mailbox_bytes", "Bytes of the messages that wait in the recipient's mailbox.";
    TenantMailboxMessages = "tenant_mailbox_messages", "Messages that wait in all mailboxes of the tenant.";
    TenantMailboxBytes = "tenant_mailbox_bytes", "Bytes of the messages that wait in all mailboxes of the tenant.";
    RelayMailboxMessages = "relay_mailbox_messages", "Messages that wait in all mailboxes of the relay.";
    RelayMailboxBytes = "relay_mailbox_bytes", "Bytes of the messages that wait in all mailboxes of the relay.";
    MemoryBytes = "memory_bytes", "Bytes of messages that the relay holds in memory for its agents.";
    DedupEntries = "dedup_entries", "Ids of messages that the relay remembers for one sender.";
    KeyConnections = "key_connections", "Connections with one API key.";
    AgentConnections = "agent_connections", "Connections of one agent.";
    TenantConnections = "tenant_connections", "Connections of all agents of a tenant.";
    AddressConnections = "address_connections", "Connections from one network address.";
    ListenerConnections = "listener_connections", "Connections of all clients.";
    TenantAgents = "tenant_agents", "Agents of a tenant.";
    RelayAgents = "relay_agents", "Agents of the relay, over all tenants.";
    RelayTenants = "relay_tenants", "Tenants of the relay.";
}

/// Reads a quota, or nothing if a newer relay has a name that this version does not know.
pub(crate) fn known<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Quota>, D::Error> {
    let quota = strict_json::value(from)?;
    Ok(serde_json::from_value(quota).ok())
}

impl Quota {
    /// A limit of the relay's settings.
    #[must_use]
    pub const fn of_default_plan(name: QuotaName, limit: u64, current: u64) -> Self {
        Self { plan: Plan::Default, name, limit, current }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_spelled_as_on_the_wire() {
        for name in QuotaName::ALL {
            assert_eq!(serde_json::to_value(name).unwrap(), name.as_str());
        }
    }
}
