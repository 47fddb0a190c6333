//! Lists of what a model relay holds.

use protocol::Did;
use protocol::admin::{AgentView, KeyView, Page, TenantView};
use protocol::did::{AgentName, TenantId};

use super::relay_volume::{AgentRecord, RelayVolume, TenantRecord};

impl RelayVolume {
    pub(crate) fn tenant_page(&self, after: Option<&str>, size: usize) -> Page<TenantView> {
        let later = self.tenants.iter().filter(|(id, _)| after.is_none_or(|after| id.as_str() > after));
        let mut items: Vec<TenantView> =
            later.take(size + 1).map(|(id, tenant)| tenant_view(id, tenant)).collect();
        let next = cut(&mut items, size).then(|| items[size - 1].tenant.to_string());
        Page { items, next }
    }

    /// `None` without such a tenant.
    pub(crate) fn agent_page(
        &self,
        domain: &str,
        id: &TenantId,
        after: Option<&str>,
        size: usize,
    ) -> Option<Page<AgentView>> {
        let tenant = self.tenants.get(id)?;
        let later = tenant.agents.iter().filter(|(name, _)| after.is_none_or(|after| name.as_str() > after));
        let mut items: Vec<AgentView> =
            later.take(size + 1).map(|(name, agent)| agent_view(domain, id, name, agent)).collect();
        let next = cut(&mut items, size).then(|| items[size - 1].did.name().to_string());
        Some(Page { items, next })
    }
}

/// Cuts a list to one page. Returns whether there is more.
fn cut<T>(items: &mut Vec<T>, size: usize) -> bool {
    let has_more = items.len() > size;
    items.truncate(size);
    has_more
}

fn tenant_view(id: &TenantId, tenant: &TenantRecord) -> TenantView {
    TenantView {
        tenant: id.clone(),
        spec: tenant.spec.clone(),
        agents: tenant.agents.len() as u64,
        owner: tenant.owner.clone(),
        digest: Some(tenant.spec.digest()),
    }
}

fn agent_view(domain: &str, tenant: &TenantId, name: &AgentName, agent: &AgentRecord) -> AgentView {
    let key =
        |key: &protocol::admin::AgentKey| KeyView { key_id: key.sha256.key_id(), not_after: key.not_after };
    AgentView {
        did: Did::new(&domain.parse().unwrap(), tenant, name),
        root_key: agent.spec.root_key.clone(),
        card: agent.spec.card.clone(),
        suspended: agent.spec.suspended,
        keys: agent.spec.keys.iter().map(key).collect(),
        registered: false,
        online: false,
        pending: 0,
        owner: agent.owner.clone(),
        digest: Some(agent.spec.digest()),
        deletion_policy: agent.spec.deletion_policy,
    }
}
