//! The status of an Agent, computed from an observation. Pure; the time is an argument.

use crds::agent::{Key, KeyState};
use crds::condition::{Reason, Type};
use crds::{Agent, AgentStatus, PublicUrl, label, name};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{Resource as _, ResourceExt as _};
use protocol::UnixSeconds;
use protocol::api_key::KeyId;

use super::resolve::ResolvedAgent;
use super::urls;
use crate::conditions::{self, Draft};
use crate::error::Error;
use crate::programming::Programming;
use crate::refusal::Refusal;
use crate::rollout::AwaitedTurn;

/// The conditions that `Ready` summarizes, in the order in which they are reported.
const PARTS: [(Type, Reason); 4] = [
    (Type::Accepted, Reason::NotAccepted),
    (Type::Programmed, Reason::NotProgrammed),
    (Type::CredentialsReady, Reason::CredentialsNotReady),
    (Type::McpReady, Reason::McpNotReady),
];

/// What was observed of an accepted Agent.
#[derive(Debug, Clone)]
pub(super) struct AgentObservation {
    pub keys: KeyRingSummary,
    pub programming: Programming,
    /// The public root key, if it is known to be stored.
    pub root_key: Option<String>,
    /// Whether the Secret of the recorded root key is gone.
    pub identity_is_lost: bool,
    /// The fingerprint of the relay's certificate authority, if it is known.
    pub ca_fingerprint: Option<String>,
    /// `None` without an MCP endpoint.
    pub mcp_is_available: Option<bool>,
    /// Why the relay took everything but the MCP endpoint.
    pub refused_endpoint: Option<protocol::Reason>,
    /// Why the MCP endpoint is not in place.
    pub obstacle: Option<String>,
    /// What an update of the MCP endpoint by the operator waits for.
    pub awaited_turn: Option<AwaitedTurn>,
}

/// A key ring without its secrets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct KeyRingSummary {
    pub keys: Vec<KeySummary>,
    pub handled: Option<String>,
}

/// An API key without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KeySummary {
    pub key_id: KeyId,
    pub state: KeyState,
    pub not_after: Option<UnixSeconds>,
}

/// The status of an accepted Agent.
pub(super) fn accepted(
    agent: &Agent,
    resolved: &ResolvedAgent,
    observed: &AgentObservation,
    cluster_domain: &str,
    now: jiff::Timestamp,
) -> AgentStatus {
    let programmed = observed.programming.draft(conditions::kept(agent, Type::Programmed));
    let is_programmed = programmed.is_true();
    let mut drafts = vec![accepted_draft(), programmed, credentials(&observed.keys)];
    let mcp = |available| match &agent.spec.mcp.public_url {
        Some(url) if !resolved.public_host_is_granted => host_not_allowed(url),
        _ if observed.refused_endpoint.is_some() => url_taken(&urls::mcp_url(agent, cluster_domain)),
        _ => mcp(available, observed.obstacle.as_deref()),
    };
    drafts.extend(observed.mcp_is_available.map(mcp));
    let mut ready = conditions::ready(&drafts, &PARTS);
    if let Some(suspended) = suspended(agent, resolved) {
        // A suspended agent has no session and needs none. It is ready when the relay enforces the
        // suspension.
        if is_programmed {
            ready = Draft::holds(Type::Ready, Reason::Suspended, suspended.message.clone());
        }
        drafts.push(suspended);
    }
    let mut stalled = observed.programming.stalled(conditions::kept(agent, Type::Programmed));
    if observed.identity_is_lost {
        ready = identity_lost(agent);
        stalled = Some(ready.clone());
    }
    let progress = conditions::progress(&ready, stalled.as_ref())
        .or_else(|| observed.awaited_turn.map(conditions::awaits_rollout));
    drafts.push(ready);
    drafts.extend(progress);
    let (relay, former) = (&resolved.relay, agent.status.as_ref());
    let has_endpoint = agent.spec.mcp.enabled && resolved.public_host_is_granted;
    AgentStatus {
        root_key_multibase: observed
            .root_key
            .clone()
            .or_else(|| former.and_then(|status| status.root_key_multibase.clone())),
        ca_fingerprint: observed
            .ca_fingerprint
            .clone()
            .or_else(|| former.and_then(|status| status.ca_fingerprint.clone())),
        url: Some(name::relay_url(&relay.name, &relay.namespace, cluster_domain)),
        mcp_url: has_endpoint.then(|| urls::mcp_url(agent, cluster_domain)),
        mcp_gateway_url: resolved.gateway_url.clone().filter(|_| has_endpoint),
        keys: observed.keys.keys.iter().map(key).collect(),
        last_handled_rotation: observed.keys.handled.clone(),
        ..status(agent, Some(resolved), &drafts, now)
    }
}

