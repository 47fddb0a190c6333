//! The credentials Secret of an agent, and the relay's knowledge of its keys, brought to the same state step by step.

use std::time::Duration;

use crds::agent::KeyState;
use crds::{Agent, label, name};
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt as _;
use kube::runtime::events::{Event, EventType};
use protocol::admin;
use protocol::api_key::ApiKey;
use zeroize::Zeroizing;

use super::labels;
use super::plan::{self, KeyView, Place, RingView};
use super::ring::{Ring, STAGED, Step, TOKEN};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::fleet::{Access, Progress};
use crate::key::Name;
use crate::programming::Programming;
use crate::secret::{self, Found};
use crate::{pod, status};

/// Steps of one pass: stage, promote, and what the relay is told in between. More would be a mistake of ours.
const STEPS_MAX: usize = 4;

/// Where the keys are after a pass.
pub(crate) struct Keys {
    pub ring: Ring,
    pub programming: Programming,
    /// Why the relay could not be written to.
    pub failure: Option<Error>,
}

/// Brings Secret and relay to the state that spec and ring ask for, as far as the relay confirms.
///
/// # Errors
/// A foreign Secret, a conflict, or what the API server says. What the relay says is in [`Keys`].
pub(crate) async fn converge(
    context: &Context,
    agent: &Agent,
    place: &Place,
    root_key: &str,
) -> Result<Keys> {
    let secret_name = Name::new(&agent.namespace().unwrap_or_default(), &super::credentials_name(agent));
    let uid = agent.uid().unwrap_or_default();
    let mut found = secret::read(&context.client, &secret_name, label::SECRET_CREDENTIALS, &uid).await?;
    let mut ring = match &found {
        Found::Ours(held) => Ring::read(held),
        Found::None => Ring::default(),
        Found::Foreign => {
            return Err(Error::NameTaken { kind: "Secret".into(), name: secret_name.to_string() });
        }
    };
    let now = u64::try_from(context.now().as_second()).unwrap_or(0);
    let requested = agent.spec.credentials.rotation.requested_rotation.as_deref();
    ring.expire(now);
    let mut written = Ok(Progress { acknowledged: 0, ready: 0 });
    for _ in 0..STEPS_MAX {
        let is_confirmed = matches!(&written, Ok(progress) if progress.is_complete());
        match ring.step(requested, is_confirmed) {
            Step::Stage => ring.stage(ApiKey::generate(&mut rand::rng()), requested),
            Step::Promote => {
                ring.promote(now, overlap(agent));
                context.metrics.rotations.inc();
                tell_issued(context, agent, &ring).await;
            }
            Step::Rest if is_confirmed => break,
            Step::Rest => {}
        }
        let access = context.fleet.access(&place.relay);
        let desired = build(agent, place, &ring, access.as_deref(), &context.settings.cluster_domain);
        found = Found::Ours(Box::new(secret::write(&context.client, &found, desired).await?));
        written = program(context, agent, place, root_key, &ring).await;
        if !matches!(&written, Ok(progress) if progress.is_complete()) {
            break;
        }
    }
    Ok(Keys { ring, programming: Programming::of(&written), failure: written.err().map(Error::Relay) })
}

async fn tell_issued(context: &Context, agent: &Agent, ring: &Ring) {
    let Some(key) = &ring.active else { return };
    let retiring = match ring.retiring.last() {
        Some(old) => format!("; {} is accepted until its overlap ends", old.sha256.key_id()),
        None => String::new(),
    };
    let event = Event {
        type_: EventType::Normal,
        reason: "KeyIssued".into(),
        note: Some(format!("the relay accepts {}{retiring}", key.hash().key_id())),
        action: "Rotate".into(),
        secondary: None,
    };
    status::publish(context, agent, event).await;
}

/// Tells the relay, once it knows the tenant.
async fn program(
    context: &Context,
    agent: &Agent,
    place: &Place,
    root_key: &str,
    ring: &Ring,
) -> Result<Progress, crate::relay_client::RelayError> {
    let waiting = Progress { acknowledged: 0, ready: usize::from(context.fleet.has_replicas(&place.relay)) };
    if !context.fleet.holds(&place.relay, &admin::tenant_path(&place.tenant_id)) {
        return Ok(waiting);
    }
    let content = plan::content(agent, place, root_key, ring.keys(), &context.settings.cluster_domain);
    context.fleet.write(&place.relay, &admin::agent_path(&place.tenant_id, &place.handle), &content).await
}

/// The overlap of the spec. Its pattern and range are checked by the API server.
fn overlap(agent: &Agent) -> Duration {
    let text = &agent.spec.credentials.rotation.overlap;
    text.parse::<kube::core::Duration>().map_or(Duration::from_secs(24 * 3600), Duration::from)
}

