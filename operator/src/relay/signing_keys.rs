//! Rotates the keys that sign access tokens. They are in one Secret, as `<Unix seconds of
//! creation>.pem`.
//!
//! The newest key signs and all are published, so that a rotation invalidates no token. Decisions
//! are pure; [`converge`] reads and writes the Secret.

use std::collections::BTreeMap;
use std::time::Duration;

use crds::{Relay, label, name};
use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _};
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt as _;
use protocol::UnixSeconds;
use zeroize::Zeroizing;

use super::metadata::secret_metadata;
use super::relay_secret::find;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::object_key::NamespacedName;
use crate::secret;

const SUFFIX: &str = ".pem";
/// Time for which a replaced key stays published.
const OVERLAP_GRACE_SECONDS: u64 = 3600;
/// Validity of an access token that the relay issues.
const ACCESS_TOKEN_TTL_SECONDS: u64 = 600;
/// How late a kubelet may mount a changed Secret.
const KUBELET_GRACE_SECONDS: u64 = 120;
const _: () = assert!(
    OVERLAP_GRACE_SECONDS > ACCESS_TOKEN_TTL_SECONDS + KUBELET_GRACE_SECONDS,
    "a token must not outlive the publication of the key that signed it"
);
/// Maximum number of keys, below the relay's limit. Too many rotations within one overlap drop the
/// oldest early.
const KEYS_MAX: usize = 8;

/// What the status reports about the keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SigningKeyInfo {
    /// When the newest key was created.
    pub since: UnixSeconds,
    pub handled: Option<String>,
    /// When the next step is due.
    pub due: UnixSeconds,
}

/// The keys by their time of creation.
#[derive(Clone, Default)]
struct SigningKeySet {
    keys: BTreeMap<UnixSeconds, Zeroizing<String>>,
    handled: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Wait,
    Create,
    /// Drop keys whose tokens have all expired, and those above the maximum.
    Drop(Vec<UnixSeconds>),
}

impl SigningKeySet {
    /// The keys in a Secret. One that somebody changed is dropped, because the relay reads none of
    /// them while one is malformed.
    fn read(secret: &Secret) -> Self {
        let created = |name: &String| name.strip_suffix(SUFFIX)?.parse().ok();
        let names = secret.data.iter().flat_map(BTreeMap::keys);
        let key = |name: &String| secret::text(secret, name).filter(|pem| is_key(pem));
        let keys = names.filter_map(|name| Some((created(name)?, key(name)?))).collect();
        let handled = secret.annotations().get(label::ROTATION).filter(|value| !value.is_empty()).cloned();
        Self { keys, handled }
    }

    fn step(&self, requested: Option<&str>, rotate_after: u64, now: UnixSeconds) -> Step {
        let is_requested = requested.is_some() && requested != self.handled.as_deref();
        let Some((newest, _)) = self.keys.last_key_value() else { return Step::Create };
        // A second key within one second would have the same name.
        if *newest < now && (is_requested || newest.saturating_add(rotate_after) <= now) {
            return Step::Create;
        }
        let expired = self.superseded().filter(|(_, until)| *until <= now).map(|(created, _)| created);
        let surplus = self.keys.keys().copied().take(self.keys.len().saturating_sub(KEYS_MAX));
        let mut dropped: Vec<_> = expired.chain(surplus).collect();
        dropped.sort_unstable();
        dropped.dedup();
        if dropped.is_empty() { Step::Wait } else { Step::Drop(dropped) }
    }

    /// Every replaced key, and until when it stays published.
    fn superseded(&self) -> impl Iterator<Item = (UnixSeconds, UnixSeconds)> {
        let successors = self.keys.keys().skip(1);
        self.keys
            .keys()
            .zip(successors)
            .map(|(created, successor)| (*created, successor.saturating_add(OVERLAP_GRACE_SECONDS)))
    }

    /// `None` without a key.
    fn info(&self, rotate_after: u64) -> Option<SigningKeyInfo> {
        let (since, _) = self.keys.last_key_value()?;
        let rotation = since.saturating_add(rotate_after);
        let due = self.superseded().map(|(_, until)| until).fold(rotation, UnixSeconds::min);
        Some(SigningKeyInfo { since: *since, handled: self.handled.clone(), due })
    }

