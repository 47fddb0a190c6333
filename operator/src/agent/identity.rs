//! The identity of an agent: the root key that owns its DID.

use crds::{Agent, label, name};
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt as _;
use protocol::{Identity, multikey};

use super::labels::secret_labels;
use super::resolve::ResolvedAgent;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::object_key::NamespacedName;
use crate::pod;
use crate::secret::{self, Found};

/// Data key of the identity Secret. Its value is a key file of the protocol crate.
pub(crate) const KEY_FILE: &str = "identity.json";

/// The agent's public root key, as Multikey.
///
/// A managed identity is created if there is none. An unreadable one is never replaced, because a
/// DID belongs to its root key.
///
/// # Errors
/// [`Error::NameTaken`] for a Secret of another owner, [`Error::SecretContent`] for an unreadable
/// identity, and errors of the API server.
pub(crate) async fn ensure_root_key(
    context: &Context,
    agent: &Agent,
    resolved: &ResolvedAgent,
) -> Result<String> {
    if let Some(external) = &agent.spec.identity.external {
        return Ok(external.root_key_multibase.clone());
    }
    let secret_name =
        NamespacedName::new(&agent.namespace().unwrap_or_default(), &name::agent_identity(&agent.name_any()));
    let uid = agent.uid().unwrap_or_default();
    let found = secret::read(&context.client, &secret_name, label::SECRET_IDENTITY, &uid).await?;
    if let Found::Ours(held) = &found {
        let identity = secret::text(held, KEY_FILE).and_then(|text| Identity::from_key_file(&text).ok());
        let identity = identity.filter(|identity| *identity.did() == resolved.did);
        let unreadable = || Error::SecretContent { what: "identity", secret: secret_name.to_string() };
        return identity
            .map(|identity| multikey::encode_ed25519(&identity.root_public()))
            .ok_or_else(unreadable);
    }
    let now = u64::try_from(context.now().as_second()).unwrap_or(0);
    let identity = Identity::generate(resolved.did.clone(), now, &mut rand::rng());
    secret::write(&context.client, &found, build(agent, &secret_name, &identity)).await?;
    tracing::info!(secret = %secret_name, agent.did = %resolved.did, "created an identity");
    Ok(multikey::encode_ed25519(&identity.root_public()))
}

/// The root key that the spec or the status names.
pub(crate) fn recorded_root_key(agent: &Agent) -> Option<String> {
    let external = agent.spec.identity.external.as_ref();
    external
        .map(|external| external.root_key_multibase.clone())
        .or_else(|| agent.status.as_ref().and_then(|status| status.root_key_multibase.clone()))
}

fn build(agent: &Agent, secret_name: &NamespacedName, identity: &Identity) -> Secret {
    let labels = secret_labels(agent, label::SECRET_IDENTITY);
    Secret {
        metadata: pod::owned_by(agent, secret_name.name.to_string(), labels),
        type_: Some("Opaque".into()),
        data: Some(secret::data([(KEY_FILE, identity.to_key_file().as_str())])),
        ..Secret::default()
    }
}
