//! Whether an Agent has a place in its tenant, what the relay is told of it, and what is said about it. Pure.

use std::sync::Arc;

use crds::agent::{Discovery, Key, KeyState};
use crds::condition::{Reason, Type};
use crds::{Agent, AgentStatus, Relay, Tenant, name};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{Resource as _, ResourceExt as _};
use protocol::admin::{self, AgentKey, McpSpec};
use protocol::api_key::KeyId;
use protocol::did::{AgentName, Domain, TenantId};
use protocol::record::{Capability, Card};
use protocol::{Did, UnixSeconds, multikey};

use crate::claim::{self, Refusal, is_older};
use crate::conditions::{self, Draft};
use crate::index;
use crate::key::Name;
use crate::programming::Programming;
use crate::relay::gateway;

const PARTS: [(Type, Reason); 4] = [
    (Type::Accepted, Reason::NotAccepted),
    (Type::Programmed, Reason::NotProgrammed),
    (Type::CredentialsReady, Reason::CredentialsNotReady),
    (Type::McpReady, Reason::McpNotReady),
];

/// What decides about an Agent.
pub(crate) struct Snapshot<'a> {
    pub agent: &'a Agent,
    pub tenant_name: &'a Name,
    pub tenant: Option<&'a Tenant>,
    pub relay: Option<&'a Relay>,
    pub is_permitted: bool,
    /// Other permitted Agents that claim the same handle.
    pub rivals: Vec<Arc<Agent>>,
    /// Older permitted Agents of the tenant, where it sets a limit.
    pub older_agents: usize,
    pub cluster_domain: &'a str,
}

/// An Agent's place: its name and who serves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub did: Did,
    pub tenant_id: TenantId,
    pub handle: AgentName,
    pub relay: Name,
    pub tenant_is_suspended: bool,
    /// Issuer of access tokens where the Relay sets one; otherwise it is the relay's Service.
    pub issuer: Option<String>,
    /// Accounts of the Tenant's people that may sign in for this agent.
    pub accounts: Vec<String>,
    /// URL of the Relay's MCP gateway, where it has one.
    pub gateway_url: Option<String>,
}

impl Place {
    pub(crate) fn issuer(&self, cluster_domain: &str) -> String {
        let inside = || name::relay_issuer(&self.relay.name, &self.relay.namespace, cluster_domain);
        self.issuer.clone().unwrap_or_else(inside)
    }
}

/// # Errors
/// Why the Agent has no place.
pub(crate) fn place(snapshot: &Snapshot<'_>) -> Result<Place, Refusal> {
    let tenant = permitted_tenant(snapshot)?;
    let is_accepted =
        tenant.status.as_ref().is_some_and(|status| conditions::is_true(&status.conditions, Type::Accepted));
    let Some(relay) = snapshot.relay.filter(|_| is_accepted) else {
        let message = format!("the Tenant {} is not accepted by its Relay", snapshot.tenant_name);
        return Err(Refusal::new(Reason::TenantNotAccepted, message));
    };
    if let Some(owner) = snapshot.rivals.iter().find(|rival| is_older(&***rival, snapshot.agent)) {
        let handle = format!("the handle {}", index::handle_of(snapshot.agent));
        return Err(claim::taken(Reason::HandleConflict, &handle, snapshot.agent, owner));
    }
    if let Some(max) = tenant.spec.agents.max.filter(|max| snapshot.older_agents >= *max as usize) {
        let message = format!("the Tenant accepts {max} Agents and has as many older ones");
        return Err(Refusal::new(Reason::TooManyAgents, message));
    }
    check_root_key(snapshot.agent)?;
    let gateway_url = gateway::build::url(relay, snapshot.cluster_domain);
    Ok(Place { gateway_url, ..named(snapshot.agent, tenant, relay)? })
}

fn permitted_tenant<'a>(snapshot: &Snapshot<'a>) -> Result<&'a Tenant, Refusal> {
    let there =
        snapshot.tenant.filter(|tenant| tenant.meta().deletion_timestamp.is_none() && snapshot.is_permitted);
    there.ok_or_else(|| {
        let referent = ("Tenant", snapshot.tenant_name);
        claim::not_found(Reason::TenantNotFound, snapshot.agent, referent, "spec.agents.allowedFrom")
    })
}

fn check_root_key(agent: &Agent) -> Result<(), Refusal> {
    let Some(external) = &agent.spec.identity.external else { return Ok(()) };
    multikey::decode_ed25519(&external.root_key_multibase).map(drop).map_err(|error| {
        Refusal::new(Reason::InvalidSpec, format!("identity.external.rootKeyMultibase: {error}"))
    })
}

