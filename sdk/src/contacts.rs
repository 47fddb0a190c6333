//! The agents this one knows: verified records, with root keys pinned on first use (TOFU).

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use protocol::frame::{LookupParams, LookupResult, method};
use protocol::record::VerifiedRecord;
use protocol::{Did, multikey};

use crate::config::Config;
use crate::error::{Error, ErrorKind};
use crate::rpc::RpcClient;
use crate::state_dir;

mod contact_store;
mod pin_file;
mod record_cache;
mod single_flight;

use contact_store::ContactStore;
pub(crate) use record_cache::{RECORDS_MAX, RootKey};
use single_flight::{CALLERS_MAX, SingleFlight, TooManyCallers};

/// How long a cached record may be used for sending. Rotated keys stay usable for 7 days, so that
/// ten minutes are safe by far.
const SEND_RECORD_TTL: Duration = Duration::from_secs(600);
/// How long a cached record may be used to verify messages: a signing key that was replaced because
/// somebody stole it is refused everywhere within an hour.
const RECEIVE_RECORD_TTL: Duration = Duration::from_secs(3600);
/// How old a record must be for a lookup because of a bad signature with one of its keys: the
/// sender may have made its keys anew under the same ids.
const SUSPECT_RECORD_GRACE: Duration = Duration::from_secs(60);

/// How recent a record must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Freshness {
    /// At most an hour old, to verify a received message: its key ids identify the keys.
    ToReceive,
    /// At most ten minutes old, to send with a current key.
    ToSend,
}

impl Freshness {
    const fn age_max(self) -> Duration {
        match self {
            Self::ToReceive => RECEIVE_RECORD_TTL,
            Self::ToSend => SEND_RECORD_TTL,
        }
    }
}

/// Why a message does not verify with a cached record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Suspicion {
    /// The record does not list the key.
    UnknownKey,
    /// The signature is not of the key with that id.
    BadSignature,
}

/// The root keys that are pinned in a state folder, as Multikeys.
pub(crate) fn pinned_root_keys(state_dir: &Path) -> std::io::Result<Vec<(Did, String)>> {
    let pins = pin_file::read(&state_dir::pins_in(state_dir))?;
    Ok(pins.into_iter().map(|(did, pin)| (did, multikey::encode_ed25519_bytes(&pin.root))).collect())
}

pub(crate) struct Contacts {
    store: Arc<ContactStore>,
    lookups: SingleFlight<Result<Arc<VerifiedRecord>, Error>>,
}

impl Contacts {
    /// Keeps the pinned root keys in the file at `path`, or in memory only.
    pub(crate) fn open(path: Option<PathBuf>, config: &Config) -> Result<Self, Error> {
        let (anchors, accepts) = (config.anchors.clone(), config.accepts_announced_root_keys);
        let records_max = config.memory_limits.records;
        let store = Arc::new(ContactStore::open(path, anchors, accepts, records_max)?);
        Ok(Self { store, lookups: SingleFlight::default() })
    }

    /// The agent's verified record, from the cache if it is recent enough. Concurrent callers share
    /// one lookup.
    pub(crate) async fn resolve(
        &self,
        rpc: &RpcClient,
        did: &Did,
        freshness: Freshness,
    ) -> Result<Arc<VerifiedRecord>, Error> {
        if let Some(record) = self.store.get(did, freshness.age_max()) {
            return Ok(record);
        }
        let start = || self.start_lookup(rpc, did, freshness);
        self.lookups.join(did, start).await.unwrap_or_else(|TooManyCallers| Err(overloaded(did)))
    }

    /// Whether the sender of a message that does not verify may be looked up again now. Few such
    /// lookups are allowed, so that forged messages cannot use up the agent's queries.
    pub(crate) fn may_refresh(&self, did: &Did, suspicion: Suspicion) -> bool {
        let age_min = match suspicion {
            Suspicion::UnknownKey => Duration::ZERO,
            Suspicion::BadSignature => SUSPECT_RECORD_GRACE,
        };
        self.store.may_refresh(did, age_min)
    }

    /// Makes the record of an agent old that could not open a message: it has other keys now, or
    /// will register them. Few lookups are caused so, for an agent that refuses every message.
    pub(crate) fn on_undecryptable(&self, did: &Did) {
        if self.store.may_refresh(did, Duration::ZERO) {
            self.store.expire(did);
        }
    }

    /// Makes every record old, because the machine slept for an unknown time.
    pub(crate) fn expire_all(&self) {
        self.store.expire_all();
    }

    /// Whether the application was given the root key of this agent.
    pub(crate) fn is_anchored(&self, did: &Did) -> bool {
        self.store.is_anchored(did)
    }

    /// The record in the cache, however old.
    #[cfg(feature = "direct")]
    pub(crate) fn cached(&self, did: &Did) -> Option<Arc<VerifiedRecord>> {
        self.store.get(did, Duration::MAX)
    }

    /// The root key that this agent is known by: the anchor, or else the pinned one.
    #[cfg(feature = "direct")]
    pub(crate) fn root_key(&self, did: &Did) -> Option<RootKey> {
        self.store.root_key(did)
    }

    /// Verifies a record that an agent gave of itself, if its root key is known from elsewhere.
    #[cfg(feature = "direct")]
    pub(crate) fn learn(&self, bytes: &[u8], did: &Did) -> Result<Arc<VerifiedRecord>, Error> {
        self.store.learn(bytes, did)
    }

    /// Fetches and verifies the record, and returns whether the agent is online.
    pub(crate) async fn look_up(
        &self,
        rpc: &RpcClient,
        did: &Did,
    ) -> Result<(Arc<VerifiedRecord>, bool), Error> {
        look_up(&self.store, rpc, did).await
    }

    /// Removes the pinned root key of an agent; the next one seen is pinned.
    pub(crate) fn forget(&self, did: &Did) -> Result<bool, Error> {
        self.store.forget(did)
    }

    /// Checks the cache again, because another lookup may have filled it in the meantime.
    fn start_lookup(
        &self,
        rpc: &RpcClient,
        did: &Did,
        freshness: Freshness,
    ) -> BoxFuture<'static, Result<Arc<VerifiedRecord>, Error>> {
        if let Some(record) = self.store.get(did, freshness.age_max()) {
            return std::future::ready(Ok(record)).boxed();
        }
        let (store, rpc, did) = (Arc::clone(&self.store), rpc.clone(), did.clone());
        async move { look_up(&store, &rpc, &did).await.map(|(record, _)| record) }.boxed()
    }
}

async fn look_up(
    store: &ContactStore,
    rpc: &RpcClient,
    did: &Did,
) -> Result<(Arc<VerifiedRecord>, bool), Error> {
    let attempt = format!("cannot look up {did}");
    let answer: LookupResult = rpc.call(method::LOOKUP, &LookupParams { did: did.clone() }, &attempt).await?;
    Ok((store.verify(&answer, did)?, answer.online))
}

fn overloaded(did: &Did) -> Error {
    Error::new(ErrorKind::Overloaded, format!("cannot look up {did}"))
        .caused_by(format!("{CALLERS_MAX} callers are already waiting for this lookup"))
        .advising("send fewer messages to one agent concurrently")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_used_as_long_as_the_pages_promise() {
        assert_eq!(Freshness::ToSend.age_max(), Duration::from_secs(10 * 60));
        assert_eq!(Freshness::ToReceive.age_max(), Duration::from_secs(60 * 60));
    }
}
