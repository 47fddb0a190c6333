//! The state of the directory in memory: plain maps that only [`Edit`]s change. It knows no rule
//! about who may change what.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use protocol::admin::{TenantSpec, Term};
use protocol::api_key::{KeyHash, KeyId};
use protocol::did::TenantId;
use protocol::{Did, UnixSeconds};

use super::edit::Edit;
use super::entry::{AgentEntry, TenantKey};
use super::ownership::Ownership;
#[cfg(test)]
use super::principal::Principal;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct DirectoryState {
    version: u64,
    /// The highest term of a leader of the control plane that has written.
    term: Option<Term>,
    tenants: BTreeMap<TenantId, Tenant>,
    agents: HashMap<Did, Arc<AgentEntry>>,
    /// The agent of each MCP endpoint, by URL.
    resources: HashMap<String, Did>,
    /// The agents whose MCP endpoints list an account, by the account in lower case.
    agents_by_account: HashMap<String, BTreeSet<Did>>,
    keys: HashMap<KeyHash, KeyOwner>,
    ids: HashMap<KeyId, KeyHash>,
    expiries: BTreeSet<(UnixSeconds, KeyHash)>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tenant {
    pub(crate) spec: TenantSpec,
    pub(crate) ownership: Ownership,
    /// Ordered, so that pages have an order.
    pub(crate) agents: BTreeMap<Did, Arc<AgentEntry>>,
    pub(crate) keys: BTreeMap<KeyId, TenantKey>,
    /// How many of the agents were deleted and their content retained.
    released_agents: usize,
}

impl Tenant {
    /// How many agents exist, without those that were deleted and their content retained.
    pub(crate) fn live_agents(&self) -> usize {
        self.agents.len().saturating_sub(self.released_agents)
    }
}

/// The owner of an API key: a tenant, or one agent of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyOwner {
    pub(crate) tenant: TenantId,
    /// `None`: every agent of the tenant.
    pub(crate) agent: Option<Did>,
    pub(crate) not_after: Option<UnixSeconds>,
}

impl DirectoryState {
    pub(crate) fn at_version(version: u64) -> Self {
        Self { version, ..Self::default() }
    }

    /// A state with these tenants, none of them suspended.
    #[cfg(test)]
    pub(crate) fn with_tenants(names: &[&str]) -> Self {
        let mut state = Self::default();
        for name in names {
            let tenant = name.parse().unwrap();
            state.apply(&Edit::PutTenant(tenant, TenantSpec::default(), Ownership::Unrecorded));
        }
        state
    }

    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    pub(crate) fn term(&self) -> Option<Term> {
        self.term
    }

    pub(crate) fn tenants(&self) -> &BTreeMap<TenantId, Tenant> {
        &self.tenants
    }

    pub(crate) fn tenant(&self, tenant: &TenantId) -> Option<&Tenant> {
        self.tenants.get(tenant)
    }

    pub(crate) fn agent(&self, did: &Did) -> Option<&Arc<AgentEntry>> {
        self.agents.get(did)
    }

    /// The agent that has its MCP endpoint at this URL.
    pub(crate) fn resource(&self, url: &str) -> Option<&Arc<AgentEntry>> {
        self.agents.get(self.resources.get(url)?)
    }