fn identity_lost(agent: &Agent) -> Draft {
    let lost = agent.status.as_ref().and_then(|status| status.root_key_multibase.as_deref());
    let message = format!(
        "the Secret {} is gone; restore it, or annotate the Agent with {}={} to give it a new identity, which \
         its contacts have to accept",
        name::agent_identity(&agent.name_any()),
        label::CONFIRM_NEW_IDENTITY,
        lost.unwrap_or_default()
    );
    Draft::fails(Type::Ready, Reason::IdentityLost, message)
}

/// The status of a refused Agent. It keeps what identifies the agent, and its Secret the keys. The
/// relay accepts them again with the consent.
pub(super) fn refused(agent: &Agent, refusal: &Refusal, now: jiff::Timestamp) -> AgentStatus {
    let former = agent.status.clone().unwrap_or_default();
    let next = status(agent, None, &refusal.drafts(), now);
    AgentStatus {
        observed_generation: next.observed_generation,
        conditions: next.conditions,
        // The relay accepts no key of a refused Agent.
        keys: Vec::new(),
        url: None,
        mcp_url: None,
        mcp_gateway_url: None,
        ..former
    }
}

/// Why the Secrets of an Agent cannot be read or written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SecretObstacle {
    /// A Secret of another owner has the name.
    NameTaken,
    /// The identity Secret is of another DID.
    OtherIdentity,
    /// The identity Secret cannot be read.
    UnreadableIdentity,
    /// A request failed, and is repeated.
    Failed,
}

impl SecretObstacle {
    pub(super) const fn from_error(error: &Error) -> Self {
        match error {
            Error::NameTaken { .. } => Self::NameTaken,
            Error::OtherIdentity { .. } => Self::OtherIdentity,
            Error::SecretContent { .. } => Self::UnreadableIdentity,
            _ => Self::Failed,
        }
    }

    /// Whether it stays until somebody changes something.
    pub(super) const fn lasts(self) -> bool {
        !matches!(self, Self::Failed)
    }

    /// Whether the Agent is suspended although its Secrets are not in place. It is not if the next
    /// attempt may find them.
    pub(super) const fn must_not_delay_suspension(self, agent: &Agent, resolved: &ResolvedAgent) -> bool {
        self.lasts() && (agent.spec.suspend || resolved.tenant_is_suspended)
    }

    const fn reason(self) -> Reason {
        match self {
            Self::NameTaken => Reason::SecretNameConflict,
            Self::OtherIdentity => Reason::DidChanged,
            Self::UnreadableIdentity => Reason::IdentityLost,
            Self::Failed => Reason::Pending,
        }
    }
}

/// The status of an accepted Agent whose Secrets cannot be read or written. Everything else stays
/// as it was reported.
pub(super) fn blocked(
    agent: &Agent,
    resolved: &ResolvedAgent,
    message: &str,
    obstacle: SecretObstacle,
    now: jiff::Timestamp,
) -> AgentStatus {
    let credentials = Draft::fails(Type::CredentialsReady, obstacle.reason(), message);
    let ready = Draft::fails(Type::Ready, Reason::CredentialsNotReady, message);
    let stalled = obstacle.lasts().then_some(&credentials);
    let progress = conditions::progress(&ready, stalled);
    let programmed = conditions::kept(agent, Type::Programmed);
    let drafts: Vec<_> = std::iter::once(accepted_draft())
        .chain(programmed)
        .chain([credentials, ready])
        .chain(progress)
        .collect();
    let next = status(agent, Some(resolved), &drafts, now);
    let former = agent.status.clone().unwrap_or_default();
    AgentStatus {
        observed_generation: next.observed_generation,
        did: next.did,
        secret_name: next.secret_name,
        identity_secret_name: next.identity_secret_name,
        conditions: next.conditions,
        ..former
    }
}

