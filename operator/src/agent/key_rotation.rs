//! The rotation of an agent's API keys. Pure; new keys and the time are arguments.
//!
//! A new key is staged. When the relay has confirmed it, it becomes the active key in the Secret,
//! and the old key stays valid until its overlap ends. All state is in the Secret, so a crash
//! between two steps loses nothing.

use std::time::Duration;

use crds::label;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt as _;
use protocol::UnixSeconds;
use protocol::admin::AgentKey;
use protocol::api_key::{ApiKey, KeyHash};
use serde::{Deserialize, Serialize};

use crate::secret;

/// Data key of the active key, which clients use.
pub(crate) const TOKEN: &str = "token";
/// Data key of the staged key.
pub(crate) const STAGED: &str = "token.next";
/// Maximum number of retiring keys. With the active and the staged key it is below the relay's
/// limit. Too many rotations within one overlap revoke the oldest key early.
const RETIRING_MAX: usize = 2;

/// A replaced key that is valid until its overlap ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RetiringKey {
    pub sha256: KeyHash,
    pub not_after: UnixSeconds,
}

/// The API keys of one agent.
#[derive(Clone, Default)]
pub(crate) struct KeyRing {
    pub active: Option<ApiKey>,
    pub staged: Option<ApiKey>,
    pub retiring: Vec<RetiringKey>,
    /// The value of `requestedRotation` that the newest key was created for.
    pub handled: Option<String>,
}

/// The next step of a rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RotationStep {
    /// Generate a key and stage it in the Secret.
    Stage,
    /// Make the staged key the active one. The relay has confirmed it.
    Promote,
    /// Wait for the relay's confirmation, or for a request.
    Wait,
}

impl KeyRing {
    /// The key ring in a Secret. An active key that somebody else wrote is dropped, and a new one
    /// is staged.
    #[must_use]
    pub(crate) fn read(held: &Secret) -> Self {
        let key = |name: &str| secret::text(held, name).and_then(|text| text.parse::<ApiKey>().ok());
        let key_id = held.annotations().get(label::KEY_ID);
        let retiring = held.annotations().get(label::RETIRING);
        Self {
            active: key(TOKEN)
                .filter(|active| key_id.is_some_and(|id| id == active.hash().key_id().as_str())),
            staged: key(STAGED),
            retiring: retiring.and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default(),
            handled: held.annotations().get(label::ROTATION).filter(|value| !value.is_empty()).cloned(),
        }
    }

    /// The next step. `requested` is the spec's `requestedRotation`; `is_confirmed` says whether
    /// every replica of the relay has the current keys.
    #[must_use]
    pub(crate) fn step(&self, requested: Option<&str>, is_confirmed: bool) -> RotationStep {
        if self.staged.is_some() {
            return if is_confirmed { RotationStep::Promote } else { RotationStep::Wait };
        }
        let is_requested =
            requested.is_some_and(|value| !value.is_empty() && self.handled.as_deref() != Some(value));
        if self.active.is_none() || is_requested { RotationStep::Stage } else { RotationStep::Wait }
    }

    /// Stages a new key. It answers the request, if there is one.
    pub(crate) fn stage(&mut self, key: ApiKey, requested: Option<&str>) {
        self.staged = Some(key);
        self.handled =
            requested.filter(|value| !value.is_empty()).map(str::to_owned).or_else(|| self.handled.take());
    }

    /// Makes the staged key the active one. The old key is valid for `overlap`, and is dropped if
    /// that is zero.
    pub(crate) fn promote(&mut self, now: UnixSeconds, overlap: Duration) {
        let Some(staged) = self.staged.take() else { return };
        if let Some(old) = self.active.replace(staged)
            && !overlap.is_zero()
        {
            self.retiring
                .push(RetiringKey { sha256: old.hash(), not_after: now.saturating_add(overlap.as_secs()) });
        }
        let excess = self.retiring.len().saturating_sub(RETIRING_MAX);
        self.retiring.drain(..excess);
    }

    /// Drops keys whose overlap has ended. The relay knows the end and refuses them already.
    pub(crate) fn expire(&mut self, now: UnixSeconds) {
        self.retiring.retain(|key| key.not_after > now);
    }

    /// The hashes of all valid keys, for the relay.
    #[must_use]
    pub(crate) fn agent_keys(&self) -> Vec<AgentKey> {
        let current = [&self.active, &self.staged].into_iter().flatten();
        let current = current.map(|key| AgentKey { sha256: key.hash(), not_after: None });
        let retiring =
            self.retiring.iter().map(|key| AgentKey { sha256: key.sha256, not_after: Some(key.not_after) });
        current.chain(retiring).collect()
    }

