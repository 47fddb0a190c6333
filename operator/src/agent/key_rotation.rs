//! The rotation of an agent's API keys. Pure; new keys and the time are arguments.
//!
//! The first key is confirmed by the relay before it is in the Secret. A crash in between leaves a
//! hash at the relay that the next write replaces. A later key is staged in the Secret. When the
//! relay has confirmed it, it becomes the active key, and the old key stays valid until its overlap
//! ends. All state is in the Secret, so a crash between two steps loses nothing.

use std::time::Duration;

use crds::label;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt as _;
use protocol::UnixSeconds;
use protocol::api_key::ApiKey;

use crate::issued_keys::{IssuedKeys, RetiringKey};
use crate::secret;

/// Data key of the active key, which clients use.
pub(crate) const TOKEN: &str = "token";
/// Data key of the staged key.
pub(crate) const STAGED: &str = "token.next";
/// Maximum number of retiring keys. With the active and the staged key it is below the relay's
/// limit. Too many rotations within one overlap revoke the oldest key early.
const RETIRING_MAX: usize = 2;

/// The API keys of one agent.
#[derive(Clone, Default)]
pub(crate) struct KeyRing {
    pub active: Option<ApiKey>,
    pub staged: Option<ApiKey>,
    pub retiring: Vec<RetiringKey>,
    /// The value of `requestedRotation` that the active key was created for.
    pub handled: Option<String>,
    /// The value of `requestedRotation` that the staged key was created for.
    pub staged_for: Option<String>,
}

/// The next step of a rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RotationStep {
    /// Generate the first key. It is not in the Secret before the relay has confirmed it.
    First,
    /// Generate a key and stage it in the Secret.
    Stage,
    /// Make the staged key the active one. The relay has confirmed it.
    Promote,
    /// Wait for the relay's confirmation, or for a request.
    Wait,
}

impl KeyRing {
    /// The key ring in a Secret. An active key that somebody else wrote is dropped, and a new one
    /// is generated.
    #[must_use]
    pub(crate) fn read(held: &Secret) -> Self {
        let key = |name: &str| secret::text(held, name).and_then(|text| text.parse::<ApiKey>().ok());
        let key_id = held.annotations().get(label::KEY_ID);
        let retiring = held.annotations().get(label::RETIRING);
        let value = |key: &str| held.annotations().get(key).filter(|value| !value.is_empty()).cloned();
        Self {
            active: key(TOKEN)
                .filter(|active| key_id.is_some_and(|id| id == active.hash().key_id().as_str())),
            staged: key(STAGED),
            retiring: retiring.and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default(),
            handled: value(label::ROTATION),
            staged_for: value(label::STAGED_ROTATION),
        }
    }

    /// The next step. `requested` is the spec's `requestedRotation`; `is_confirmed` says whether
    /// every replica of the relay has the current keys.
    #[must_use]
    pub(crate) fn step(&self, requested: Option<&str>, is_confirmed: bool) -> RotationStep {
        if self.staged.is_some() {
            return if is_confirmed { RotationStep::Promote } else { RotationStep::Wait };
        }
        if self.active.is_none() {
            return RotationStep::First;
        }
        let is_requested =
            requested.is_some_and(|value| !value.is_empty() && self.handled.as_deref() != Some(value));
        if is_requested { RotationStep::Stage } else { RotationStep::Wait }
    }

    /// The key ring with a first active key. It answers the request, if there is one.
    #[must_use]
    pub(crate) fn with_first(&self, key: ApiKey, requested: Option<&str>) -> Self {
        let mut keys = self.clone();
        keys.stage(key, requested);
        keys.promote(0, Duration::ZERO);
        keys
    }

    /// Stages a new key for the request, if there is one.
    pub(crate) fn stage(&mut self, key: ApiKey, requested: Option<&str>) {
        self.staged = Some(key);
        self.staged_for = requested.filter(|value| !value.is_empty()).map(str::to_owned);
    }

    /// Makes the staged key the active one. The old key is valid for `overlap`, and is dropped if
    /// that is zero.
    pub(crate) fn promote(&mut self, now: UnixSeconds, overlap: Duration) {
        let Some(staged) = self.staged.take() else { return };
        self.handled = self.staged_for.take().or_else(|| self.handled.take());
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

    /// The keys without their secrets.
    #[must_use]
    pub(crate) fn issued(&self) -> IssuedKeys {
        IssuedKeys {
            active: self.active.as_ref().map(ApiKey::hash),
            staged: self.staged.as_ref().map(ApiKey::hash),
            retiring: self.retiring.clone(),
            handled: self.handled.clone(),
        }
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
        KeyRing::default().with_first(key(), None)
    }

    #[test]
    fn the_first_key_is_not_staged_and_answers_the_request() {
        let none = KeyRing::default();
        assert_eq!(none.step(Some("first"), false), RotationStep::First);
        let keys = none.with_first(key(), Some("first"));
        assert!(keys.active.is_some() && keys.staged.is_none() && keys.retiring.is_empty());
        assert_eq!(keys.handled.as_deref(), Some("first"));
        assert_eq!(keys.step(Some("first"), true), RotationStep::Wait);
    }

    #[test]
    fn a_first_key_that_a_former_version_staged_is_promoted_when_it_is_confirmed() {
        let mut keys = KeyRing { staged: Some(key()), ..KeyRing::default() };
        assert_eq!(keys.step(None, false), RotationStep::Wait);
        assert_eq!(keys.step(None, true), RotationStep::Promote);
        keys.promote(10, OVERLAP_GRACE);
        assert!(keys.active.is_some() && keys.retiring.is_empty());
    }

    #[test]
    fn a_rotation_is_handled_only_when_the_new_key_is_the_token() {
        let mut keys = active();
        keys.stage(key(), Some("now"));
        assert_eq!(keys.handled, None, "the token is still the old key");
        assert_eq!(keys.step(Some("again"), false), RotationStep::Wait);
        keys.promote(10, OVERLAP_GRACE);
        assert_eq!(keys.handled.as_deref(), Some("now"));
        assert_eq!(
            keys.step(Some("again"), true),
            RotationStep::Stage,
            "a request made meanwhile is not lost"
        );
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
        let known =
            |keys: &KeyRing| keys.issued().agent_keys().into_iter().map(|key| key.sha256).collect::<Vec<_>>();
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
        assert_eq!(keys.issued().agent_keys().len(), 1);
    }

    #[test]
    fn hasty_rotations_stay_below_the_relays_limit() {
        let mut keys = active();
        for round in 0..20 {
            keys.stage(key(), Some(&round.to_string()));
            assert!(keys.issued().agent_keys().len() <= protocol::admin::KEYS_PER_AGENT_MAX);
            keys.promote(round, OVERLAP_GRACE);
        }
        assert_eq!(keys.retiring.len(), 2);
    }

    #[test]
    fn over_the_limit_the_key_that_was_replaced_first_ends_first() {
        let mut keys = active();
        let mut replaced = Vec::new();
        for round in 0..4 {
            replaced.push(keys.active.clone().unwrap().hash());
            keys.stage(key(), Some(&round.to_string()));
            keys.promote(round, OVERLAP_GRACE);
        }
        let retiring: Vec<_> = keys.retiring.iter().map(|key| key.sha256).collect();
        assert_eq!(retiring, replaced[2..]);
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
        assert_eq!(tampered.step(None, true), RotationStep::First);
    }
}
