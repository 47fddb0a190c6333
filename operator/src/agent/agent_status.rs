//! The status of an Agent, computed from an observation. Pure; the time is an argument.

use crds::agent::{Key, KeyState};
use crds::condition::{Reason, Type};
use crds::{Agent, AgentStatus, name};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{Resource as _, ResourceExt as _};
use protocol::UnixSeconds;
use protocol::api_key::KeyId;

use super::resolve::ResolvedAgent;
use super::urls;
use crate::conditions::{self, Draft};
use crate::programming::Programming;
use crate::refusal::Refusal;

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
    /// `None` without an MCP endpoint.
    pub mcp_is_available: Option<bool>,
    /// Why the MCP endpoint is not in place.
    pub obstacle: Option<String>,
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
    let mut drafts = vec![accepted_draft(), observed.programming.draft(), credentials(&observed.keys)];
    drafts.extend(observed.mcp_is_available.map(|available| mcp(available, observed.obstacle.as_deref())));
    let mut ready = conditions::ready(&drafts, &PARTS);
    if let Some(suspended) = suspended(agent, resolved) {
        // A suspended agent has no session. What matters is whether the relay enforces the
        // suspension.
        if observed.programming.draft().is_true() {
            ready = Draft::fails(Type::Ready, Reason::Suspended, suspended.message.clone());
        }
        drafts.push(suspended);
    }
    let progress = conditions::progress(&ready, None);
    drafts.push(ready);
    drafts.extend(progress);
    let relay = &resolved.relay;
    AgentStatus {
        url: Some(name::relay_url(&relay.name, &relay.namespace, cluster_domain)),
        mcp_url: agent.spec.mcp.enabled.then(|| urls::mcp_url(agent, cluster_domain)),
        mcp_gateway_url: resolved.gateway_url.clone().filter(|_| agent.spec.mcp.enabled),
        keys: observed.keys.keys.iter().map(key).collect(),
        last_handled_rotation: observed.keys.handled.clone(),
        ..status(agent, Some(resolved), &drafts, now)
    }
}

/// The status of a refused Agent. Its Secret keeps the keys, and the relay accepts them again with
/// the consent.
pub(super) fn refused(agent: &Agent, refusal: &Refusal, now: jiff::Timestamp) -> AgentStatus {
    let handled = agent.status.as_ref().and_then(|status| status.last_handled_rotation.clone());
    AgentStatus { last_handled_rotation: handled, ..status(agent, None, &refusal.drafts(), now) }
}

/// The status of an accepted Agent whose Secrets cannot be written.
pub(super) fn blocked(
    agent: &Agent,
    resolved: &ResolvedAgent,
    message: &str,
    is_name_taken: bool,
    now: jiff::Timestamp,
) -> AgentStatus {
    let reason = if is_name_taken { Reason::SecretNameConflict } else { Reason::Pending };
    let credentials = Draft::fails(Type::CredentialsReady, reason, message);
    let ready = Draft::fails(Type::Ready, Reason::CredentialsNotReady, message);
    let progress = conditions::progress(&ready, is_name_taken.then_some(&credentials));
    let drafts: Vec<_> = [accepted_draft(), credentials, ready].into_iter().chain(progress).collect();
    status(agent, Some(resolved), &drafts, now)
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

fn key(summary: &KeySummary) -> Key {
    let time = |at: UnixSeconds| jiff::Timestamp::from_second(i64::try_from(at).ok()?).ok().map(Time);
    Key {
        key_id: summary.key_id.to_string(),
        state: summary.state,
        not_after: summary.not_after.and_then(time),
    }
}
