//! Lists what an attacker can try to take, and as whom.

use std::fmt;

use clap::ValueEnum;
use protocol::quota::QuotaName;

use super::answers::{Answers, CLOSED};

/// What the attacker takes as much of as the relay lets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum AttackedResource {
    /// Opens WebSocket connections with good keys and keeps them.
    Connections,
    /// Opens connections and sends half the head of a request.
    Handshakes,
    /// Registers again and again, each time with a card that is new to the relay.
    Registrations,
    /// Asks for pages of agents with large cards.
    Discovery,
    /// Asks for the record of one agent.
    Lookups,
    /// Sends messages to agents that are away, so that each is written to disk.
    Disk,
    /// Sends large messages to agents that are connected and do not read.
    Memory,
}

/// As whom the attacker comes, and so whose share is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum AttackerScope {
    /// One key of one agent.
    Key,
    /// All keys of one tenant, from many addresses.
    Tenant,
    /// Many keys of several tenants, all from one address.
    Address,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct AttackScenario {
    pub resource: AttackedResource,
    pub scope: AttackerScope,
}

impl AttackScenario {
    /// Every scenario of these resources and scopes. A connection without a whole request has no
    /// key and no tenant, only an address.
    #[must_use]
    pub fn all(resources: &[AttackedResource], scopes: &[AttackerScope]) -> Vec<Self> {
        let pairs = resources.iter().flat_map(|resource| scopes.iter().map(move |scope| (*resource, *scope)));
        let every = pairs.map(|(resource, scope)| Self { resource, scope });
        every
            .filter(|it| it.resource != AttackedResource::Handshakes || it.scope == AttackerScope::Address)
            .collect()
    }

    /// The words of the limits of which the attacker has to meet one.
    #[must_use]
    pub fn limits(self) -> Vec<&'static str> {
        use AttackedResource as Resource;
        use AttackerScope as Scope;
        let quotas: &[QuotaName] = match (self.resource, self.scope) {
            (Resource::Handshakes, _) => return vec![CLOSED],
            (Resource::Connections, Scope::Key) => &[QuotaName::KeyConnections],
            (Resource::Connections, Scope::Tenant) => &[QuotaName::TenantConnections],
            (Resource::Connections, Scope::Address) => &[QuotaName::AddressConnections],
            (Resource::Registrations, Scope::Key) => &[QuotaName::Registrations],
            (Resource::Registrations, _) => &[QuotaName::TenantRegistrations],
            (Resource::Discovery | Resource::Lookups, _) => &[QuotaName::QueriesBurst],
            (Resource::Disk, Scope::Key) => &[QuotaName::SendsBurst],
            // Many agents of a slow relay fill the mailboxes of a tenant before one sends too fast.
            (Resource::Disk, Scope::Tenant) => {
                &[QuotaName::TenantSendsBurst, QuotaName::TenantMailboxMessages]
            }
            (Resource::Disk, Scope::Address) => &[QuotaName::SendsBurst, QuotaName::TenantMailboxMessages],
            (Resource::Memory, Scope::Tenant) => &[QuotaName::TenantMailboxBytes],
            (Resource::Memory, _) => &[QuotaName::MailboxBytes],
        };
        quotas.iter().map(|quota| quota.as_str()).collect()
    }

    /// Whether one of these limits has refused the attacker.
    #[must_use]
    pub fn is_limited(self, answers: &Answers) -> bool {
        self.limits().into_iter().any(|word| answers.refused_by(word) > 0)
    }
}

impl fmt::Display for AttackScenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let resource = match self.resource {
            AttackedResource::Connections => "connections",
            AttackedResource::Handshakes => "half-open handshakes",
            AttackedResource::Registrations => "registrations",
            AttackedResource::Discovery => "discovery",
            AttackedResource::Lookups => "lookups",
            AttackedResource::Disk => "disk",
            AttackedResource::Memory => "memory",
        };
        let scope = match self.scope {
            AttackerScope::Key => "one key",
            AttackerScope::Tenant => "one tenant",
            AttackerScope::Address => "one address",
        };
        write!(f, "{resource} | {scope}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_resource_is_attacked_by_everybody_who_can() {
        let scenarios =
            AttackScenario::all(AttackedResource::value_variants(), AttackerScope::value_variants());
        assert_eq!(scenarios.len(), 6 * 3 + 1);
    }

    #[test]
    fn an_attack_on_the_disk_is_limited_by_a_rate_or_by_full_mailboxes() {
        let disk = AttackScenario { resource: AttackedResource::Disk, scope: AttackerScope::Address };
        let refused = |word: &str| {
            let mut answers = Answers::default();
            answers.refuse(word);
            disk.is_limited(&answers)
        };
        assert!(refused("sends_burst") && refused("tenant_mailbox_messages"));
        assert!(!refused("overloaded") && !refused(CLOSED));
    }
}
