//! Resolves an Agent's references and decides whether the Tenant accepts it. Pure.

use std::sync::Arc;

use crds::condition::Reason;
use crds::{Agent, Relay, Tenant, name};
use kube::{Resource as _, ResourceExt as _};
use protocol::admin::Owner;
use protocol::did::{AgentName, Domain, TenantId};
use protocol::{Did, multikey};

use super::public_host;
use crate::claimants::{self, Claim, RecordedOwner};
use crate::index;
use crate::object_key::NamespacedName;
use crate::observed::Observed;
use crate::refusal::Refusal;
use crate::relay::urls;

/// Everything that the decision about an Agent depends on.
pub(crate) struct AgentSnapshot<'a> {
    pub agent: &'a Agent,
    pub tenant_name: &'a NamespacedName,
    pub tenant: Option<&'a Tenant>,
    pub relay: Option<&'a Relay>,
    pub is_permitted: bool,
    /// Whether the Tenant itself is accepted.
    pub tenant_is_accepted: Observed<bool>,
    /// Other permitted Agents that claim the same handle.
    pub other_claimants: Vec<Arc<Agent>>,
    /// The owner of the handle, as the relay records it.
    pub recorded: RecordedOwner,
    /// Number of permitted Agents of the tenant that come before this one, if it sets a limit.
    pub earlier_agents: Observed<usize>,
    pub cluster_domain: &'a str,
}

/// An accepted Agent with its resolved names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ResolvedAgent {
    pub did: Did,
    pub tenant_id: TenantId,
    /// The uid of the Tenant, which owns the tenant at the relay.
    pub tenant_uid: String,
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
    /// Whether the Relay grants the host of `mcp.publicURL` to this agent. True without one.
    pub public_host_is_granted: bool,
    /// The owner from which this Agent takes the handle over at the relay.
    pub former_owner: Option<Owner>,
}

impl ResolvedAgent {
    /// The issuer of the agent's access tokens.
    pub(crate) fn issuer(&self, cluster_domain: &str) -> String {
        let in_cluster = || name::relay_issuer(&self.relay.name, &self.relay.namespace, cluster_domain);
        self.issuer.clone().unwrap_or_else(in_cluster)
    }
}

/// Decides whether an Agent is accepted, and resolves its names. Unknown while that depends on a
/// record of the relay that is not known.
///
/// # Errors
/// Why it is refused: no consent, a Tenant that is not accepted, a handle that another Agent holds,
/// the Tenant's limit, another DID than before, or an invalid spec.
pub(crate) fn resolve(snapshot: &AgentSnapshot<'_>) -> Result<Observed<ResolvedAgent>, Refusal> {
    let tenant = permitted_tenant(snapshot)?;
    let Observed::Known(tenant_is_accepted) = snapshot.tenant_is_accepted else {
        return Ok(Observed::Unknown);
    };
    let Some(relay) = snapshot.relay.filter(|_| tenant_is_accepted) else {
        let message = format!("the Tenant {} is not accepted by its Relay", snapshot.tenant_name);
        return Err(Refusal::new(Reason::TenantNotAccepted, message));
    };
    let former_owner = match claimants::decide(snapshot.agent, &snapshot.other_claimants, &snapshot.recorded)
    {
        Claim::Held { former_owner } => former_owner,
        Claim::Undecided => return Ok(Observed::Unknown),
        Claim::HeldBy(holder) => {
            let handle = format!("the handle {}", index::handle_of(snapshot.agent));
            return Err(Refusal::name_taken(Reason::HandleConflict, &handle, snapshot.agent, &*holder));
        }
    };
    if let Some(max) = tenant.spec.agents.max {
        let Observed::Known(earlier) = snapshot.earlier_agents else { return Ok(Observed::Unknown) };
        if earlier >= max as usize {
            let message = format!("the Tenant accepts at most {max} Agents, and that many came before");
            return Err(Refusal::new(Reason::TooManyAgents, message));
        }
    }
    check_root_key(snapshot.agent)?;
    let gateway_url = urls::gateway_url(relay, snapshot.cluster_domain);
    let resolved = resolve_names(snapshot.agent, tenant, relay)?;
    let public_host_is_granted = public_host_is_granted(snapshot.agent, relay, &resolved);
    check_did(snapshot.agent, &resolved.did)?;
    Ok(Observed::Known(ResolvedAgent { gateway_url, public_host_is_granted, former_owner, ..resolved }))
}

fn public_host_is_granted(agent: &Agent, relay: &Relay, resolved: &ResolvedAgent) -> bool {
    let url = agent.spec.mcp.public_url.as_ref();
    url.is_none_or(|url| public_host::is_granted(relay, url.host(), &resolved.tenant_id, &resolved.name))
}

/// Refuses a reference that was moved to where the agent would get another DID. The status records
/// the DID, and no author of an Agent can write it.
fn check_did(agent: &Agent, did: &Did) -> Result<(), Refusal> {
    let recorded = agent.status.as_ref().and_then(|status| status.did.as_deref());
    match recorded.filter(|recorded| *recorded != did.as_str()) {
        Some(recorded) => {
            let message = format!(
                "this Agent is {recorded} and would become {did}; put its references back, or create \
                 another Agent"
            );
            Err(Refusal::new(Reason::DidChanged, message))
        }
        None => Ok(()),
    }
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
        tenant_uid: tenant.uid().unwrap_or_default(),
        name,
        relay: NamespacedName::from_object(relay),
        tenant_is_suspended: tenant.spec.suspend,
        issuer: relay.spec.oauth.issuer.clone(),
        accounts,
        gateway_url: None,
        public_host_is_granted: true,
        former_owner: None,
    })
}

#[cfg(test)]
mod tests;
