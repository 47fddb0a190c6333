//! Remembers the nonces of signed requests, so that none is accepted twice.

use std::collections::{BTreeSet, HashMap};

use sha2::{Digest as _, Sha256};

use crate::MAX_AGE_TTL_SECONDS;
use crate::refusal::SignatureRefusal;
use crate::verify::SignedRequest;

/// Nonces in all: 200 signed requests per second for the five minutes that one is remembered. A
/// nonce takes about 100 bytes.
const NONCES_MAX: usize = 65_536;
/// Nonces of one domain, which can make as many DIDs as it likes.
const NONCES_PER_DOMAIN_MAX: usize = 16_384;
/// Nonces of one DID: a dozen requests per second.
const NONCES_PER_DID_MAX: usize = 4_096;

/// A hash of a DID, or of a DID and a nonce. Its length does not depend on what a stranger sends.
type Hash = [u8; 16];

/// The nonces of the signatures that are not too old yet. Beyond its limits a request is refused:
/// forgetting a nonce would let its request be sent again. What was signed before the table existed
/// is refused too, because its nonce may have been used then.
#[derive(Debug)]
pub struct ReplayTable {
    since: u64,
    nonces: HashMap<Hash, ()>,
    /// When each nonce may be forgotten, and which counts it is in.
    ends: BTreeSet<(u64, Hash, Hash, Hash)>,
    counts: HashMap<Hash, usize>,
}

impl ReplayTable {
    /// An empty table that begins now.
    #[must_use]
    pub fn new(now: u64) -> Self {
        Self { since: now, nonces: HashMap::new(), ends: BTreeSet::new(), counts: HashMap::new() }
    }

    /// Whether a request could be admitted now.
    ///
    /// # Errors
    /// The same as [`Self::admit`].
    pub fn check(&mut self, request: &SignedRequest, now: u64) -> Result<(), SignatureRefusal> {
        self.forget(now);
        if request.input.created <= self.since {
            return Err(SignatureRefusal::BeforeStart);
        }
        let Hashes { nonce, did, domain } = hashes(request);
        if self.nonces.contains_key(&nonce) {
            return Err(SignatureRefusal::Replayed);
        }
        let count = |of| self.counts.get(of).copied().unwrap_or_default();
        let full = self.nonces.len() >= NONCES_MAX
            || count(&domain) >= NONCES_PER_DOMAIN_MAX
            || count(&did) >= NONCES_PER_DID_MAX;
        if full { Err(SignatureRefusal::ReplayTableFull) } else { Ok(()) }
    }

    /// Remembers the nonce of a request whose signature was verified.
    ///
    /// # Errors
    /// [`SignatureRefusal::Replayed`], [`SignatureRefusal::ReplayTableFull`] and
    /// [`SignatureRefusal::BeforeStart`].
    pub fn admit(&mut self, request: &SignedRequest, now: u64) -> Result<(), SignatureRefusal> {
        self.check(request, now)?;
        let Hashes { nonce, did, domain } = hashes(request);
        self.nonces.insert(nonce, ());
        // After this time the request is refused as too old.
        let end = request.input.created.saturating_add(MAX_AGE_TTL_SECONDS);
        self.ends.insert((end, nonce, did, domain));
        for of in [did, domain] {
            *self.counts.entry(of).or_default() += 1;
        }
        Ok(())
    }

    fn forget(&mut self, now: u64) {
        while let Some(&(end, nonce, did, domain)) = self.ends.first() {
            if end >= now {
                return;
            }
            self.ends.pop_first();
            self.nonces.remove(&nonce);
            for of in [did, domain] {
                let left = self.counts.get_mut(&of).map_or(0, |count| {
                    *count = count.saturating_sub(1);
                    *count
                });
                if left == 0 {
                    self.counts.remove(&of);
                }
            }
        }
    }
}

struct Hashes {
    nonce: Hash,
    did: Hash,
    domain: Hash,
}

/// The lengths of the parts keep a DID and a nonce from being read as other ones.
fn hashes(request: &SignedRequest) -> Hashes {
    let hash = |label: &str, parts: [&str; 2]| {
        let mut hasher = Sha256::new();
        hasher.update(label);
        for part in parts {
            hasher.update((part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        let mut hash = [0; 16];
        hash.iter_mut().zip(hasher.finalize()).for_each(|(to, from)| *to = from);
        hash
    };
    let did = request.input.did.as_str();
    Hashes {
        nonce: hash("nonce", [did, &request.input.nonce]),
        did: hash("did", [did, ""]),
        domain: hash("domain", [request.input.did.domain(), ""]),
    }
}

#[cfg(test)]
mod tests;
