//! Brings the credentials Secret of an agent, and the relay's record of its keys, to the same state
//! step by step.

use std::time::Duration;

use crds::agent::KeyState;
use crds::{Agent, label};
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt as _;
use kube::runtime::events::{Event, EventType};
use protocol::api_key::{ApiKey, KeyHash};

use super::admin_spec::admin_spec;
use super::agent_status::{KeyRingSummary, KeySummary};
use super::credentials_secret::{self, DID};
use super::identity::{self, RootKey};
use super::key_rotation::{KeyRing, RotationStep};
use super::relay_write::{self, Written};
use super::resolve::ResolvedAgent;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::issued_keys::IssuedKeys;
use crate::object_key::NamespacedName;
use crate::observed::Observed;
use crate::programming::Programming;
use crate::secret::{self, Found, Reading};
use crate::settled_secrets::SecretVersions;
use crate::status_writer;

/// Maximum steps of one reconcile: stage, promote, and a write to the relay after each.
const STEPS_MAX: usize = 4;
/// Overlap when the spec's one is malformed, which the API server excludes.
const DEFAULT_OVERLAP_GRACE: Duration = Duration::from_secs(24 * 3600);

/// The stored credentials of an agent.
pub(super) struct StoredCredentials {
    secret: Found,
    keys: KeyRing,
}

impl StoredCredentials {
    /// Whether there is a Secret, so that the agent was issued keys before.
    #[must_use]
    pub(super) fn exist(&self) -> bool {
        self.secret.usable().is_some()
    }
}

/// The keys of an agent after a reconcile.
pub(super) struct ConvergedCredentials {
    pub keys: IssuedKeys,
    /// Of both Secrets, if they are as they should be.
    pub versions: Option<SecretVersions>,
    pub programming: Programming,
    /// Whether the Secret with the root key exists, or the root key is elsewhere.
    pub identity_is_stored: bool,
    /// Why the relay could not be written to.
    pub failure: Option<Error>,
}

/// What every step of a reconcile needs.
struct CredentialsPass<'a> {
    context: &'a Context,
    agent: &'a Agent,
    resolved: &'a ResolvedAgent,
    root_key: &'a RootKey,
}

/// Finds the credentials Secret of an agent. One of a former Agent is adopted, if it was for the
/// same DID.
///
/// # Errors
/// [`Error::NameTaken`] for a Secret of another owner, and errors of the API server.
pub(super) async fn find(
    context: &Context,
    agent: &Agent,
    resolved: &ResolvedAgent,
    reading: Reading,
) -> Result<StoredCredentials> {
    let (name, uid) = (secret_name(agent), agent.uid().unwrap_or_default());
    let secret = secret::find(context, &name, label::SECRET_CREDENTIALS, &uid, reading).await?;
    match stored_keys(&secret, resolved) {
        Some(keys) => Ok(StoredCredentials { secret, keys }),
        None => Err(Error::NameTaken { kind: "Secret".into(), name: name.to_string() }),
    }
}

pub(super) fn secret_name(agent: &Agent) -> NamespacedName {
    NamespacedName::new(&agent.namespace().unwrap_or_default(), &agent.credentials_secret_name())
}

/// The keys in the Secret. `None` if the Secret may not be used.
///
/// The keys of a deleted Agent stay revoked. Those in a Secret that has no owner at all go on,
/// because pods have mounted it.
fn stored_keys(secret: &Found, resolved: &ResolvedAgent) -> Option<KeyRing> {
    match secret {
        Found::Ours(held) => Some(KeyRing::read(held)),
        Found::None => Some(KeyRing::default()),
        Found::Orphan(held) if secret::text(held, DID).is_some_and(|did| *did == resolved.did.as_str()) => {
            let is_of_a_deleted_agent = !held.owner_references().is_empty();
            Some(if is_of_a_deleted_agent { KeyRing::default() } else { KeyRing::read(held) })
        }
        Found::Orphan(_) | Found::Foreign => None,
    }
}