    /// The time until the next retiring key expires.
    #[must_use]
    pub(crate) fn until_next_expiry(&self, now: jiff::Timestamp) -> Option<Duration> {
        let now = u64::try_from(now.as_second()).unwrap_or(0);
        let next = self.retiring.iter().map(|key| key.not_after).min()?;
        // One second more, so that the key has expired at the next reconcile.
        Some(Duration::from_secs(next.saturating_sub(now).saturating_add(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OVERLAP_GRACE: Duration = Duration::from_secs(3600);

    fn key() -> ApiKey {
        ApiKey::generate(&mut rand::rng())
    }

    fn active() -> KeyRing {
        let mut keys = KeyRing::default();
        keys.stage(key(), None);
        keys.promote(0, OVERLAP_GRACE);
        keys
    }

    #[test]
    fn the_first_key_is_confirmed_before_clients_see_it() {
        let mut keys = KeyRing::default();
        assert_eq!(keys.step(None, false), RotationStep::Stage);
        keys.stage(key(), None);
        assert!(keys.active.is_none());
        assert_eq!(keys.step(None, false), RotationStep::Wait);
        assert_eq!(keys.step(None, true), RotationStep::Promote);
        keys.promote(10, OVERLAP_GRACE);
        assert!(keys.active.is_some() && keys.retiring.is_empty());
        assert_eq!(keys.step(None, true), RotationStep::Wait);
    }

    #[test]
    fn a_new_value_of_the_request_rotates_once() {
        let mut keys = active();
        assert_eq!(keys.step(Some("now"), true), RotationStep::Stage);
        keys.stage(key(), Some("now"));
        keys.promote(10, OVERLAP_GRACE);
        assert_eq!(keys.step(Some("now"), true), RotationStep::Wait);
        assert_eq!(keys.step(Some("again"), true), RotationStep::Stage);
        assert_eq!(keys.step(None, true), RotationStep::Wait, "taking the value away rotates nothing");
        assert_eq!(keys.step(Some(""), true), RotationStep::Wait);
    }

    #[test]
    fn old_and_new_key_are_both_accepted_at_every_moment_of_a_rotation() {
        let mut keys = active();
        let old = keys.active.clone().unwrap().hash();
        let known = |keys: &KeyRing| keys.agent_keys().into_iter().map(|key| key.sha256).collect::<Vec<_>>();
        assert!(known(&keys).contains(&old));
        keys.stage(key(), Some("now"));
        let new = keys.staged.clone().unwrap().hash();
        assert!(known(&keys).contains(&old) && known(&keys).contains(&new));
        keys.promote(100, OVERLAP_GRACE);
        assert!(known(&keys).contains(&old) && known(&keys).contains(&new));
        keys.expire(100 + 3599);
        assert!(known(&keys).contains(&old));
        keys.expire(100 + 3600);
        assert_eq!(known(&keys), [new]);
    }

    #[test]
    fn without_overlap_the_old_key_is_dropped_at_the_promotion() {
        let mut keys = active();
        keys.stage(key(), Some("leaked"));
        keys.promote(100, Duration::ZERO);
        assert_eq!(keys.agent_keys().len(), 1);
    }

    #[test]
    fn hasty_rotations_stay_below_the_relays_limit() {
        let mut keys = active();
        for round in 0..20 {
            keys.stage(key(), Some(&round.to_string()));
            assert!(keys.agent_keys().len() <= protocol::admin::KEYS_PER_AGENT_MAX);
            keys.promote(round, OVERLAP_GRACE);
        }
        assert_eq!(keys.retiring.len(), RETIRING_MAX);
    }

    #[test]
    fn a_token_that_somebody_else_wrote_is_replaced() {
        let ours = key();
        let held = |token: &str, key_id: &str| -> Secret {
            Secret {
                metadata: serde_json::from_value(serde_json::json!({"annotations": {label::KEY_ID: key_id}}))
                    .unwrap(),
                data: Some(secret::data([(TOKEN, token)])),
                ..Secret::default()
            }
        };
        let key_id = ours.hash().key_id().to_string();
        assert!(KeyRing::read(&held(ours.reveal(), &key_id)).active.is_some());
        let tampered = KeyRing::read(&held(key().reveal(), &key_id));
        assert!(tampered.active.is_none());
        assert_eq!(tampered.step(None, true), RotationStep::Stage);
    }
}
