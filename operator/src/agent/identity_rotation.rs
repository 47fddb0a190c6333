//! Decides when the signing and encryption keys of a managed identity are rotated. Pure; the time
//! is an argument.
//!
//! The root key stays, and with it the DID. Pods that mount the identity register the new keys when
//! they notice them.

use std::time::Duration;

use protocol::{Identity, UnixSeconds};

/// Age at which signing and encryption keys are rotated: as often as the SDK does it where it can
/// write the key file.
const IDENTITY_KEY_TTL: Duration = Duration::from_secs(30 * 24 * 3600);

/// What happens to the keys of an identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IdentityRotation {
    Wait,
    /// The old keys stay valid for messages in transit.
    Rotate,
    /// The old signing keys end at once, because somebody else may have them.
    Replace,
}

/// `handled` is the request that the keys were made for. `None`: it was not recorded, and the
/// current request counts as handled.
pub(super) fn decide(
    age: Duration,
    requested: Option<&str>,
    handled: Option<&str>,
    overlap: Duration,
) -> IdentityRotation {
    let requested = requested.filter(|value| !value.is_empty());
    let is_requested = requested.is_some_and(|value| handled.is_some_and(|handled| handled != value));
    match (is_requested, overlap.is_zero()) {
        (true, true) => IdentityRotation::Replace,
        (true, false) => IdentityRotation::Rotate,
        (false, _) if age >= IDENTITY_KEY_TTL => IdentityRotation::Rotate,
        (false, _) => IdentityRotation::Wait,
    }
}

/// When the keys in use reach the age at which they are rotated, or may be rotated on request
/// again.
pub(super) fn due(identity: &Identity, now: UnixSeconds) -> UnixSeconds {
    let created = identity.current_signing().map_or(0, |key| key.created);
    let aged = created.saturating_add(IDENTITY_KEY_TTL.as_secs());
    identity.rotation_loses_messages_until(now).map_or(aged, |until| until.min(aged))
}

/// The age of the keys in use.
pub(super) fn age(identity: &Identity, now: UnixSeconds) -> Duration {
    let created = identity.current_signing().map_or(now, |key| key.created);
    Duration::from_secs(now.saturating_sub(created))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An ordinary overlap.
    const DAY_GRACE: Duration = Duration::from_secs(86_400);

    #[test]
    fn keys_are_rotated_once_for_every_new_request() {
        let with = |requested, handled| decide(DAY_GRACE, requested, handled, DAY_GRACE);
        assert_eq!(with(Some("now"), Some("")), IdentityRotation::Rotate);
        assert_eq!(with(Some("now"), Some("now")), IdentityRotation::Wait);
        assert_eq!(with(None, Some("now")), IdentityRotation::Wait);
        assert_eq!(with(Some(""), Some("now")), IdentityRotation::Wait);
        assert_eq!(with(Some("now"), None), IdentityRotation::Wait, "a former version handled it");
    }

    #[test]
    fn without_overlap_the_old_signing_keys_end_at_once() {
        assert_eq!(decide(DAY_GRACE, Some("leaked"), Some(""), Duration::ZERO), IdentityRotation::Replace);
        assert_eq!(decide(31 * DAY_GRACE, None, Some(""), Duration::ZERO), IdentityRotation::Rotate);
    }

    #[test]
    fn keys_are_rotated_after_thirty_days() {
        assert_eq!(
            decide(30 * DAY_GRACE - Duration::from_secs(1), None, Some(""), DAY_GRACE),
            IdentityRotation::Wait
        );
        assert_eq!(decide(30 * DAY_GRACE, None, None, DAY_GRACE), IdentityRotation::Rotate);
    }

    #[test]
    fn the_age_is_that_of_the_newest_key() {
        let did = "did:wba:agents.example.com:agent:acme:alice".parse().unwrap();
        let mut identity = Identity::generate(did, 1_000, &mut rand::rng());
        assert_eq!(age(&identity, 1_060), Duration::from_secs(60));
        identity.rotate(1_050, &mut rand::rng());
        assert_eq!(age(&identity, 1_060), Duration::from_secs(10));
        assert_eq!(due(&identity, 1_060), 1_050 + 30 * 86_400);
        assert_eq!(age(&identity, 900), Duration::ZERO, "the clock was set back");
    }
}