/// Takes all steps of a rotation that the relay's confirmations allow, and stores a generated
/// identity.
///
/// # Errors
/// A conflict, or another error of the API server. Errors of the relay are in
/// [`ConvergedCredentials`].
pub(super) async fn converge(
    context: &Context,
    agent: &Agent,
    resolved: &ResolvedAgent,
    root_key: &RootKey,
    stored: StoredCredentials,
) -> Result<ConvergedCredentials> {
    let StoredCredentials { secret, mut keys } = stored;
    keys.expire(u64::try_from(context.now().as_second()).unwrap_or(0));
    let pass = CredentialsPass { context, agent, resolved, root_key };
    let mut identity_is_stored = true;
    let mut versions = None;
    let (keys, written) = match keys.step(pass.requested(), false) {
        RotationStep::First => {
            let (keys, written) = pass.issue_first(&secret, keys).await?;
            identity_is_stored = root_key.is_stored() || keys.active.is_some();
            (keys, written)
        }
        RotationStep::Stage | RotationStep::Promote | RotationStep::Wait => {
            let identity = identity::store(context, agent, root_key).await?;
            let (secret, keys, written) = pass.rotate(secret, keys).await?;
            if keys.step(pass.requested(), true) == RotationStep::Wait {
                let credentials = secret.usable().and_then(|held| held.resource_version());
                versions = credentials.map(|credentials| SecretVersions { identity, credentials });
            }
            (keys, written)
        }
    };
    Ok(pass.converged(keys.issued(), versions, identity_is_stored, written))
}

/// Has the relay confirm keys whose Secrets have not changed since they were last read.
pub(super) async fn confirm(
    context: &Context,
    agent: &Agent,
    resolved: &ResolvedAgent,
    root_key: &RootKey,
    keys: IssuedKeys,
) -> ConvergedCredentials {
    let pass = CredentialsPass { context, agent, resolved, root_key };
    let written = pass.write_to_relay(&keys).await;
    pass.converged(keys, None, true, written)
}

impl CredentialsPass<'_> {
    /// Has the first key confirmed by the relay, and only then stores it. A crash in between leaves
    /// a hash at the relay that the next write replaces.
    async fn issue_first(&self, secret: &Found, keys: KeyRing) -> Result<(KeyRing, Written)> {
        let next = keys.with_first(ApiKey::generate(&mut rand::rng()), self.requested());
        let written = self.write_to_relay(&next.issued()).await;
        if !is_complete(&written) {
            return Ok((keys, written));
        }
        let (credentials, identity) = futures::join!(
            self.write_secret(secret, &next),
            identity::store(self.context, self.agent, self.root_key)
        );
        credentials?;
        identity?;
        Ok((next, written))
    }

    async fn rotate(&self, mut secret: Found, mut keys: KeyRing) -> Result<(Found, KeyRing, Written)> {
        let now = u64::try_from(self.context.now().as_second()).unwrap_or(0);
        let mut written: Written = Ok(Observed::Unknown);
        for _ in 0..STEPS_MAX {
            let is_confirmed = is_complete(&written);
            match keys.step(self.requested(), is_confirmed) {
                RotationStep::Stage => keys.stage(ApiKey::generate(&mut rand::rng()), self.requested()),
                RotationStep::Promote => {
                    keys.promote(now, overlap(self.agent));
                    self.context.metrics.rotations.inc();
                    self.publish_rotated(&keys).await;
                }
                RotationStep::First => break,
                RotationStep::Wait if is_confirmed => break,
                RotationStep::Wait => {}
            }
            secret = Found::Ours(Box::new(self.write_secret(&secret, &keys).await?));
            written = self.write_to_relay(&keys.issued()).await;
            if !is_complete(&written) {
                break;
            }
        }
        Ok((secret, keys, written))
    }

    fn converged(
        &self,
        keys: IssuedKeys,
        versions: Option<SecretVersions>,
        identity_is_stored: bool,
        written: Written,
    ) -> ConvergedCredentials {
        let programming = Programming::from_result(&written);
        let failure = written.err().map(Error::Relay);
        ConvergedCredentials { keys, versions, programming, identity_is_stored, failure }
    }

    /// The spec's request for a rotation.
    fn requested(&self) -> Option<&str> {
        self.agent.spec.credentials.rotation.requested_rotation.as_deref()
    }

    async fn write_secret(&self, secret: &Found, keys: &KeyRing) -> Result<Secret> {
        let access = self.context.relay_replicas.access(&self.resolved.relay);
        let authorities = access.as_ref().map(|access| access.authorities.as_str());
        let cluster_domain = &self.context.settings.cluster_domain;
        let desired = credentials_secret::build(self.agent, self.resolved, keys, authorities, cluster_domain);
        secret::update(self.context, secret, desired).await
    }

    async fn write_to_relay(&self, keys: &IssuedKeys) -> Written {
        let Self { context, agent, resolved, root_key } = self;
        let cluster_domain = &context.settings.cluster_domain;
        let content = admin_spec(agent, resolved, &root_key.public(), keys.agent_keys(), cluster_domain);
        relay_write::write(context, agent, resolved, &content).await
    }

    async fn publish_rotated(&self, keys: &KeyRing) {
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
        status_writer::publish(self.context, self.agent, event).await;
    }
}

