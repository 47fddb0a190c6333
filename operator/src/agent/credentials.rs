//! Brings the credentials Secret of an agent, and the relay's record of its keys, to the same state
//! step by step.

use std::time::Duration;

use crds::agent::KeyState;
use crds::{Agent, label, name};
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt as _;
use kube::runtime::events::{Event, EventType};
use protocol::admin;
use protocol::api_key::ApiKey;
use zeroize::Zeroizing;

use super::admin_spec::admin_spec;
use super::agent_status::{KeyRingSummary, KeySummary};
use super::key_rotation::{KeyRing, RotationStep, STAGED, TOKEN};
use super::labels::secret_labels;
use super::resolve::ResolvedAgent;
use super::urls;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::object_key::NamespacedName;
use crate::observed::Observed;
use crate::programming::Programming;
use crate::relay_api::{RelayAccess, RelayError, Writer};
use crate::relay_replicas::Progress;
use crate::secret::{self, Found};
use crate::{pod, status_writer};

/// Maximum steps of one reconcile: stage, promote, and a write to the relay after each.
const STEPS_MAX: usize = 4;
/// Overlap when the spec's one is malformed, which the API server excludes.
const DEFAULT_OVERLAP_GRACE: Duration = Duration::from_secs(24 * 3600);

/// The keys of an agent after a reconcile.
pub(super) struct ConvergedCredentials {
    pub keys: KeyRing,
    pub programming: Programming,
    /// Why the relay could not be written to.
    pub failure: Option<Error>,
}

/// Takes all steps of a rotation that the relay's confirmations allow.
///
/// # Errors
/// [`Error::NameTaken`] for a Secret of another owner, a conflict, or another error of the API
/// server. Errors of the relay are in [`ConvergedCredentials`].
pub(super) async fn converge(
    context: &Context,
    agent: &Agent,
    resolved: &ResolvedAgent,
    root_key: &str,
) -> Result<ConvergedCredentials> {
    let secret_name =
        NamespacedName::new(&agent.namespace().unwrap_or_default(), &agent.credentials_secret_name());
    let uid = agent.uid().unwrap_or_default();
    let mut found = secret::read(&context.client, &secret_name, label::SECRET_CREDENTIALS, &uid).await?;
    let mut keys = read_keys(&found, &secret_name)?;
    let now = u64::try_from(context.now().as_second()).unwrap_or(0);
    let requested = agent.spec.credentials.rotation.requested_rotation.as_deref();
    keys.expire(now);
    let mut written = Ok(Observed::Unknown);
    for _ in 0..STEPS_MAX {
        let is_confirmed = is_complete(&written);
        match keys.step(requested, is_confirmed) {
            RotationStep::Stage => keys.stage(ApiKey::generate(&mut rand::rng()), requested),
            RotationStep::Promote => {
                keys.promote(now, overlap(agent));
                context.metrics.rotations.inc();
                publish_issued(context, agent, &keys).await;
            }
            RotationStep::Wait if is_confirmed => break,
            RotationStep::Wait => {}
        }
        let access = context.relay_replicas.access(&resolved.relay);
        let desired = build(agent, resolved, &keys, access.as_deref(), &context.settings.cluster_domain);
        found = Found::Ours(Box::new(secret::write(&context.client, &found, desired).await?));
        written = write_to_relay(context, agent, resolved, root_key, &keys).await;
        if !is_complete(&written) {
            break;
        }
    }
    let programming = Programming::from_result(&written);
    Ok(ConvergedCredentials { keys, programming, failure: written.err().map(Error::Relay) })
}

fn is_complete(written: &Result<Observed<Progress>, RelayError>) -> bool {
    matches!(written, Ok(Observed::Known(progress)) if progress.is_complete())
}

fn read_keys(found: &Found, secret_name: &NamespacedName) -> Result<KeyRing> {
    match found {
        Found::Ours(held) => Ok(KeyRing::read(held)),
        Found::None => Ok(KeyRing::default()),
        Found::Foreign => Err(Error::NameTaken { kind: "Secret".into(), name: secret_name.to_string() }),
    }
}

async fn publish_issued(context: &Context, agent: &Agent, keys: &KeyRing) {
    let Some(key) = &keys.active else { return };
    let retiring = match keys.retiring.last() {
        Some(old) => format!("; {} stays valid until its overlap ends", old.sha256.key_id()),
        None => String::new(),
    };
    let event = Event {
        type_: EventType::Normal,
        reason: "KeyIssued".into(),
        note: Some(format!("the relay accepts {}{retiring}", key.hash().key_id())),
        action: "Rotate".into(),
        secondary: None,
    };
    status_writer::publish(context, agent, event).await;
}

/// Writes the agent's content to the relay. Nothing is written before the relay has acknowledged
/// the tenant.
async fn write_to_relay(
    context: &Context,
    agent: &Agent,
    resolved: &ResolvedAgent,
    root_key: &str,
    keys: &KeyRing,
) -> Result<Observed<Progress>, RelayError> {
    let (replicas, relay) = (&context.relay_replicas, &resolved.relay);
    if !replicas.is_acknowledged(relay, &admin::tenant_path(&resolved.tenant_id)) {
        let ready = usize::from(replicas.has_replicas(relay));
        return Ok(Observed::Known(Progress { acknowledged: 0, ready }));
    }
    let content = admin_spec(agent, resolved, root_key, keys.agent_keys(), &context.settings.cluster_domain);
    let path = admin::agent_path(&resolved.tenant_id, &resolved.name);
    let writer = replicas.writer(&agent.uid().unwrap_or_default());
    let writer = Writer { former_owner: resolved.former_owner.clone(), ..writer };
    replicas.write(relay, &path, &writer, &content).await
}

