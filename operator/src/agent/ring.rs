//! The API keys of an agent and how they rotate. Pure; new keys and the time come in.
//!
//! A new key is staged, confirmed by the relay, and only then becomes the active one in the Secret; the old one retires
//! and is accepted until its overlap has passed. A crash between any two steps loses nothing: all of it is in the Secret.

use std::time::Duration;

use crds::label;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt as _;
use protocol::UnixSeconds;
use protocol::admin::AgentKey;
use protocol::api_key::{ApiKey, KeyHash};
use serde::{Deserialize, Serialize};

use crate::secret;

/// Data key of the active key: what clients read.
pub(crate) const TOKEN: &str = "token";
/// Data key of the staged key, until the relay confirmed it.
pub(crate) const STAGED: &str = "token.next";
/// Retiring keys kept at once; with the active and the staged one this is below the relay's limit. More rotations inside one
/// overlap end the oldest early.
const RETIRING_MAX: usize = 2;

/// A key that is still accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Retiring {
    pub sha256: KeyHash,
    pub not_after: UnixSeconds,
}

#[derive(Clone, Default)]
pub(crate) struct Ring {
    pub active: Option<ApiKey>,
    pub staged: Option<ApiKey>,
    pub retiring: Vec<Retiring>,
    /// The requested rotation that led to the active or staged key.
    pub handled: Option<String>,
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Make a key and put it into the Secret as the staged one.
    Stage,
    /// The relay confirmed the staged key: make it the active one.
    Promote,
    /// Nothing, but the time and the relay's confirmation.
    Rest,
}

impl Ring {
    /// The ring that a Secret holds. A token that is not the one we put there is not ours to vouch for: it is dropped, and
    /// a new key is made.
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

    #[must_use]
    pub(crate) fn step(&self, requested: Option<&str>, is_confirmed: bool) -> Step {
        if self.staged.is_some() {
            return if is_confirmed { Step::Promote } else { Step::Rest };
        }
        let is_requested =
            requested.is_some_and(|value| !value.is_empty() && self.handled.as_deref() != Some(value));
        if self.active.is_none() || is_requested { Step::Stage } else { Step::Rest }
    }

    pub(crate) fn stage(&mut self, key: ApiKey, requested: Option<&str>) {
        self.staged = Some(key);
        self.handled =
            requested.filter(|value| !value.is_empty()).map(str::to_owned).or_else(|| self.handled.take());
    }

    /// The staged key becomes the active one; the old one retires, at once when `overlap` is zero.
    pub(crate) fn promote(&mut self, now: UnixSeconds, overlap: Duration) {
        let Some(staged) = self.staged.take() else { return };
        if let Some(old) = self.active.replace(staged)
            && !overlap.is_zero()
        {
            self.retiring
                .push(Retiring { sha256: old.hash(), not_after: now.saturating_add(overlap.as_secs()) });
        }
        let excess = self.retiring.len().saturating_sub(RETIRING_MAX);
        self.retiring.drain(..excess);
    }

    /// Drops keys whose overlap has passed; the relay has refused them since then by itself.
    pub(crate) fn expire(&mut self, now: UnixSeconds) {
        self.retiring.retain(|key| key.not_after > now);
    }

    /// What the relay is told.
    #[must_use]
    pub(crate) fn keys(&self) -> Vec<AgentKey> {
        let current = [&self.active, &self.staged].into_iter().flatten();
        let current = current.map(|key| AgentKey { sha256: key.hash(), not_after: None });
        let retiring =
            self.retiring.iter().map(|key| AgentKey { sha256: key.sha256, not_after: Some(key.not_after) });
        current.chain(retiring).collect()
    }

    /// How long until the next key expires.
    #[must_use]
    pub(crate) fn next_expiry(&self, now: jiff::Timestamp) -> Option<Duration> {
        let now = u64::try_from(now.as_second()).unwrap_or(0);
        let next = self.retiring.iter().map(|key| key.not_after).min()?;
        // A second more, so that it has passed when we come.
        Some(Duration::from_secs(next.saturating_sub(now).saturating_add(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn key() -> ApiKey {
        ApiKey::generate(&mut rand::rng())
    }

    fn active() -> Ring {
        let mut ring = Ring::default();
        ring.stage(key(), None);
        ring.promote(0, HOUR);
        ring
    }

    #[test]
    fn the_first_key_is_confirmed_before_anybody_sees_it() {
        let mut ring = Ring::default();
        assert_eq!(ring.step(None, false), Step::Stage);
        ring.stage(key(), None);
        assert!(ring.active.is_none());
        assert_eq!(ring.step(None, false), Step::Rest);
        assert_eq!(ring.step(None, true), Step::Promote);
        ring.promote(10, HOUR);
        assert!(ring.active.is_some() && ring.retiring.is_empty());
        assert_eq!(ring.step(None, true), Step::Rest);
    }

    #[test]
    fn a_new_value_rotates_once() {
        let mut ring = active();
        assert_eq!(ring.step(Some("now"), true), Step::Stage);
        ring.stage(key(), Some("now"));
        ring.promote(10, HOUR);
        assert_eq!(ring.step(Some("now"), true), Step::Rest);
        assert_eq!(ring.step(Some("again"), true), Step::Stage);
        assert_eq!(ring.step(None, true), Step::Rest, "taking the value away rotates nothing");
        assert_eq!(ring.step(Some(""), true), Step::Rest);
    }

    #[test]
    fn old_and_new_key_are_both_accepted_at_every_moment_of_a_rotation() {
        let mut ring = active();
        let old = ring.active.clone().unwrap().hash();
        let known = |ring: &Ring| ring.keys().into_iter().map(|key| key.sha256).collect::<Vec<_>>();
        assert!(known(&ring).contains(&old));
        ring.stage(key(), Some("now"));
        let new = ring.staged.clone().unwrap().hash();
        assert!(known(&ring).contains(&old) && known(&ring).contains(&new));
        ring.promote(100, HOUR);
        assert!(known(&ring).contains(&old) && known(&ring).contains(&new));
        ring.expire(100 + 3599);
        assert!(known(&ring).contains(&old));
        ring.expire(100 + 3600);
        assert_eq!(known(&ring), [new]);
    }

    #[test]
    fn without_overlap_the_old_key_goes_with_the_swap() {
        let mut ring = active();
        ring.stage(key(), Some("leaked"));
        ring.promote(100, Duration::ZERO);
        assert_eq!(ring.keys().len(), 1);
    }

    #[test]
    fn hasty_rotations_stay_below_the_relays_limit() {
        let mut ring = active();
        for round in 0..20 {
            ring.stage(key(), Some(&round.to_string()));
            assert!(ring.keys().len() <= protocol::admin::KEYS_PER_AGENT_MAX);
            ring.promote(round, HOUR);
        }
        assert_eq!(ring.retiring.len(), RETIRING_MAX);
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
        assert!(Ring::read(&held(ours.reveal(), &key_id)).active.is_some());
        let tampered = Ring::read(&held(key().reveal(), &key_id));
        assert!(tampered.active.is_none());
        assert_eq!(tampered.step(None, true), Step::Stage);
    }
}