    fn secret(&self, relay: &Relay) -> Secret {
        let name = name::relay_oauth_keys(&relay.name_any());
        let mut metadata = secret_metadata(relay, &name, label::SECRET_OAUTH_KEYS);
        let handled = self.handled.clone().unwrap_or_default();
        metadata.annotations.get_or_insert_default().insert(label::ROTATION.to_owned(), handled);
        let named: Vec<_> =
            self.keys.iter().map(|(created, pem)| (format!("{created:012}{SUFFIX}"), pem)).collect();
        let data = secret::data(named.iter().map(|(name, pem)| (name.as_str(), pem.as_str())));
        Secret { metadata, type_: Some("Opaque".into()), data: Some(data), ..Secret::default() }
    }
}

/// Creates the first key, and the next one when it is due or requested. Drops keys that no valid
/// token needs.
///
/// # Errors
/// [`Error::NameTaken`] for a Secret of another owner, and errors of the API server.
pub(crate) async fn converge(context: &Context, relay: &Relay) -> Result<SigningKeyInfo> {
    let secret_name = NamespacedName::new(
        &relay.namespace().unwrap_or_default(),
        &name::relay_oauth_keys(&relay.name_any()),
    );
    let found = find(context, relay, &secret_name, label::SECRET_OAUTH_KEYS).await?;
    let mut key_set = found.usable().map(SigningKeySet::read).unwrap_or_default();
    let now = u64::try_from(context.now().as_second()).unwrap_or(0);
    let requested = relay.spec.oauth.signing_keys.requested_rotation.as_deref();
    let rotate_after = rotate_after(relay);
    let step = key_set.step(requested, rotate_after, now);
    match &step {
        Step::Wait => {}
        Step::Create => {
            key_set.keys.insert(now, generate()?);
            key_set.handled = requested.map(str::to_owned).or(key_set.handled);
        }
        Step::Drop(dropped) => key_set.keys.retain(|created, _| !dropped.contains(created)),
    }
    secret::write(context, &found, key_set.secret(relay)).await?;
    if step == Step::Create {
        tracing::info!(secret = %secret_name, "created a new key for signing access tokens");
    }
    let unreadable = || Error::SecretContent { what: "signing keys", secret: secret_name.to_string() };
    key_set.info(rotate_after).ok_or_else(unreadable)
}

/// The time until the next step is due.
#[must_use]
pub(crate) fn until_next_step(info: &SigningKeyInfo, now: jiff::Timestamp) -> Duration {
    let now = u64::try_from(now.as_second()).unwrap_or(0);
    Duration::from_secs(info.due.saturating_sub(now).max(1))
}

/// The rotation interval of the spec in seconds. The API server has checked its pattern and range.
fn rotate_after(relay: &Relay) -> u64 {
    relay.spec.oauth.signing_keys.rotate_after.as_secs().unwrap_or(2160 * 3600)
}

fn is_key(pem: &str) -> bool {
    SigningKey::from_pkcs8_pem(pem).is_ok()
}