fn status(
    agent: &Agent,
    resolved: Option<&ResolvedAgent>,
    drafts: &[Draft],
    now: jiff::Timestamp,
) -> AgentStatus {
    let last = agent.status.as_ref();
    let identity = agent.spec.identity.managed.is_some().then(|| name::agent_identity(&agent.name_any()));
    AgentStatus {
        observed_generation: agent.meta().generation,
        did: resolved.map(|resolved| resolved.did.to_string()),
        secret_name: resolved.map(|_| agent.credentials_secret_name()),
        identity_secret_name: resolved.and(identity),
        root_key_multibase: last.and_then(|status| status.root_key_multibase.clone()),
        ca_fingerprint: last.and_then(|status| status.ca_fingerprint.clone()),
        conditions: conditions::merge(conditions::current(agent), drafts, agent.meta().generation, now),
        ..AgentStatus::default()
    }
}

fn accepted_draft() -> Draft {
    Draft::holds(Type::Accepted, Reason::Accepted, "the Tenant accepts this Agent")
}

fn suspended(agent: &Agent, resolved: &ResolvedAgent) -> Option<Draft> {
    if agent.spec.suspend {
        let message = "spec.suspend is true: the relay refuses the keys of this agent";
        return Some(Draft::holds(Type::Suspended, Reason::SuspendedBySpec, message));
    }
    let message = "the Tenant is suspended: the relay refuses the keys of all its agents";
    resolved.tenant_is_suspended.then(|| Draft::holds(Type::Suspended, Reason::SuspendedByTenant, message))
}

fn credentials(summary: &KeyRingSummary) -> Draft {
    let has = |state| summary.keys.iter().any(|key| key.state == state);
    match (has(KeyState::Active), has(KeyState::Staged)) {
        (true, false) => Draft::holds(
            Type::CredentialsReady,
            Reason::CredentialsIssued,
            "the Secret contains a key that the relay accepts",
        ),
        (true, true) => Draft::holds(
            Type::CredentialsReady,
            Reason::Rotating,
            "the relay has not confirmed the new key yet; the old one is valid",
        ),
        (false, _) => Draft::fails(
            Type::CredentialsReady,
            Reason::Pending,
            "the relay has not confirmed the first key yet",
        ),
    }
}

fn mcp(is_available: bool, obstacle: Option<&str>) -> Draft {
    match (is_available, obstacle) {
        (_, Some(obstacle)) => Draft::fails(Type::McpReady, Reason::WorkloadUnavailable, obstacle),
        (true, None) => {
            Draft::holds(Type::McpReady, Reason::WorkloadAvailable, "the MCP endpoint accepts connections")
        }
        (false, None) => Draft::fails(
            Type::McpReady,
            Reason::WorkloadUnavailable,
            "the MCP pod is not ready; check its StatefulSet",
        ),
    }
}

fn url_taken(url: &str) -> Draft {
    let message =
        format!("{url} is the MCP endpoint of another agent of the relay; nobody can sign in to it here");
    Draft::fails(Type::McpReady, Reason::UrlTaken, message)
}

fn host_not_allowed(url: &PublicUrl) -> Draft {
    let message = format!(
        "mcp.publicURL: no entry of the Relay's publicHosts grants {} to this agent; the endpoint is not \
         updated, and nobody can sign in to it",
        url.host()
    );
    Draft::fails(Type::McpReady, Reason::HostNotAllowed, message)
}

fn key(summary: &KeySummary) -> Key {
    let time = |at: UnixSeconds| jiff::Timestamp::from_second(i64::try_from(at).ok()?).ok().map(Time);
    Key {
        key_id: summary.key_id.to_string(),
        state: summary.state,
        not_after: summary.not_after.and_then(time),
    }
}
