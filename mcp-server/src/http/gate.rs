//! Which API keys open the endpoint: the agent's own, and for a short time after a rotation the one before. Pure.

use std::time::{Duration, Instant};

use protocol::api_key::KeyHash;
use subtle::{Choice, ConstantTimeEq as _};

/// How long the key before is accepted after the new one was seen: other pods see a changed Secret up to two minutes later.
/// A key that leaked stays usable here for as long, so this is not the overlap of the rotation.
pub const OVERLAP: Duration = Duration::from_secs(120);

#[derive(Debug)]
pub struct Gate {
    current: KeyHash,
    former: Option<Former>,
}

#[derive(Debug)]
struct Former {
    key: KeyHash,
    until: Instant,
}

impl Gate {
    #[must_use]
    pub const fn new(current: KeyHash) -> Self {
        Self { current, former: None }
    }

    /// Takes in what the file says now. The same key again changes nothing.
    pub fn rotate(&mut self, key: KeyHash, now: Instant) -> bool {
        if key == self.current {
            return false;
        }
        self.former = Some(Former { key: self.current, until: now + OVERLAP });
        self.current = key;
        true
    }

    /// Compares hashes, in a time that tells nothing about the keys.
    #[must_use]
    pub fn admits(&self, presented: &str, now: Instant) -> bool {
        let presented = KeyHash::sha256(presented);
        let current = same(&presented, &self.current);
        let former = self.former.as_ref().filter(|former| now < former.until);
        (current | former.map_or(Choice::from(0), |former| same(&presented, &former.key))).into()
    }
}

fn same(a: &KeyHash, b: &KeyHash) -> Choice {
    a.as_bytes().ct_eq(b.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_agents_own_key_opens() {
        let gate = Gate::new(KeyHash::sha256("sk_live_mine"));
        assert!(gate.admits("sk_live_mine", Instant::now()));
        for other in ["", "sk_live_min", "sk_live_mine ", "sk_live_other"] {
            assert!(!gate.admits(other, Instant::now()), "{other:?}");
        }
    }

    #[test]
    fn the_key_before_opens_for_two_minutes() {
        let (mut gate, start) = (Gate::new(KeyHash::sha256("old")), Instant::now());
        assert!(gate.rotate(KeyHash::sha256("new"), start));
        let late = start + OVERLAP;
        assert!(gate.admits("new", late) && gate.admits("old", late - Duration::from_millis(1)));
        assert!(!gate.admits("old", late));
    }

    #[test]
    fn a_second_rotation_ends_the_first_key_at_once() {
        let (mut gate, now) = (Gate::new(KeyHash::sha256("first")), Instant::now());
        gate.rotate(KeyHash::sha256("second"), now);
        gate.rotate(KeyHash::sha256("third"), now);
        assert!(!gate.admits("first", now));
    }

    #[test]
    fn an_unchanged_file_does_not_renew_the_overlap() {
        let (mut gate, start) = (Gate::new(KeyHash::sha256("old")), Instant::now());
        gate.rotate(KeyHash::sha256("new"), start);
        assert!(!gate.rotate(KeyHash::sha256("new"), start + Duration::from_secs(100)));
        assert!(!gate.admits("old", start + OVERLAP));
    }
}
