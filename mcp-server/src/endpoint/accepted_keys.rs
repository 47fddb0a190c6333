//! The API keys that the endpoint accepts: the agent's current one and, for a short time after a
//! rotation, the previous one. Pure.

use std::time::{Duration, Instant};

use protocol::api_key::KeyHash;
use subtle::{Choice, ConstantTimeEq as _};

/// How long the previous key keeps working here after the Secret changed, because pods see the
/// change up to two minutes late. Independent of the rotation overlap: a leaked key also works for
/// this long.
pub const PREVIOUS_KEY_GRACE: Duration = Duration::from_secs(120);

#[derive(Debug)]
pub struct AcceptedKeys {
    current: KeyHash,
    previous: Option<PreviousKey>,
}

#[derive(Debug)]
struct PreviousKey {
    key: KeyHash,
    until: Instant,
}

impl AcceptedKeys {
    #[must_use]
    pub const fn new(current: KeyHash) -> Self {
        Self { current, previous: None }
    }

    /// Makes a key the current one; `false` when it already is.
    pub fn rotate(&mut self, key: KeyHash, now: Instant) -> bool {
        if key == self.current {
            return false;
        }
        self.previous = Some(PreviousKey { key: self.current, until: now + PREVIOUS_KEY_GRACE });
        self.current = key;
        true
    }

    /// Compares hashes in constant time.
    #[must_use]
    pub fn accept(&self, presented: &str, now: Instant) -> bool {
        let presented = KeyHash::sha256(presented);
        let current = hashes_equal(&presented, &self.current);
        let previous = self.previous.as_ref().filter(|previous| now < previous.until);
        (current | previous.map_or(Choice::from(0), |previous| hashes_equal(&presented, &previous.key)))
            .into()
    }
}

fn hashes_equal(a: &KeyHash, b: &KeyHash) -> Choice {
    a.as_bytes().ct_eq(b.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_agents_own_key_is_accepted() {
        let keys = AcceptedKeys::new(KeyHash::sha256("sk_live_mine"));
        assert!(keys.accept("sk_live_mine", Instant::now()));
        for other in ["", "sk_live_min", "sk_live_mine ", "sk_live_other"] {
            assert!(!keys.accept(other, Instant::now()), "{other:?}");
        }
    }

    #[test]
    fn the_previous_key_is_accepted_for_two_minutes() {
        let (mut keys, start) = (AcceptedKeys::new(KeyHash::sha256("old")), Instant::now());
        assert!(keys.rotate(KeyHash::sha256("new"), start));
        let late = start + PREVIOUS_KEY_GRACE;
        assert!(keys.accept("new", late) && keys.accept("old", late - Duration::from_millis(1)));
        assert!(!keys.accept("old", late));
    }

    #[test]
    fn a_second_rotation_ends_the_first_key_at_once() {
        let (mut keys, now) = (AcceptedKeys::new(KeyHash::sha256("first")), Instant::now());
        keys.rotate(KeyHash::sha256("second"), now);
        keys.rotate(KeyHash::sha256("third"), now);
        assert!(!keys.accept("first", now));
    }

    #[test]
    fn an_unchanged_file_does_not_renew_the_overlap() {
        let (mut keys, start) = (AcceptedKeys::new(KeyHash::sha256("old")), Instant::now());
        keys.rotate(KeyHash::sha256("new"), start);
        assert!(!keys.rotate(KeyHash::sha256("new"), start + Duration::from_secs(100)));
        assert!(!keys.accept("old", start + PREVIOUS_KEY_GRACE));
    }
}