/// Generates a key, as PKCS#8 in PEM (RFC 8410).
fn generate() -> Result<Zeroizing<String>> {
    let seed = Zeroizing::new(rand::random::<[u8; 32]>());
    SigningKey::from_bytes(&seed).to_pkcs8_pem(LineEnding::LF).map_err(Error::MakeSigningKey)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::build::tests::relay;

    const ROTATION_INTERVAL_SECONDS: u64 = 24 * 3600;
    const NOW: u64 = 1_790_000_000;

    fn key_set(created: &[u64]) -> SigningKeySet {
        let keys = created.iter().map(|created| (*created, Zeroizing::new("PEM".to_owned()))).collect();
        SigningKeySet { keys, handled: None }
    }

    #[test]
    fn a_replaced_key_stays_published_for_an_hour() {
        assert_eq!((OVERLAP_GRACE_SECONDS, KEYS_MAX), (3600, 8));
    }

    #[test]
    fn the_first_key_is_created_and_kept_until_it_is_old() {
        assert_eq!(key_set(&[]).step(None, ROTATION_INTERVAL_SECONDS, NOW), Step::Create);
        assert_eq!(key_set(&[NOW]).step(None, ROTATION_INTERVAL_SECONDS, NOW), Step::Wait);
        assert_eq!(
            key_set(&[NOW]).step(None, ROTATION_INTERVAL_SECONDS, NOW + ROTATION_INTERVAL_SECONDS - 1),
            Step::Wait
        );
        assert_eq!(
            key_set(&[NOW]).step(None, ROTATION_INTERVAL_SECONDS, NOW + ROTATION_INTERVAL_SECONDS),
            Step::Create
        );
        assert_eq!(
            key_set(&[NOW]).info(ROTATION_INTERVAL_SECONDS).unwrap().due,
            NOW + ROTATION_INTERVAL_SECONDS
        );
    }

    #[test]
    fn a_replaced_key_is_published_until_its_last_token_has_expired() {
        let both = key_set(&[NOW, NOW + ROTATION_INTERVAL_SECONDS]);
        assert_eq!(
            both.info(ROTATION_INTERVAL_SECONDS).unwrap().due,
            NOW + ROTATION_INTERVAL_SECONDS + OVERLAP_GRACE_SECONDS
        );
        assert_eq!(
            both.step(
                None,
                ROTATION_INTERVAL_SECONDS,
                NOW + ROTATION_INTERVAL_SECONDS + OVERLAP_GRACE_SECONDS - 1
            ),
            Step::Wait
        );
        assert_eq!(
            both.step(
                None,
                ROTATION_INTERVAL_SECONDS,
                NOW + ROTATION_INTERVAL_SECONDS + OVERLAP_GRACE_SECONDS
            ),
            Step::Drop(vec![NOW])
        );
        assert_eq!(both.info(ROTATION_INTERVAL_SECONDS).unwrap().since, NOW + ROTATION_INTERVAL_SECONDS);
    }

    #[test]
    fn a_request_creates_one_key_once() {
        let mut key_set = key_set(&[NOW]);
        assert_eq!(key_set.step(Some("now"), ROTATION_INTERVAL_SECONDS, NOW + 5), Step::Create);
        key_set.handled = Some("now".into());
        assert_eq!(key_set.step(Some("now"), ROTATION_INTERVAL_SECONDS, NOW + 5), Step::Wait);
    }

    #[test]
    fn hasty_rotations_stay_below_the_relays_limit() {
        let created: Vec<_> = (0..10).map(|n| NOW + n).collect();
        assert_eq!(
            key_set(&created).step(None, ROTATION_INTERVAL_SECONDS, NOW + 10),
            Step::Drop(vec![NOW, NOW + 1])
        );
    }

    #[test]
    fn keys_are_read_back_as_written_in_the_order_of_their_names() {
        let relay = relay(serde_json::json!({"domain": "a.example"}));
        let mut key_set = key_set(&[]);
        key_set.keys.insert(999, generate().unwrap());
        key_set.keys.insert(NOW, generate().unwrap());
        key_set.handled = Some("now".into());
        let secret = key_set.secret(&relay);
        let names: Vec<_> = secret.data.as_ref().unwrap().keys().cloned().collect();
        assert_eq!(names, ["000000000999.pem", "001790000000.pem"]);
        let again = SigningKeySet::read(&secret);
        assert_eq!((again.keys, again.handled), (key_set.keys, key_set.handled));
        let pem = secret::text(&secret, "001790000000.pem").unwrap();
        assert!(pem.starts_with("-----BEGIN PRIVATE KEY-----"));
    }

    #[test]
    fn a_key_that_somebody_changed_is_dropped_and_replaced_if_it_was_the_only_one() {
        let relay = relay(serde_json::json!({"domain": "a.example"}));
        let mut key_set = key_set(&[]);
        key_set.keys.insert(NOW - 5, generate().unwrap());
        key_set.keys.insert(NOW, Zeroizing::new("edited".to_owned()));
        let one_left = SigningKeySet::read(&key_set.secret(&relay));
        assert_eq!(one_left.keys.keys().collect::<Vec<_>>(), [&(NOW - 5)]);
        key_set.keys.remove(&(NOW - 5));
        let none_left = SigningKeySet::read(&key_set.secret(&relay));
        assert_eq!(none_left.step(None, ROTATION_INTERVAL_SECONDS, NOW), Step::Create);
    }
}
