//! Resolves an Agent's references and decides whether the Tenant accepts it. Pure.

use std::sync::Arc;

use crds::condition::Reason;
use crds::{Agent, Relay, Tenant, name};
use kube::Resource as _;
use protocol::did::{AgentName, Domain, TenantId};
use protocol::{Did, multikey};

use crate::claimants::is_older;
use crate::conditions;
use crate::index;
use crate::object_key::NamespacedName;
use crate::refusal::Refusal;
use crate::relay::urls;

/// Everything that the decision about an Agent depends on.
pub(crate) struct AgentSnapshot<'a> {
    pub agent: &'a Agent,
    pub tenant_name: &'a NamespacedName,
    pub tenant: Option<&'a Tenant>,
    pub relay: Option<&'a Relay>,
    pub is_permitted: bool,
    /// Other permitted Agents that claim the same handle.
    pub other_claimants: Vec<Arc<Agent>>,
    /// Number of older permitted Agents of the tenant, if it sets a limit.
    pub older_agents: usize,
    pub cluster_domain: &'a str,
}

/// An accepted Agent with its resolved names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ResolvedAgent {
    pub did: Did,
    pub tenant_id: TenantId,
    /// The handle of the Agent.
    pub name: AgentName,
    pub relay: NamespacedName,
    pub tenant_is_suspended: bool,
    /// Issuer of access tokens, if the Relay sets one. Otherwise it is the URL of the relay's
    /// Service.
    pub issuer: Option<String>,
    /// Accounts of the Tenant's people who may sign in for this agent.
    pub accounts: Vec<String>,
    /// URL of the Relay's MCP gateway, if it has one.
    pub gateway_url: Option<String>,
}

impl ResolvedAgent {
    /// The issuer of the agent's access tokens.
    pub(crate) fn issuer(&self, cluster_domain: &str) -> String {
        let in_cluster = || name::relay_issuer(&self.relay.name, &self.relay.namespace, cluster_domain);
        self.issuer.clone().unwrap_or_else(in_cluster)
    }
}

/// Decides whether an Agent is accepted, and resolves its names.
///
/// # Errors
/// Why it is refused: no consent, a Tenant that is not accepted, a handle that an older Agent
/// holds, the Tenant's limit, or an invalid spec.
pub(crate) fn resolve(snapshot: &AgentSnapshot<'_>) -> Result<ResolvedAgent, Refusal> {
    let tenant = permitted_tenant(snapshot)?;
    let Some(relay) = snapshot.relay.filter(|_| conditions::is_accepted(tenant)) else {
        let message = format!("the Tenant {} is not accepted by its Relay", snapshot.tenant_name);
        return Err(Refusal::new(Reason::TenantNotAccepted, message));
    };
    if let Some(owner) = snapshot.other_claimants.iter().find(|other| is_older(&***other, snapshot.agent)) {
        let handle = format!("the handle {}", index::handle_of(snapshot.agent));
        return Err(Refusal::name_taken(Reason::HandleConflict, &handle, snapshot.agent, owner));
    }
    if let Some(max) = tenant.spec.agents.max.filter(|max| snapshot.older_agents >= *max as usize) {
        let message = format!("the Tenant accepts at most {max} Agents, and that many are older");
        return Err(Refusal::new(Reason::TooManyAgents, message));
    }
    check_root_key(snapshot.agent)?;
    let gateway_url = urls::gateway_url(relay, snapshot.cluster_domain);
    Ok(ResolvedAgent { gateway_url, ..resolve_names(snapshot.agent, tenant, relay)? })
}

fn permitted_tenant<'a>(snapshot: &AgentSnapshot<'a>) -> Result<&'a Tenant, Refusal> {
    let usable =
        snapshot.tenant.filter(|tenant| tenant.meta().deletion_timestamp.is_none() && snapshot.is_permitted);
    usable.ok_or_else(|| {
        let referent = ("Tenant", snapshot.tenant_name);
        Refusal::not_found(Reason::TenantNotFound, snapshot.agent, referent, "spec.agents.allowedFrom")
    })
}

fn check_root_key(agent: &Agent) -> Result<(), Refusal> {
    let Some(external) = &agent.spec.identity.external else { return Ok(()) };
    multikey::decode_ed25519(&external.root_key_multibase).map(drop).map_err(|error| {
        Refusal::new(Reason::InvalidSpec, format!("identity.external.rootKeyMultibase: {error}"))
    })
}

fn resolve_names(agent: &Agent, tenant: &Tenant, relay: &Relay) -> Result<ResolvedAgent, Refusal> {
    fn invalid(what: &str, error: &dyn std::fmt::Display) -> Refusal {
        Refusal::new(Reason::InvalidSpec, format!("{what}: {error}"))
    }
    let tenant_id: TenantId =
        index::tenant_id_of(tenant).parse().map_err(|error| invalid("tenant id", &error))?;
    let name: AgentName = index::handle_of(agent).parse().map_err(|error| invalid("handle", &error))?;
    let domain: Domain = relay.spec.domain.parse().map_err(|error| invalid("domain of the Relay", &error))?;
    let people = tenant.spec.people.iter();
    let accounts = people
        .filter(|person| person.agents.iter().any(|agent| *agent == name.as_str()))
        .map(|person| person.account.clone())
        .collect();
    Ok(ResolvedAgent {
        did: Did::new(&domain, &tenant_id, &name),
        tenant_id,
        name,
        relay: NamespacedName::from_object(relay),
        tenant_is_suspended: tenant.spec.suspend,
        issuer: relay.spec.oauth.issuer.clone(),
        accounts,
        gateway_url: None,
    })
}

#[cfg(test)]
mod tests;