fn named(agent: &Agent, tenant: &Tenant, relay: &Relay) -> Result<Place, Refusal> {
    fn invalid(what: &str, error: &dyn std::fmt::Display) -> Refusal {
        Refusal::new(Reason::InvalidSpec, format!("{what}: {error}"))
    }
    let tenant_id: TenantId =
        index::tenant_id_of(tenant).parse().map_err(|error| invalid("tenant id", &error))?;
    let handle: AgentName = index::handle_of(agent).parse().map_err(|error| invalid("handle", &error))?;
    let domain: Domain = relay.spec.domain.parse().map_err(|error| invalid("domain of the Relay", &error))?;
    let people = tenant.spec.people.iter();
    let accounts = people
        .filter(|person| person.agents.iter().any(|agent| *agent == handle.as_str()))
        .map(|person| person.account.clone())
        .collect();
    Ok(Place {
        did: Did::new(&domain, &tenant_id, &handle),
        tenant_id,
        handle,
        relay: Name::of(relay),
        tenant_is_suspended: tenant.spec.suspend,
        issuer: relay.spec.oauth.issuer.clone(),
        accounts,
        gateway_url: None,
    })
}

/// Where clients reach the agent's MCP endpoint: the audience of its access tokens.
pub(crate) fn mcp_url(agent: &Agent, cluster_domain: &str) -> String {
    agent.spec.mcp.public_url.clone().unwrap_or_else(|| endpoint(agent, cluster_domain))
}

/// Where the endpoint is inside the cluster, whatever it is called outside.
fn endpoint(agent: &Agent, cluster_domain: &str) -> String {
    name::mcp_url(&agent.name_any(), &agent.namespace().unwrap_or_default(), cluster_domain)
}

/// What the relay is told: one body, so that a revocation is one write.
pub(crate) fn content(
    agent: &Agent,
    place: &Place,
    root_key: &str,
    keys: Vec<AgentKey>,
    cluster_domain: &str,
) -> admin::AgentSpec {
    let capability = |c: &crds::agent::Capability| Capability {
        id: c.id.clone(),
        name: c.name.clone().unwrap_or_default(),
    };
    let card = Card {
        name: agent.spec.display_name.clone().unwrap_or_else(|| place.handle.to_string()),
        description: agent.spec.description.clone().unwrap_or_default(),
        capabilities: agent.spec.capabilities.iter().map(capability).collect(),
        discovery: match agent.spec.discovery {
            Discovery::Tenant => protocol::record::Discovery::Tenant,
            Discovery::Hidden => protocol::record::Discovery::Hidden,
        },
    };
    let mcp = || McpSpec {
        url: mcp_url(agent, cluster_domain),
        accounts: place.accounts.clone(),
        endpoint: place.gateway_url.as_ref().map(|_| endpoint(agent, cluster_domain)),
    };
    admin::AgentSpec {
        root_key: Some(root_key.to_owned()),
        card: Some(card),
        suspended: agent.spec.suspend,
        keys,
        mcp: agent.spec.mcp.enabled.then(mcp),
    }
}

/// The keys without their secrets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct RingView {
    pub keys: Vec<KeyView>,
    pub handled: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyView {
    pub key_id: KeyId,
    pub state: KeyState,
    pub not_after: Option<UnixSeconds>,
}

/// What was observed of an accepted Agent.
#[derive(Debug, Clone)]
pub(crate) struct Observed {
    pub ring: RingView,
    pub programming: Programming,
    /// `None` without MCP.
    pub mcp_is_available: Option<bool>,
    /// What is in the way of the MCP endpoint.
    pub obstacle: Option<String>,
}

/// The status of an Agent with a place.
pub(crate) fn accepted(
    agent: &Agent,
    place: &Place,
    observed: &Observed,
    cluster_domain: &str,
    now: jiff::Timestamp,
) -> AgentStatus {
    let mut drafts = vec![
        Draft::holds(Type::Accepted, Reason::Accepted, "the Tenant admits this Agent"),
        observed.programming.draft(),
        credentials(&observed.ring),
    ];
    drafts.extend(observed.mcp_is_available.map(|available| mcp(available, observed.obstacle.as_deref())));
    let mut ready = conditions::ready(&drafts, &PARTS);
    if let Some(suspended) = suspended(agent, place) {
        // What a suspended agent's own session looks like does not matter; whether the relay enforces it does.
        if observed.programming.draft().holds {
            ready = Draft::fails(Type::Ready, Reason::Suspended, suspended.message.clone());
        }
        drafts.push(suspended);
    }
    let progress = conditions::progress(&ready, None);
    drafts.push(ready);
    drafts.extend(progress);
    AgentStatus {
        url: Some(name::relay_url(&place.relay.name, &place.relay.namespace, cluster_domain)),
        mcp_url: agent.spec.mcp.enabled.then(|| mcp_url(agent, cluster_domain)),
        mcp_gateway_url: place.gateway_url.clone().filter(|_| agent.spec.mcp.enabled),
        keys: observed.ring.keys.iter().map(key).collect(),
        last_handled_rotation: observed.ring.handled.clone(),
        ..status(agent, Some(place), &drafts, now)
    }
}