    /// Agents whose MCP endpoint lists one of these accounts, ignoring case; callers compare the
    /// case.
    pub(crate) fn agents_naming<'a>(&self, accounts: impl Iterator<Item = &'a str>) -> BTreeSet<Did> {
        let found = accounts.filter_map(|account| self.agents_by_account.get(&account.to_ascii_lowercase()));
        found.flatten().cloned().collect()
    }

    pub(crate) fn agents_count(&self) -> usize {
        self.agents.len()
    }

    pub(crate) fn keys_count(&self) -> usize {
        self.keys.len()
    }

    pub(crate) fn key(&self, hash: &KeyHash) -> Option<&KeyOwner> {
        self.keys.get(hash)
    }

    pub(crate) fn key_by_id(&self, id: &KeyId) -> Option<(&KeyHash, &KeyOwner)> {
        let hash = self.ids.get(id)?;
        self.keys.get(hash).map(|owner| (hash, owner))
    }

    /// The principals of all keys.
    #[cfg(test)]
    pub(crate) fn principals(&self) -> Vec<Principal> {
        let principal = |(hash, owner): (&KeyHash, &KeyOwner)| Principal {
            tenant: owner.tenant.clone(),
            agent: owner.agent.clone(),
            key_id: hash.key_id(),
        };
        self.keys.iter().map(principal).collect()
    }

    /// Keys that expired after `after` and not after `until`.
    pub(crate) fn expired(&self, after: UnixSeconds, until: UnixSeconds) -> Vec<KeyId> {
        let from = (after.saturating_add(1), KeyHash::from_bytes([0; 32]));
        let to = (until, KeyHash::from_bytes([u8::MAX; 32]));
        if from > to {
            return Vec::new();
        }
        self.expiries.range(from..=to).map(|(_, hash)| hash.key_id()).collect()
    }

    /// Makes committed edits visible under the version of the last one.
    pub(crate) fn commit(&mut self, edits: &[Edit], version: u64) {
        edits.iter().for_each(|edit| self.apply(edit));
        self.version = version;
    }

    /// An edit in a tenant that does not exist changes nothing. `decide` never makes such an edit.
    pub(crate) fn apply(&mut self, edit: &Edit) {
        match edit {
            Edit::PutTenant(tenant, spec, ownership) => {
                let entry = self.tenants.entry(tenant.clone()).or_default();
                entry.spec = spec.clone();
                entry.ownership = ownership.clone();
            }
            Edit::RemoveTenant(tenant) => self.remove_tenant(tenant),
            Edit::PutAgent(agent) => self.put_agent(agent),
            Edit::RemoveAgent(did) => self.remove_agent(did),
            Edit::PutKey(tenant, key) => self.put_key(tenant, *key),
            Edit::RemoveKey(tenant, key) => self.remove_key(tenant, key),
            Edit::RaiseTerm(term) => self.term = Some(*term),
        }
    }

    fn remove_tenant(&mut self, tenant: &TenantId) {
        let Some(removed) = self.tenants.remove(tenant) else { return };
        for (did, agent) in &removed.agents {
            self.agents.remove(did);
            self.unindex_agent(agent);
        }
        removed.keys.values().for_each(|key| self.unindex_key(&key.sha256));
    }

    fn put_agent(&mut self, agent: &Arc<AgentEntry>) {
        let Some(tenant) = self.tenants.get_mut(&agent.tenant) else { return };
        tenant.released_agents += usize::from(agent.ownership.is_released());
        if let Some(before) = tenant.agents.insert(agent.did.clone(), Arc::clone(agent)) {
            tenant.released_agents -= usize::from(before.ownership.is_released());
        }
        if let Some(before) = self.agents.insert(agent.did.clone(), Arc::clone(agent)) {
            self.unindex_agent(&before);
        }
        if let Some(mcp) = &agent.mcp {
            self.resources.insert(mcp.url.clone(), agent.did.clone());
            for account in &mcp.accounts {
                self.agents_by_account
                    .entry(account.to_ascii_lowercase())
                    .or_default()
                    .insert(agent.did.clone());
            }
        }
        for key in &agent.keys {
            let owner = KeyOwner {
                tenant: agent.tenant.clone(),
                agent: Some(agent.did.clone()),
                not_after: key.not_after,
            };
            self.index_key(key.sha256, owner);
        }
    }

    fn remove_agent(&mut self, did: &Did) {
        let Some(removed) = self.agents.remove(did) else { return };
        self.unindex_agent(&removed);
        if let Some(tenant) = self.tenants.get_mut(&removed.tenant) {
            tenant.agents.remove(did);
            tenant.released_agents -= usize::from(removed.ownership.is_released());
        }
    }

    fn put_key(&mut self, tenant: &TenantId, key: TenantKey) {
        let Some(holder) = self.tenants.get_mut(tenant) else { return };
        holder.keys.insert(key.id(), key);
        self.unindex_key(&key.sha256);
        self.index_key(
            key.sha256,
            KeyOwner { tenant: tenant.clone(), agent: None, not_after: key.not_after },
        );
    }

    fn remove_key(&mut self, tenant: &TenantId, key: &TenantKey) {
        let Some(holder) = self.tenants.get_mut(tenant) else { return };
        holder.keys.remove(&key.id());
        self.unindex_key(&key.sha256);
    }

    fn index_key(&mut self, hash: KeyHash, owner: KeyOwner) {
        if let Some(not_after) = owner.not_after {
            self.expiries.insert((not_after, hash));
        }
        self.ids.insert(hash.key_id(), hash);
        self.keys.insert(hash, owner);
    }

    /// Removes its keys and its MCP endpoint from the indexes.
    fn unindex_agent(&mut self, agent: &AgentEntry) {
        agent.keys.iter().for_each(|key| self.unindex_key(&key.sha256));
        if let Some(mcp) = &agent.mcp {
            self.resources.remove(&mcp.url);
            mcp.accounts.iter().for_each(|account| self.unindex_account(account, &agent.did));
        }
    }

    fn unindex_account(&mut self, account: &str, agent: &Did) {
        let name = account.to_ascii_lowercase();
        let Some(agents) = self.agents_by_account.get_mut(&name) else { return };
        agents.remove(agent);
        if agents.is_empty() {
            self.agents_by_account.remove(&name);
        }
    }

    fn unindex_key(&mut self, hash: &KeyHash) {
        let Some(owner) = self.keys.remove(hash) else { return };
        self.ids.remove(&hash.key_id());
        if let Some(not_after) = owner.not_after {
            self.expiries.remove(&(not_after, *hash));
        }
    }
}

