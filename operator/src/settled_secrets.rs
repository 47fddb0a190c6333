//! Remembers what the Secrets of each Agent contained, without what is secret in them. While the
//! watch shows the same versions and nothing is due, a pass reads and writes none of them.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Mutex, PoisonError};

use protocol::UnixSeconds;

use crate::issued_keys::IssuedKeys;
use crate::object_key::NamespacedName;

/// What is remembered for each Agent. Bounded by the Agents that exist: a deleted one is forgotten.
#[derive(Debug, Default)]
pub struct SettledSecrets(Mutex<HashMap<NamespacedName, SettledSecret>>);

/// The resourceVersions of both Secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretVersions {
    /// `None` for an agent that keeps its identity elsewhere.
    pub identity: Option<String>,
    pub credentials: String,
}

/// The Secrets of one Agent, as they should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettledSecret {
    pub versions: SecretVersions,
    /// The hash of everything that the Secrets are made from.
    pub inputs: u64,
    pub root_key: String,
    pub keys: IssuedKeys,
    /// When a key has to be dropped or rotated.
    pub due: UnixSeconds,
}

impl SettledSecret {
    /// Whether the Secrets are still as they should be.
    fn holds(&self, versions: &SecretVersions, inputs: u64, now: UnixSeconds) -> bool {
        self.versions == *versions && self.inputs == inputs && now < self.due
    }
}

impl SettledSecrets {
    /// What the Secrets of the Agent contain. `None` if they have to be read.
    #[must_use]
    pub fn find(
        &self,
        agent: &NamespacedName,
        versions: &SecretVersions,
        inputs: u64,
        now: UnixSeconds,
    ) -> Option<SettledSecret> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(agent).filter(|settled| settled.holds(versions, inputs, now)).cloned()
    }

    pub fn insert(&self, agent: NamespacedName, settled: SettledSecret) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(agent, settled);
    }

    /// Forgets an Agent that is gone, or whose Secrets are about to change.
    pub fn forget(&self, agent: &NamespacedName) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(agent);
    }

    /// Forgets all, when a term begins: another replica may have written meanwhile.
    pub fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// The hash of the parts that Secrets are made from.
#[must_use]
pub fn hash_inputs(parts: &[&str]) -> u64 {
    let mut hasher = DefaultHasher::new();
    parts.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn versions(identity: &str, credentials: &str) -> SecretVersions {
        SecretVersions { identity: Some(identity.into()), credentials: credentials.into() }
    }

    #[test]
    fn secrets_are_read_again_when_somebody_changed_one_or_something_is_due() {
        let (secrets, alice) = (SettledSecrets::default(), NamespacedName::new("team", "alice"));
        let settled = SettledSecret {
            versions: versions("1", "2"),
            inputs: 7,
            root_key: "z6Mk".into(),
            keys: IssuedKeys::default(),
            due: 100,
        };
        secrets.insert(alice.clone(), settled.clone());
        assert_eq!(secrets.find(&alice, &versions("1", "2"), 7, 99), Some(settled));
        assert_eq!(secrets.find(&alice, &versions("9", "2"), 7, 99), None, "the identity was changed");
        assert_eq!(secrets.find(&alice, &versions("1", "9"), 7, 99), None, "the credentials were changed");
        assert_eq!(secrets.find(&alice, &versions("1", "2"), 8, 99), None, "the Agent was changed");
        assert_eq!(secrets.find(&alice, &versions("1", "2"), 7, 100), None, "a key has expired");
        assert_eq!(secrets.find(&NamespacedName::new("other", "alice"), &versions("1", "2"), 7, 99), None);
        secrets.forget(&alice);
        assert_eq!(secrets.find(&alice, &versions("1", "2"), 7, 99), None);
    }

    #[test]
    fn the_parts_of_the_hash_are_not_mixed_up() {
        assert_ne!(hash_inputs(&["ab", "c"]), hash_inputs(&["a", "bc"]));
        assert_eq!(hash_inputs(&["ab", "c"]), hash_inputs(&["ab", "c"]));
    }
}
