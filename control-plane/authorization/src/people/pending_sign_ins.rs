//! Sign-ins that wait for the provider's callback, each bound to one browser and usable once.

use std::sync::{Mutex, PoisonError};

use protocol::UnixSeconds;
use zeroize::Zeroizing;

use crate::limits::expiring_map::ExpiringMap;
use crate::secret::SecretHash;

/// The most sign-ins at a time; beyond it, the oldest is dropped. Each takes about 2 KiB, so all of
/// them take 8 MiB.
const PENDING_SIGN_INS_MAX: usize = 4096;
/// How long a person may take to sign in at the provider.
const PENDING_SIGN_IN_TTL_SECONDS: u64 = 600;

/// Pending sign-ins by their `state`.
pub(crate) struct PendingSignIns(Mutex<ExpiringMap<PendingSignIn>>);

/// What is needed to finish a sign-in when the browser comes back.
pub(crate) struct PendingSignIn {
    /// The authorization request, as a query.
    pub(crate) request: String,
    /// The hash of the browser cookie.
    pub(crate) browser: SecretHash,
    pub(crate) nonce: String,
    /// The PKCE verifier.
    pub(crate) verifier: Zeroizing<String>,
}

impl PendingSignIns {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(ExpiringMap::new(PENDING_SIGN_INS_MAX)))
    }

    pub(crate) fn insert(&self, state: &str, sign_in: PendingSignIn, now: UnixSeconds) {
        let expires = now.saturating_add(PENDING_SIGN_IN_TTL_SECONDS);
        let mut pending = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        pending.insert(SecretHash::of(state), sign_in, expires, now);
    }

    /// Removes the sign-in with this `state`, unless it has expired.
    pub(crate) fn take(&self, state: &str, now: UnixSeconds) -> Option<PendingSignIn> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take(&SecretHash::of(state), now)
    }
}
