//! Counts the connections of each API key, agent and tenant, and says whose share is used up.
//!
//! The listener has shares by address, before anybody has shown a key. These count from the check
//! of the key to the end of the connection, whether its agent registers or not.

use std::collections::HashMap;
use std::hash::Hash;

use protocol::Did;
use protocol::api_key::KeyId;
use protocol::did::TenantId;
use protocol::quota::{Quota, QuotaName};

use crate::directory::Principal;

/// Connections with one API key of an agent. An agent has one session; the others are connections
/// that a network has lost, which end within a minute, and processes that take over from each
/// other.
const KEY_CONNECTIONS_MAX: u64 = 8;
/// Connections of one agent with all its own keys: those of the old and the new key of a rotation.
const AGENT_CONNECTIONS_MAX: u64 = 16;
/// Share of a tenant's connections that one key of the whole tenant may hold, in percent. The rest
/// is for the tenant's other keys, if this one leaks.
const TENANT_KEY_SHARE_PERCENT: u8 = 75;

/// How many connections there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// Connections of the listener.
    pub connections: usize,
    /// The part of them that the agents of one tenant may hold together.
    pub tenant_share_percent: u8,
}

impl ConnectionLimits {
    /// Connections of all agents of one tenant.
    pub(super) fn of_tenant(self) -> u64 {
        share(self.connections as u64, self.tenant_share_percent)
    }
}

/// The connections that are open.
#[derive(Debug)]
pub(super) struct ConnectionShares {
    limits: ConnectionLimits,
    keys: HashMap<KeyId, u64>,
    agents: HashMap<Did, u64>,
    tenants: HashMap<TenantId, u64>,
}

impl ConnectionShares {
    pub(super) fn new(limits: ConnectionLimits) -> Self {
        Self { limits, keys: HashMap::new(), agents: HashMap::new(), tenants: HashMap::new() }
    }

    /// Counts one more connection.
    ///
    /// # Errors
    /// The share that it would exceed.
    pub(super) fn take(&mut self, who: &Principal) -> Result<(), Quota> {
        self.check(who)?;
        add(&mut self.keys, &who.key_id);
        add(&mut self.tenants, &who.tenant);
        if let Some(agent) = &who.agent {
            add(&mut self.agents, agent);
        }
        Ok(())
    }

    /// A connection that was counted has ended.
    pub(super) fn release(&mut self, who: &Principal) {
        remove(&mut self.keys, &who.key_id);
        remove(&mut self.tenants, &who.tenant);
        if let Some(agent) = &who.agent {
            remove(&mut self.agents, agent);
        }
    }

    fn check(&self, who: &Principal) -> Result<(), Quota> {
        let tenant_max = self.limits.of_tenant();
        let key_max = match who.agent {
            Some(_) => KEY_CONNECTIONS_MAX,
            None => share(tenant_max, TENANT_KEY_SHARE_PERCENT),
        };
        within(QuotaName::KeyConnections, key_max, self.keys.get(&who.key_id))?;
        let of_agent = who.agent.as_ref().and_then(|agent| self.agents.get(agent));
        within(QuotaName::AgentConnections, AGENT_CONNECTIONS_MAX, of_agent)?;
        within(QuotaName::TenantConnections, tenant_max, self.tenants.get(&who.tenant))
    }
}

fn within(name: QuotaName, limit: u64, current: Option<&u64>) -> Result<(), Quota> {
    let current = current.copied().unwrap_or(0);
    if current < limit { Ok(()) } else { Err(Quota::of_default_plan(name, limit, current)) }
}

/// Rounded up, so that a share of a small number is not nothing.
fn share(of: u64, percent: u8) -> u64 {
    of.saturating_mul(percent.into()).div_ceil(100)
}

fn add<K: Hash + Eq + Clone>(counts: &mut HashMap<K, u64>, key: &K) {
    *counts.entry(key.clone()).or_insert(0) += 1;
}

/// Leaves no entry with a count of zero, so that the tables are as large as the connections are
/// many.
fn remove<K: Hash + Eq>(counts: &mut HashMap<K, u64>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use protocol::api_key::KeyHash;

    use super::*;

    fn shares(connections: usize) -> ConnectionShares {
        ConnectionShares::new(ConnectionLimits { connections, tenant_share_percent: 75 })
    }

    fn principal(tenant: &str, agent: Option<&str>, key: &str) -> Principal {
        let tenant: TenantId = tenant.parse().unwrap();
        let domain = "example.com".parse().unwrap();
        let agent = agent.map(|name| Did::new(&domain, &tenant, &name.parse().unwrap()));
        Principal { tenant, agent, key_id: KeyHash::sha256(key).key_id() }
    }

    /// Takes until somebody is refused, and returns how many were taken and the quota.
    fn fill(shares: &mut ConnectionShares, who: &Principal) -> (u64, QuotaName) {
        let mut taken = 0;
        loop {
            match shares.take(who) {
                Ok(()) => taken += 1,
                Err(quota) => return (taken, quota.name),
            }
        }
    }

    #[test]
    fn a_key_an_agent_and_a_tenant_have_their_shares() {
        let mut shares = shares(40);
        let alice = |key| principal("acme", Some("alice"), key);
        assert_eq!(fill(&mut shares, &alice("a")), (8, QuotaName::KeyConnections));
        assert_eq!(fill(&mut shares, &alice("b")), (8, QuotaName::KeyConnections));
        assert_eq!(fill(&mut shares, &alice("c")), (0, QuotaName::AgentConnections));
        // 30 of 40 are the tenant's, and 23 of these one tenant key's.
        assert_eq!(fill(&mut shares, &principal("acme", None, "t")), (14, QuotaName::TenantConnections));
        assert_eq!(fill(&mut shares, &principal("other", None, "o")), (23, QuotaName::KeyConnections));
        assert_eq!(
            fill(&mut shares, &principal("other", Some("bob"), "p")),
            (7, QuotaName::TenantConnections)
        );
    }

    #[test]
    fn a_connection_that_ended_gives_its_place_back_and_leaves_nothing() {
        let mut shares = shares(100);
        let who = principal("acme", Some("alice"), "a");
        assert_eq!(fill(&mut shares, &who).0, 8);
        shares.release(&who);
        assert_eq!(fill(&mut shares, &who).0, 1);
        for _ in 0..8 {
            shares.release(&who);
        }
        assert!(shares.keys.is_empty() && shares.agents.is_empty() && shares.tenants.is_empty());
    }

    #[test]
    fn a_refused_connection_counts_nowhere() {
        let mut shares = shares(100);
        let who = principal("acme", Some("alice"), "a");
        fill(&mut shares, &who);
        let before = shares.tenants.clone();
        assert!(shares.take(&who).is_err());
        assert_eq!(shares.tenants, before);
    }

    #[test]
    fn the_smallest_relay_admits_everybody_once() {
        let mut shares = shares(1);
        assert_eq!(fill(&mut shares, &principal("acme", None, "t")).0, 1);
    }
}