#[cfg(test)]
mod tests {
    use protocol::admin::McpSpec;

    use super::*;
    use crate::directory::fixtures::{agent_with_keys, did, hash, key, tenant};

    #[test]
    fn a_removed_tenant_leaves_nothing_behind() {
        let mut state = DirectoryState::default();
        let acme = tenant("acme");
        let alice = agent_with_keys("acme", "alice", &[(1, Some(50))]);
        state.apply(&Edit::PutTenant(acme.clone(), TenantSpec::default(), Ownership::Unrecorded));
        state.apply(&Edit::PutKey(acme.clone(), key(2, Some(60))));
        state.apply(&Edit::PutAgent(Arc::clone(&alice)));
        assert_eq!((state.agents_count(), state.keys_count()), (1, 2));
        state.apply(&Edit::RemoveTenant(acme));
        assert_eq!((state.agents_count(), state.keys_count()), (0, 0));
        assert!(state.key_by_id(&hash(1).key_id()).is_none());
        assert!(state.expired(0, 100).is_empty());
    }

    #[test]
    fn a_replaced_agent_keeps_only_its_new_keys() {
        let mut state = DirectoryState::default();
        state.apply(&Edit::PutTenant(tenant("acme"), TenantSpec::default(), Ownership::Unrecorded));
        state.apply(&Edit::PutAgent(agent_with_keys("acme", "alice", &[(1, Some(50)), (2, None)])));
        state.apply(&Edit::PutAgent(agent_with_keys("acme", "alice", &[(2, Some(70)), (3, None)])));
        assert!(state.key(&hash(1)).is_none());
        assert_eq!(state.expired(0, 100), vec![hash(2).key_id()]);
        assert!(state.key(&hash(3)).is_some());
    }

    #[test]
    fn an_account_leads_to_the_agents_that_name_it_now() {
        let mut state = DirectoryState::with_tenants(&["acme"]);
        let named = |state: &DirectoryState, account| state.agents_naming(std::iter::once(account)).len();
        let mut put = |name: &str, accounts: &[&str]| {
            let accounts = accounts.iter().map(ToString::to_string).collect();
            let mcp = McpSpec { url: format!("https://mcp.example/{name}"), accounts, endpoint: None };
            let agent =
                AgentEntry { mcp: Some(Arc::new(mcp)), ..(*agent_with_keys("acme", name, &[])).clone() };
            state.apply(&Edit::PutAgent(Arc::new(agent)));
            (named(&state, "Ann@example.com"), named(&state, "1234"))
        };
        assert_eq!(put("alice", &["ann@Example.com"]), (1, 0));
        assert_eq!(put("bob", &["ann@example.com", "1234"]), (2, 1));
        assert_eq!(put("alice", &[]), (1, 1));
        state.apply(&Edit::RemoveAgent(did("acme", "bob")));
        assert_eq!((named(&state, "ann@example.com"), state.agents_by_account.len()), (0, 0));
    }

    #[test]
    fn a_key_expires_once() {
        let mut state = DirectoryState::default();
        state.apply(&Edit::PutTenant(tenant("acme"), TenantSpec::default(), Ownership::Unrecorded));
        state.apply(&Edit::PutKey(tenant("acme"), key(1, Some(50))));
        assert!(state.expired(0, 49).is_empty());
        assert_eq!(state.expired(49, 50), vec![hash(1).key_id()]);
        assert!(state.expired(50, 51).is_empty());
        assert!(state.expired(51, 50).is_empty());
    }
}
