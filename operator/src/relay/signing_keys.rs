//! The keys that sign access tokens, in one Secret: `<Unix seconds of its making>.pem` each. The last one signs, all are published, so
//! that a rotation drops no token. Decisions are pure; [`converge`] touches the cluster.

use std::collections::BTreeMap;
use std::time::Duration;

use crds::{Relay, label, name};
use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::EncodePrivateKey as _;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt as _;
use protocol::UnixSeconds;
use zeroize::Zeroizing;

use super::build;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::key::Name;
use crate::pod;
use crate::secret::{self, Found};

const SUFFIX: &str = ".pem";
/// Seconds that a replaced key stays published: its tokens live ten minutes, and a kubelet may show a changed Secret two
/// minutes late.
const OVERLAP_SECONDS: u64 = 3600;
/// Keys kept at once, below the relay's limit; more rotations inside one overlap drop the oldest early.
const KEYS_MAX: usize = 8;

/// What the status says of the keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Facts {
    pub since: UnixSeconds,
    pub handled: Option<String>,
    /// When the next step is due.
    pub due: UnixSeconds,
}

/// The keys by the time they were made.
#[derive(Clone, Default)]
struct Ring {
    keys: BTreeMap<UnixSeconds, Zeroizing<String>>,
    handled: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Rest,
    Make,
    /// Keys whose tokens have all expired, or that are too many.
    Drop(Vec<UnixSeconds>),
}

impl Ring {
    fn read(secret: &Secret) -> Self {
        let made = |name: &String| name.strip_suffix(SUFFIX)?.parse().ok();
        let names = secret.data.iter().flat_map(BTreeMap::keys);
        let keys = names.filter_map(|name| Some((made(name)?, secret::text(secret, name)?))).collect();
        let handled = secret.annotations().get(label::ROTATION).filter(|value| !value.is_empty()).cloned();
        Self { keys, handled }
    }

    fn step(&self, requested: Option<&str>, rotate_after: u64, now: UnixSeconds) -> Step {
        let is_requested = requested.is_some() && requested != self.handled.as_deref();
        let Some((newest, _)) = self.keys.last_key_value() else { return Step::Make };
        // A second key of the same second would have the same name.
        if *newest < now && (is_requested || newest.saturating_add(rotate_after) <= now) {
            return Step::Make;
        }
        let expired = self.superseded().filter(|(_, until)| *until <= now).map(|(made, _)| made);
        let surplus = self.keys.keys().copied().take(self.keys.len().saturating_sub(KEYS_MAX));
        let mut dropped: Vec<_> = expired.chain(surplus).collect();
        dropped.sort_unstable();
        dropped.dedup();
        if dropped.is_empty() { Step::Rest } else { Step::Drop(dropped) }
    }

    /// Each key that signs no longer, and until when it is published.
    fn superseded(&self) -> impl Iterator<Item = (UnixSeconds, UnixSeconds)> {
        let successors = self.keys.keys().skip(1);
        self.keys
            .keys()
            .zip(successors)
            .map(|(made, successor)| (*made, successor.saturating_add(OVERLAP_SECONDS)))
    }

    /// `None` before the first key.
    fn facts(&self, rotate_after: u64) -> Option<Facts> {
        let (since, _) = self.keys.last_key_value()?;
        let rotation = since.saturating_add(rotate_after);
        let due = self.superseded().map(|(_, until)| until).fold(rotation, UnixSeconds::min);
        Some(Facts { since: *since, handled: self.handled.clone(), due })
    }

    fn secret(&self, relay: &Relay) -> Secret {
        let mut labels = pod::labels(label::RELAY, &relay.name_any(), build::COMPONENT);
        labels.insert(label::SECRET_KIND.into(), label::SECRET_OAUTH_KEYS.into());
        let mut metadata = pod::owned_by(relay, name::relay_oauth_keys(&relay.name_any()), labels);
        let handled = self.handled.clone().unwrap_or_default();
        metadata.annotations = Some([(label::ROTATION.to_owned(), handled)].into());
        let named: Vec<_> =
            self.keys.iter().map(|(made, pem)| (format!("{made:012}{SUFFIX}"), pem)).collect();
        let data = secret::data(named.iter().map(|(name, pem)| (name.as_str(), pem.as_str())));
        Secret { metadata, type_: Some("Opaque".into()), data: Some(data), ..Secret::default() }
    }
}

