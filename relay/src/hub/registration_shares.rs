//! Counts the registrations that change a record, by agent and tenant, and says when one is too
//! many.
//!
//! Each of them is a commit of the directory, which everybody shares. A registration with the
//! record that is on file costs nothing and is not counted.

use std::collections::HashMap;

use protocol::did::TenantId;
use protocol::quota::{Quota, QuotaName};
use protocol::{Did, Reason};

use super::{Hub, RequestRefusal};
use crate::poison::exit_if_poisoned;

/// Registrations of one agent with a new record within a minute. A script that starts a client for
/// each message makes a new record each time, and gets two messages a second out.
const AGENT_REGISTRATIONS_MAX: u64 = 120;
/// Milliseconds after which the counts start again.
const WINDOW_INTERVAL_MS: u64 = 60_000;

/// The registrations of the present minute.
#[derive(Debug)]
pub(super) struct RegistrationShares {
    tenant_max: u64,
    minute: u64,
    agents: HashMap<Did, u64>,
    tenants: HashMap<TenantId, u64>,
}

/// The share that is used up, and when there is room again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct UsedUp {
    pub(super) quota: Quota,
    pub(super) retry_ms: u64,
}

impl RegistrationShares {
    /// Each connection that a tenant may have can register once a minute, as after a restart of the
    /// relay or an update of all agents.
    pub(super) fn new(connections_of_tenant: u64) -> Self {
        Self {
            tenant_max: connections_of_tenant.max(AGENT_REGISTRATIONS_MAX),
            minute: 0,
            agents: HashMap::new(),
            tenants: HashMap::new(),
        }
    }

    /// Counts one registration. Refused ones are not counted, so the tables have at most as many
    /// entries as registrations were taken in a minute.
    pub(super) fn take(&mut self, did: &Did, now_ms: u64) -> Result<(), UsedUp> {
        let minute = now_ms / WINDOW_INTERVAL_MS;
        if minute != self.minute {
            self.minute = minute;
            self.agents.clear();
            self.tenants.clear();
        }
        let retry_ms = WINDOW_INTERVAL_MS - now_ms % WINDOW_INTERVAL_MS;
        let tenant = did.tenant();
        let of_agent = self.agents.get(did).copied().unwrap_or(0);
        let of_tenant = self.tenants.get(&tenant).copied().unwrap_or(0);
        let shares = [
            (QuotaName::Registrations, AGENT_REGISTRATIONS_MAX, of_agent),
            (QuotaName::TenantRegistrations, self.tenant_max, of_tenant),
        ];
        if let Some((name, limit, current)) = shares.into_iter().find(|(_, limit, current)| current >= limit)
        {
            return Err(UsedUp { quota: Quota::of_default_plan(name, limit, current), retry_ms });
        }
        self.agents.insert(did.clone(), of_agent + 1);
        self.tenants.insert(tenant, of_tenant + 1);
        Ok(())
    }
}

impl Hub {
    /// Counts a registration that changes the agent's record.
    ///
    /// # Errors
    /// The agent or its tenant registers too often.
    pub(crate) fn take_registration(&self, did: &Did) -> Result<(), RequestRefusal> {
        let mut shares = exit_if_poisoned(self.registration_shares.lock(), "the table of registrations");
        shares
            .take(did, self.now_ms())
            .map_err(|UsedUp { quota, retry_ms }| RequestRefusal::over(Reason::RateLimited, quota, retry_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn did(tenant: &str, name: &str) -> Did {
        let domain = "example.com".parse().unwrap();
        Did::new(&domain, &tenant.parse().unwrap(), &name.parse().unwrap())
    }

    #[test]
    fn an_agent_that_registers_too_often_waits_for_the_next_minute_and_others_do_not() {
        let mut shares = RegistrationShares::new(1_000);
        let (alice, bob) = (did("acme", "alice"), did("acme", "bob"));
        for _ in 0..AGENT_REGISTRATIONS_MAX {
            assert_eq!(shares.take(&alice, 59_000), Ok(()));
        }
        let refused = shares.take(&alice, 59_000).unwrap_err();
        assert_eq!((refused.quota.name, refused.retry_ms), (QuotaName::Registrations, 1_000));
        assert_eq!(refused.quota.current, AGENT_REGISTRATIONS_MAX);
        assert_eq!(shares.take(&bob, 59_000), Ok(()));
        assert_eq!(shares.take(&alice, 60_000), Ok(()));
    }

    #[test]
    fn the_agents_of_a_tenant_have_a_share_together() {
        let mut shares = RegistrationShares::new(150);
        for number in 0..150 {
            assert_eq!(shares.take(&did("acme", &format!("agent-{number}")), 0), Ok(()));
        }
        let refused = shares.take(&did("acme", "one-more"), 0).unwrap_err();
        assert_eq!(refused.quota.name, QuotaName::TenantRegistrations);
        assert_eq!(shares.agents.len(), 150, "a refused one is not counted");
        assert_eq!(shares.take(&did("other", "carol"), 0), Ok(()));
    }
}
