//! Views for the admin API. The view of one tenant contains nothing of another.

use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use protocol::admin::{KeyView, Page, TenantView};
use protocol::api_key::KeyId;
use protocol::did::{AgentName, TenantId};

use super::Directory;
use super::entry::AgentEntry;
use super::state::Tenant;

/// Number of entries, for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DirectorySize {
    pub version: u64,
    pub tenants: usize,
    pub agents: usize,
    pub keys: usize,
    /// Transactions that were committed since the start.
    pub commits: u64,
}

impl Directory {
    #[must_use]
    pub fn size(&self) -> DirectorySize {
        let state = self.read();
        DirectorySize {
            version: state.version(),
            tenants: state.tenants().len(),
            agents: state.agents_count(),
            keys: state.keys_count(),
            commits: self.commits.load(Ordering::Relaxed),
        }
    }

    #[must_use]
    pub fn tenant_view(&self, tenant: &TenantId) -> Option<TenantView> {
        self.read().tenant(tenant).map(|found| view(tenant, found))
    }

    /// Tenants after `after`, at most `limit`.
    #[must_use]
    pub fn tenant_page(&self, after: Option<&TenantId>, limit: usize) -> Page<TenantView> {
        let state = self.read();
        let rest = state.tenants().range((from(after), Bound::Unbounded));
        page(rest.map(|(tenant, found)| view(tenant, found)), limit, |view| view.tenant.to_string())
    }

    /// Agents of a tenant after the one named `after`. `None` if there is no such tenant.
    #[must_use]
    pub fn agent_page(
        &self,
        tenant: &TenantId,
        after: Option<&AgentName>,
        limit: usize,
    ) -> Option<Page<Arc<AgentEntry>>> {
        let after = after.map(|name| self.did(tenant, name));
        let state = self.read();
        let rest = state.tenant(tenant)?.agents.range((from(after.as_ref()), Bound::Unbounded));
        Some(page(rest.map(|(_, agent)| Arc::clone(agent)), limit, |agent| agent.did.name().to_owned()))
    }

    /// Keys of the tenant itself after `after`. `None` if there is no such tenant.
    #[must_use]
    pub fn key_page(&self, tenant: &TenantId, after: Option<&KeyId>, limit: usize) -> Option<Page<KeyView>> {
        let state = self.read();
        let rest = state.tenant(tenant)?.keys.range((from(after), Bound::Unbounded));
        let views = rest.map(|(id, key)| KeyView { key_id: id.clone(), not_after: key.not_after });
        Some(page(views, limit, |view| view.key_id.to_string()))
    }
}

fn from<T>(after: Option<&T>) -> Bound<&T> {
    after.map_or(Bound::Unbounded, Bound::Excluded)
}

fn view(tenant: &TenantId, found: &Tenant) -> TenantView {
    let agents = u64::try_from(found.live_agents()).unwrap_or(u64::MAX);
    TenantView {
        tenant: tenant.clone(),
        spec: found.spec.clone(),
        agents,
        owner: found.ownership.owner().cloned(),
        digest: Some(found.spec.digest()),
    }
}

fn page<T>(mut rest: impl Iterator<Item = T>, limit: usize, name: impl Fn(&T) -> String) -> Page<T> {
    let items: Vec<_> = rest.by_ref().take(limit).collect();
    let more = rest.next().is_some();
    let next = items.last().filter(|_| more).map(name);
    Page { items, next }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_page_names_no_next_one() {
        let all = page(1..=3, 3, ToString::to_string);
        assert_eq!(all, Page { items: vec![1, 2, 3], next: None });
        let first = page(1..=3, 2, ToString::to_string);
        assert_eq!(first, Page { items: vec![1, 2], next: Some("2".into()) });
    }
}