/// Makes the first key, and the next one when it is due or asked for; drops those nobody needs.
///
/// # Errors
/// [`Error::NameTaken`] for a foreign Secret; what the API server says.
pub(crate) async fn converge(context: &Context, relay: &Relay) -> Result<Facts> {
    let secret_name =
        Name::new(&relay.namespace().unwrap_or_default(), &name::relay_oauth_keys(&relay.name_any()));
    let uid = relay.uid().unwrap_or_default();
    let found = secret::read(&context.client, &secret_name, label::SECRET_OAUTH_KEYS, &uid).await?;
    let mut ring = match &found {
        Found::Ours(held) => Ring::read(held),
        Found::None | Found::Foreign => Ring::default(),
    };
    let now = u64::try_from(context.now().as_second()).unwrap_or(0);
    let requested = relay.spec.oauth.signing_keys.requested_rotation.as_deref();
    let rotate_after = rotate_after(relay);
    match ring.step(requested, rotate_after, now) {
        Step::Rest => {}
        Step::Make => {
            ring.keys.insert(now, make()?);
            ring.handled = requested.map(str::to_owned).or(ring.handled);
            secret::write(&context.client, &found, ring.secret(relay)).await?;
            tracing::info!(secret = %secret_name, "a new key signs access tokens");
        }
        Step::Drop(superseded) => {
            ring.keys.retain(|made, _| !superseded.contains(made));
            secret::write(&context.client, &found, ring.secret(relay)).await?;
        }
    }
    let unreadable = || Error::SecretContent { what: "signing keys", secret: secret_name.to_string() };
    ring.facts(rotate_after).ok_or_else(unreadable)
}

/// How long until the keys need a look.
#[must_use]
pub(crate) fn wait(facts: &Facts, now: jiff::Timestamp) -> Duration {
    let now = u64::try_from(now.as_second()).unwrap_or(0);
    Duration::from_secs(facts.due.saturating_sub(now).max(1))
}

/// The pattern and range of the spec are checked by the API server.
fn rotate_after(relay: &Relay) -> u64 {
    let parsed = relay.spec.oauth.signing_keys.rotate_after.parse::<kube::core::Duration>();
    parsed.map_or(2160 * 3600, |duration| Duration::from(duration).as_secs())
}

/// PKCS#8 in PEM (RFC 8410).
fn make() -> Result<Zeroizing<String>> {
    let seed = Zeroizing::new(rand::random::<[u8; 32]>());
    SigningKey::from_bytes(&seed).to_pkcs8_pem(LineEnding::LF).map_err(Error::MakeSigningKey)
}

#[cfg(test)]
mod tests {
    use super::super::build::tests::relay;
    use super::*;

    const DAY: u64 = 24 * 3600;
    const NOW: u64 = 1_790_000_000;

    fn ring(made: &[u64]) -> Ring {
        let keys = made.iter().map(|made| (*made, Zeroizing::new("PEM".to_owned()))).collect();
        Ring { keys, handled: None }
    }

    #[test]
    fn the_first_key_is_made_and_rests_until_it_is_old() {
        assert_eq!(ring(&[]).step(None, DAY, NOW), Step::Make);
        assert_eq!(ring(&[NOW]).step(None, DAY, NOW), Step::Rest);
        assert_eq!(ring(&[NOW]).step(None, DAY, NOW + DAY - 1), Step::Rest);
        assert_eq!(ring(&[NOW]).step(None, DAY, NOW + DAY), Step::Make);
        assert_eq!(ring(&[NOW]).facts(DAY).unwrap().due, NOW + DAY);
    }

    #[test]
    fn a_replaced_key_is_published_until_its_last_token_is_dead() {
        let both = ring(&[NOW, NOW + DAY]);
        assert_eq!(both.facts(DAY).unwrap().due, NOW + DAY + OVERLAP_SECONDS);
        assert_eq!(both.step(None, DAY, NOW + DAY + OVERLAP_SECONDS - 1), Step::Rest);
        assert_eq!(both.step(None, DAY, NOW + DAY + OVERLAP_SECONDS), Step::Drop(vec![NOW]));
        assert_eq!(both.facts(DAY).unwrap().since, NOW + DAY);
    }

    #[test]
    fn a_request_makes_one_key_once() {
        let mut ring = ring(&[NOW]);
        assert_eq!(ring.step(Some("now"), DAY, NOW + 5), Step::Make);
        ring.handled = Some("now".into());
        assert_eq!(ring.step(Some("now"), DAY, NOW + 5), Step::Rest);
    }

    #[test]
    fn hasty_rotations_stay_below_the_relays_limit() {
        let made: Vec<_> = (0..10).map(|n| NOW + n).collect();
        assert_eq!(ring(&made).step(None, DAY, NOW + 10), Step::Drop(vec![NOW, NOW + 1]));
    }

    #[test]
    fn keys_are_read_back_as_written_in_the_order_of_their_names() {
        let relay = relay(serde_json::json!({"domain": "a.example"}));
        let mut ring = ring(&[]);
        ring.keys.insert(999, make().unwrap());
        ring.keys.insert(NOW, make().unwrap());
        ring.handled = Some("now".into());
        let secret = ring.secret(&relay);
        let names: Vec<_> = secret.data.as_ref().unwrap().keys().cloned().collect();
        assert_eq!(names, ["000000000999.pem", "001790000000.pem"]);
        let again = Ring::read(&secret);
        assert_eq!((again.keys, again.handled), (ring.keys, ring.handled));
        let pem = secret::text(&secret, "001790000000.pem").unwrap();
        assert!(pem.starts_with("-----BEGIN PRIVATE KEY-----"));
    }
}