fn suspended(agent: &Agent, place: &Place) -> Option<Draft> {
    if agent.spec.suspend {
        return Some(Draft::holds(
            Type::Suspended,
            Reason::SuspendedBySpec,
            "spec.suspend is true: the relay refuses its keys",
        ));
    }
    let message = "the Tenant is suspended: the relay refuses the keys of all its agents";
    place.tenant_is_suspended.then(|| Draft::holds(Type::Suspended, Reason::SuspendedByTenant, message))
}

fn credentials(ring: &RingView) -> Draft {
    let has = |state| ring.keys.iter().any(|key| key.state == state);
    match (has(KeyState::Active), has(KeyState::Staged)) {
        (true, false) => Draft::holds(
            Type::CredentialsReady,
            Reason::CredentialsIssued,
            "the Secret holds a key that the relay accepts",
        ),
        (true, true) => Draft::holds(
            Type::CredentialsReady,
            Reason::Rotating,
            "a new key waits for the relay; the old one works",
        ),
        (false, _) => Draft::fails(
            Type::CredentialsReady,
            Reason::Pending,
            "the first key waits for the relay's confirmation",
        ),
    }
}

fn mcp(is_available: bool, obstacle: Option<&str>) -> Draft {
    match (is_available, obstacle) {
        (_, Some(obstacle)) => Draft::fails(Type::McpReady, Reason::WorkloadUnavailable, obstacle),
        (true, None) => Draft::holds(Type::McpReady, Reason::WorkloadAvailable, "the MCP endpoint serves"),
        (false, None) => Draft::fails(
            Type::McpReady,
            Reason::WorkloadUnavailable,
            "the MCP pod is not ready; see its StatefulSet",
        ),
    }
}

fn key(view: &KeyView) -> Key {
    let time = |at: UnixSeconds| jiff::Timestamp::from_second(i64::try_from(at).ok()?).ok().map(Time);
    Key { key_id: view.key_id.to_string(), state: view.state, not_after: view.not_after.and_then(time) }
}

/// The status of an Agent without a place. Its keys are those it had: they come back with the consent.
pub(crate) fn refused(agent: &Agent, refusal: &Refusal, now: jiff::Timestamp) -> AgentStatus {
    let accepted = Draft::fails(Type::Accepted, refusal.reason, refusal.message.clone());
    let ready = Draft::fails(Type::Ready, Reason::NotAccepted, refusal.message.clone());
    let mut drafts = vec![accepted.clone()];
    let progress = conditions::progress(&ready, Some(&accepted));
    drafts.push(ready);
    drafts.extend(progress);
    let handled = agent.status.as_ref().and_then(|status| status.last_handled_rotation.clone());
    AgentStatus { last_handled_rotation: handled, ..status(agent, None, &drafts, now) }
}

/// The status of an accepted Agent whose Secrets cannot be written.
pub(crate) fn obstructed(
    agent: &Agent,
    place: &Place,
    message: &str,
    is_name_taken: bool,
    now: jiff::Timestamp,
) -> AgentStatus {
    let reason = if is_name_taken { Reason::SecretNameConflict } else { Reason::Pending };
    let credentials = Draft::fails(Type::CredentialsReady, reason, message);
    let ready = Draft::fails(Type::Ready, Reason::CredentialsNotReady, message);
    let mut drafts = vec![
        Draft::holds(Type::Accepted, Reason::Accepted, "the Tenant admits this Agent"),
        credentials.clone(),
    ];
    let progress = conditions::progress(&ready, is_name_taken.then_some(&credentials));
    drafts.push(ready);
    drafts.extend(progress);
    status(agent, Some(place), &drafts, now)
}

fn status(agent: &Agent, place: Option<&Place>, drafts: &[Draft], now: jiff::Timestamp) -> AgentStatus {
    let before = agent.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    let identity = agent.spec.identity.managed.is_some().then(|| name::agent_identity(&agent.name_any()));
    AgentStatus {
        observed_generation: agent.meta().generation,
        did: place.map(|place| place.did.to_string()),
        secret_name: place.map(|_| super::credentials_name(agent)),
        identity_secret_name: place.and(identity),
        conditions: conditions::merge(before, drafts, agent.meta().generation, now),
        ..AgentStatus::default()
    }
}

#[cfg(test)]
pub(super) mod tests;