fn is_complete(written: &Written) -> bool {
    matches!(written, Ok(Observed::Known(progress)) if progress.is_complete())
}

/// The overlap of the spec. The API server has checked its pattern and range.
fn overlap(agent: &Agent) -> Duration {
    let seconds = agent.spec.credentials.rotation.overlap.as_secs();
    seconds.map_or(DEFAULT_OVERLAP_GRACE, Duration::from_secs)
}

impl ConvergedCredentials {
    /// The keys for the status.
    #[must_use]
    pub(super) fn summary(&self) -> KeyRingSummary {
        let current = |key: &KeyHash, state| KeySummary { key_id: key.key_id(), state, not_after: None };
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
    use crate::agent::fixtures::{agent, alice, resolved};
    use crate::agent::key_rotation::TOKEN;

    fn held(did: &str, owners: serde_json::Value) -> Box<Secret> {
        let key = ApiKey::generate(&mut rand::rng());
        let metadata = serde_json::json!({"annotations": {label::KEY_ID: key.hash().key_id().to_string()},
            "ownerReferences": owners});
        Box::new(Secret {
            metadata: serde_json::from_value(metadata).unwrap(),
            data: Some(secret::data([(TOKEN, key.reveal()), (DID, did)])),
            ..Secret::default()
        })
    }

    #[test]
    fn credentials_of_a_former_agent_are_adopted_for_the_same_did_and_only_orphaned_keys_go_on() {
        let did = resolved().did.to_string();
        let owner =
            serde_json::json!([{"apiVersion": "v1", "kind": "Agent", "name": "alice", "uid": "dead"}]);
        let has_key = |found: Found| stored_keys(&found, &resolved()).map(|keys| keys.active.is_some());
        assert_eq!(has_key(Found::Orphan(held(&did, serde_json::json!([])))), Some(true));
        assert_eq!(
            has_key(Found::Orphan(held(&did, owner))),
            Some(false),
            "a deleted Agent's key is revoked"
        );
        assert_eq!(has_key(Found::Orphan(held("did:wba:of:another", serde_json::json!([])))), None);
        assert_eq!(has_key(Found::Foreign), None);
        assert_eq!(has_key(Found::None), Some(false));
    }

    #[test]
    fn the_overlap_is_that_of_the_spec() {
        let with = |overlap: &str| {
            overlap_of(&agent(serde_json::json!({"tenantRef": {"name": "acme"},
                "credentials": {"rotation": {"overlap": overlap}}})))
        };
        assert_eq!(overlap_of(&alice()), 86_400);
        assert_eq!((with("90m"), with("0s")), (5_400, 0));
    }

    fn overlap_of(agent: &Agent) -> u64 {
        overlap(agent).as_secs()
    }
}
