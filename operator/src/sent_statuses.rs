//! Remembers the last status that this process sent for each object.
//!
//! The cache may still hold the status before it. Comparing with the cache alone would skip a
//! status that is computed anew meanwhile, and the older one would stay.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

/// The last status of each object, by its uid. Bounded by the objects that exist: a deleted one is
/// forgotten.
#[derive(Debug, Default)]
pub struct SentStatuses(Mutex<HashMap<String, SentStatus>>);

/// A status that is sent, or was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SentStatus {
    hash: u64,
    /// The resourceVersion of the cached object at that time.
    cached_version: Option<String>,
    /// The resourceVersion that the write made.
    written_version: Option<String>,
}

impl SentStatuses {
    pub(crate) fn find(&self, uid: &str) -> Option<SentStatus> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(uid).cloned()
    }

    pub(crate) fn insert(&self, uid: String, sent: SentStatus) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(uid, sent);
    }

    /// Forgets all objects, when a term begins: another replica may have written meanwhile.
    pub fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Forgets an object that is gone.
    pub fn forget(&self, uid: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
    }
}

impl SentStatus {
    pub(crate) fn new(status: &impl Serialize, cached_version: Option<String>) -> Self {
        let mut hasher = DefaultHasher::new();
        // A status always serializes. One that did not would be sent every time.
        serde_json::to_string(status).ok().hash(&mut hasher);
        Self { hash: hasher.finish(), cached_version, written_version: None }
    }

    pub(crate) const fn is_same(&self, other: &Self) -> bool {
        self.hash == other.hash
    }

    /// This status after it was written.
    pub(crate) fn written(self, version: Option<String>) -> Self {
        Self { written_version: version, ..self }
    }

    /// The version of the object at the API server, as far as this process knows. A cache that has
    /// not moved since the last write has not seen it.
    pub(crate) fn present_version(&self, last: Option<&Self>) -> Option<String> {
        let unseen = last.and_then(|last| last.unseen_version(self.cached_version.as_deref()));
        unseen.map(str::to_owned).or_else(|| self.cached_version.clone())
    }

    /// The version that the last write made, if the cached object is from before it.
    pub(crate) fn unseen_version(&self, cached_version: Option<&str>) -> Option<&str> {
        self.written_version.as_deref().filter(|_| self.cached_version.as_deref() == cached_version)
    }

    /// Whether this status has to be sent. `is_cached`: the cached object has it. `last` is the one
    /// that was sent last.
    pub(crate) fn must_be_sent(&self, is_cached: bool, last: Option<&Self>) -> bool {
        match last {
            None => !is_cached,
            // The cache may not have caught up.
            Some(last) if !last.is_same(self) => true,
            // The cache has moved on and shows another status: somebody else changed it.
            Some(last) => !is_cached && last.cached_version != self.cached_version,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(hash: u64, cached_version: &str) -> SentStatus {
        SentStatus { hash, cached_version: Some(cached_version.into()), written_version: None }
    }

    #[test]
    fn a_status_is_compared_with_the_last_one_that_was_sent() {
        assert!(sent(1, "5").must_be_sent(false, None));
        assert!(!sent(1, "5").must_be_sent(true, None), "a restart sends nothing again");
        let last = sent(2, "5");
        assert!(sent(1, "5").must_be_sent(true, Some(&last)), "the cache is older than what was sent");
        assert!(!sent(2, "5").must_be_sent(false, Some(&last)), "the cache has not caught up");
        assert!(!sent(2, "6").must_be_sent(true, Some(&last)));
        assert!(sent(2, "7").must_be_sent(false, Some(&last)), "somebody else changed the status");
    }

    #[test]
    fn a_write_that_the_cache_has_not_seen_is_what_the_next_one_follows() {
        let version = |cached: &str, last: Option<&SentStatus>| sent(1, cached).present_version(last);
        assert_eq!(version("5", None).as_deref(), Some("5"));
        let last = sent(2, "5").written(Some("6".into()));
        assert_eq!(version("5", Some(&last)).as_deref(), Some("6"));
        assert_eq!(version("7", Some(&last)).as_deref(), Some("7"), "the cache has moved on");
        assert_eq!(version("5", Some(&sent(2, "5"))).as_deref(), Some("5"), "the answer named no version");
    }
}
