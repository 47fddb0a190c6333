//! The API keys of an agent, without their secrets.

use std::time::Duration;

use protocol::UnixSeconds;
use protocol::admin::AgentKey;
use protocol::api_key::KeyHash;
use serde::{Deserialize, Serialize};

/// A replaced key that is valid until its overlap ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RetiringKey {
    pub sha256: KeyHash,
    pub not_after: UnixSeconds,
}

/// The hashes of an agent's keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IssuedKeys {
    pub active: Option<KeyHash>,
    pub staged: Option<KeyHash>,
    pub retiring: Vec<RetiringKey>,
    /// The value of `requestedRotation` that the active key was created for.
    pub handled: Option<String>,
}

impl IssuedKeys {
    /// All valid keys, for the relay.
    #[must_use]
    pub fn agent_keys(&self) -> Vec<AgentKey> {
        let current = [self.active, self.staged].into_iter().flatten();
        let current = current.map(|sha256| AgentKey { sha256, not_after: None });
        let retiring =
            self.retiring.iter().map(|key| AgentKey { sha256: key.sha256, not_after: Some(key.not_after) });
        current.chain(retiring).collect()
    }

    /// When the next retiring key expires.
    #[must_use]
    pub fn next_expiry(&self) -> Option<UnixSeconds> {
        self.retiring.iter().map(|key| key.not_after).min()
    }

    /// The time until the next retiring key expires.
    #[must_use]
    pub fn until_next_expiry(&self, now: jiff::Timestamp) -> Option<Duration> {
        let now = u64::try_from(now.as_second()).unwrap_or(0);
        // One second more, so that the key has expired at the next reconcile.
        Some(Duration::from_secs(self.next_expiry()?.saturating_sub(now).saturating_add(1)))
    }
}