fn build(agent: &Agent, place: &Place, ring: &Ring, access: Option<&Access>, cluster_domain: &str) -> Secret {
    let labels = labels::of_kind(agent, label::SECRET_CREDENTIALS);
    let mut metadata = pod::owned_by(agent, super::credentials_name(agent), labels);
    let key_id = ring.active.as_ref().map(|key| key.hash().key_id().to_string()).unwrap_or_default();
    // Keys that are absent stay empty rather than away, so that what stood there before is overwritten.
    metadata.annotations = Some(
        [
            (label::KEY_ID, key_id.clone()),
            (label::RETIRING, serde_json::to_string(&ring.retiring).unwrap_or_default()),
            (label::ROTATION, ring.handled.clone().unwrap_or_default()),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .into(),
    );
    let url = name::relay_url(&place.relay.name, &place.relay.namespace, cluster_domain);
    let mcp_url = plan::mcp_url(agent, cluster_domain);
    let reveal = |key: &Option<ApiKey>| key.as_ref().map(|key| Zeroizing::new(key.reveal().to_owned()));
    let (active, staged) = (reveal(&ring.active), reveal(&ring.staged));
    let mut values = vec![
        ("type", "agent-relay"),
        ("provider", "msg2agent"),
        ("url", url.as_str()),
        ("did", place.did.as_str()),
        ("tenant-id", place.tenant_id.as_str()),
    ];
    values.extend(active.as_ref().map(|token| (TOKEN, token.as_str())));
    values.extend(active.as_ref().map(|_| ("key-id", key_id.as_str())));
    values.extend(staged.as_ref().map(|token| (STAGED, token.as_str())));
    values.extend(access.map(|access| ("ca.crt", access.authority.as_str())));
    values.extend(agent.spec.mcp.enabled.then_some(("mcp-url", mcp_url.as_str())));
    let gateway_url = place.gateway_url.as_deref().filter(|_| agent.spec.mcp.enabled);
    values.extend(gateway_url.map(|url| ("mcp-gateway-url", url)));
    Secret {
        metadata,
        type_: Some(label::CREDENTIALS_TYPE.into()),
        data: Some(secret::data(values)),
        ..Secret::default()
    }
}

impl Keys {
    /// What the status says of the keys.
    #[must_use]
    pub(crate) fn view(&self) -> RingView {
        let view = |key: &ApiKey, state| KeyView { key_id: key.hash().key_id(), state, not_after: None };
        let mut keys: Vec<_> = self.ring.active.iter().map(|key| view(key, KeyState::Active)).collect();
        keys.extend(self.ring.staged.iter().map(|key| view(key, KeyState::Staged)));
        keys.extend(self.ring.retiring.iter().map(|key| KeyView {
            key_id: key.sha256.key_id(),
            state: KeyState::Retiring,
            not_after: Some(key.not_after),
        }));
        RingView { keys, handled: self.ring.handled.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::super::plan::tests::{agent, place};
    use super::*;

    #[test]
    fn the_secret_is_complete_for_a_service_binding_and_holds_no_staged_key_at_rest() {
        let mut ring = Ring::default();
        ring.stage(ApiKey::generate(&mut rand::rng()), None);
        ring.promote(0, Duration::ZERO);
        let access = Access { token: Zeroizing::default(), authority: "PEM".into() };
        let agent = agent(serde_json::json!({"tenantRef": {"name": "acme"}, "mcp": {"enabled": true}}));
        let secret = build(&agent, &place(), &ring, Some(&access), "cluster.local");
        assert_eq!(secret.type_.as_deref(), Some("servicebinding.io/agent-relay"));
        let keys: Vec<_> = secret.data.as_ref().unwrap().keys().map(String::as_str).collect();
        assert_eq!(
            keys,
            ["ca.crt", "did", "key-id", "mcp-url", "provider", "tenant-id", "token", "type", "url"]
        );
        assert_eq!(
            secret::text(&secret, "did").unwrap().as_str(),
            "did:wba:agents.example.com:agent:acme:alice"
        );
        let again = Ring::read(&secret);
        assert_eq!(again.keys(), ring.keys());
        let place = Place { gateway_url: Some("https://mcp.example.com/mcp".into()), ..place() };
        let secret = build(&agent, &place, &ring, Some(&access), "cluster.local");
        assert_eq!(secret::text(&secret, "mcp-gateway-url").unwrap().as_str(), "https://mcp.example.com/mcp");
    }

    #[test]
    fn a_staged_first_key_is_not_the_token_yet() {
        let mut ring = Ring::default();
        ring.stage(ApiKey::generate(&mut rand::rng()), None);
        let agent = agent(serde_json::json!({"tenantRef": {"name": "acme"}}));
        let secret = build(&agent, &place(), &ring, None, "cluster.local");
        let data = secret.data.as_ref().unwrap();
        assert!(data.contains_key(STAGED) && !data.contains_key(TOKEN));
        assert!(Ring::read(&secret).staged.is_some(), "a restart finds the staged key again");
    }
}