/// The overlap of the spec. The API server has checked its pattern and range.
fn overlap(agent: &Agent) -> Duration {
    agent.spec.credentials.rotation.overlap.as_secs().map_or(DEFAULT_OVERLAP_GRACE, Duration::from_secs)
}

fn build(
    agent: &Agent,
    resolved: &ResolvedAgent,
    keys: &KeyRing,
    access: Option<&RelayAccess>,
    cluster_domain: &str,
) -> Secret {
    let key_id = keys.active.as_ref().map(|key| key.hash().key_id().to_string()).unwrap_or_default();
    let url = name::relay_url(&resolved.relay.name, &resolved.relay.namespace, cluster_domain);
    let mcp_url = urls::mcp_url(agent, cluster_domain);
    let reveal = |key: &Option<ApiKey>| key.as_ref().map(|key| Zeroizing::new(key.reveal().to_owned()));
    let (active, staged) = (reveal(&keys.active), reveal(&keys.staged));
    let mut values = vec![
        ("type", "agent-relay"),
        ("provider", "msg2agent"),
        ("url", url.as_str()),
        ("did", resolved.did.as_str()),
        ("tenant-id", resolved.tenant_id.as_str()),
    ];
    values.extend(active.as_ref().map(|token| (TOKEN, token.as_str())));
    values.extend(active.as_ref().map(|_| ("key-id", key_id.as_str())));
    values.extend(staged.as_ref().map(|token| (STAGED, token.as_str())));
    values.extend(access.map(|access| ("ca.crt", access.authorities.as_str())));
    values.extend(agent.spec.mcp.enabled.then_some(("mcp-url", mcp_url.as_str())));
    let gateway_url = resolved.gateway_url.as_deref().filter(|_| agent.spec.mcp.enabled);
    values.extend(gateway_url.map(|url| ("mcp-gateway-url", url)));
    Secret {
        metadata: metadata(agent, keys, &key_id),
        type_: Some(label::CREDENTIALS_TYPE.into()),
        data: Some(secret::data(values)),
        ..Secret::default()
    }
}

/// The annotations hold the parts of the key ring that are not secret. Absent values are empty
/// rather than missing, so that they overwrite older ones.
fn metadata(agent: &Agent, keys: &KeyRing, key_id: &str) -> ObjectMeta {
    let labels = secret_labels(agent, label::SECRET_CREDENTIALS);
    let annotations = [
        (label::KEY_ID, key_id.to_owned()),
        (label::RETIRING, serde_json::to_string(&keys.retiring).unwrap_or_default()),
        (label::ROTATION, keys.handled.clone().unwrap_or_default()),
    ];
    ObjectMeta {
        annotations: Some(annotations.map(|(key, value)| (key.to_owned(), value)).into()),
        ..pod::owned_by(agent, agent.credentials_secret_name(), labels)
    }
}

impl ConvergedCredentials {
    /// The keys for the status.
    #[must_use]
    pub(super) fn summary(&self) -> KeyRingSummary {
        let current =
            |key: &ApiKey, state| KeySummary { key_id: key.hash().key_id(), state, not_after: None };
        let mut keys: Vec<_> = self.keys.active.iter().map(|key| current(key, KeyState::Active)).collect();
        keys.extend(self.keys.staged.iter().map(|key| current(key, KeyState::Staged)));
        keys.extend(self.keys.retiring.iter().map(|key| KeySummary {
            key_id: key.sha256.key_id(),
            state: KeyState::Retiring,
            not_after: Some(key.not_after),
        }));
        KeyRingSummary { keys, handled: self.keys.handled.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::fixtures::{agent, resolved};

    #[test]
    fn the_secret_is_complete_for_a_service_binding_and_holds_no_staged_key_between_rotations() {
        let mut keys = KeyRing::default();
        keys.stage(ApiKey::generate(&mut rand::rng()), None);
        keys.promote(0, Duration::ZERO);
        let access = RelayAccess {
            token: Zeroizing::default(),
            authorities: "PEM".into(),
            server_name: String::new(),
        };
        let agent = agent(serde_json::json!({"tenantRef": {"name": "acme"}, "mcp": {"enabled": true}}));
        let secret = build(&agent, &resolved(), &keys, Some(&access), "cluster.local");
        assert_eq!(secret.type_.as_deref(), Some("servicebinding.io/agent-relay"));
        let names: Vec<_> = secret.data.as_ref().unwrap().keys().map(String::as_str).collect();
        assert_eq!(
            names,
            ["ca.crt", "did", "key-id", "mcp-url", "provider", "tenant-id", "token", "type", "url"]
        );
        assert_eq!(
            secret::text(&secret, "did").unwrap().as_str(),
            "did:wba:agents.example.com:agent:acme:alice"
        );
        let again = KeyRing::read(&secret);
        assert_eq!(again.agent_keys(), keys.agent_keys());
        let resolved =
            ResolvedAgent { gateway_url: Some("https://mcp.example.com/mcp".into()), ..resolved() };
        let secret = build(&agent, &resolved, &keys, Some(&access), "cluster.local");
        assert_eq!(secret::text(&secret, "mcp-gateway-url").unwrap().as_str(), "https://mcp.example.com/mcp");
    }

    #[test]
    fn a_staged_first_key_is_not_the_token_yet() {
        let mut keys = KeyRing::default();
        keys.stage(ApiKey::generate(&mut rand::rng()), None);
        let agent = agent(serde_json::json!({"tenantRef": {"name": "acme"}}));
        let secret = build(&agent, &resolved(), &keys, None, "cluster.local");
        let data = secret.data.as_ref().unwrap();
        assert!(data.contains_key(STAGED) && !data.contains_key(TOKEN));
        assert!(KeyRing::read(&secret).staged.is_some(), "a restart finds the staged key again");
    }
}
