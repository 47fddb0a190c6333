//! The agents this one knows: verified records, with root keys pinned on first use (TOFU).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use protocol::frame::{LookupParams, LookupResult, method};
use protocol::record::VerifiedRecord;
use protocol::{Did, multikey};

use crate::error::{Error, ErrorKind};
use crate::rpc::RpcClient;
use crate::state_dir;

mod contact_store;
mod pin_file;
mod record_cache;
mod single_flight;

use contact_store::ContactStore;
use single_flight::{CALLERS_MAX, SingleFlight, TooManyCallers};

/// How long a cached record may be used for sending. Rotated keys stay usable for 7 days, so that
/// ten minutes are safe by far.
const SEND_RECORD_TTL_SECONDS: u64 = 600;

/// How recent a record must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Freshness {
    /// Any age, to verify a received message: its key ids identify the keys.
    Any,
    /// At most ten minutes old, to send with a current key.
    Recent,
    /// Fetched from the relay now.
    Now,
}

impl Freshness {
    const fn age_seconds_max(self) -> u64 {
        match self {
            Self::Any => u64::MAX,
            Self::Recent => SEND_RECORD_TTL_SECONDS,
            Self::Now => 0,
        }
    }
}

/// The root keys that are pinned in a state folder, as Multikeys.
pub(crate) fn pinned_root_keys(state_dir: &Path) -> std::io::Result<Vec<(Did, String)>> {
    let pins = pin_file::read(&state_dir::pins_in(state_dir))?;
    Ok(pins.into_iter().map(|(did, root)| (did, multikey::encode_ed25519_bytes(&root))).collect())
}

pub(crate) struct Contacts {
    store: Arc<ContactStore>,
    lookups: SingleFlight<Result<Arc<VerifiedRecord>, Error>>,
}

impl Contacts {
    /// Keeps the pinned root keys in the file at `path`, or in memory only.
    pub(crate) fn open(path: Option<PathBuf>) -> Result<Self, Error> {
        Ok(Self { store: Arc::new(ContactStore::open(path)?), lookups: SingleFlight::default() })
    }

    /// The agent's verified record, from the cache if it is recent enough. Concurrent callers share
    /// one lookup.
    pub(crate) async fn resolve(
        &self,
        rpc: &RpcClient,
        did: &Did,
        freshness: Freshness,
    ) -> Result<Arc<VerifiedRecord>, Error> {
        if freshness == Freshness::Now {
            // A lookup in flight may have been answered before the change that the caller needs.
            return self.look_up(rpc, did).await.map(|(record, _)| record);
        }
        if let Some(record) = self.store.get(did, freshness.age_seconds_max()) {
            return Ok(record);
        }
        let start = || self.start_lookup(rpc, did, freshness);
        self.lookups.join(did, start).await.unwrap_or_else(|TooManyCallers| Err(overloaded(did)))
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
        if let Some(record) = self.store.get(did, freshness.age_seconds_max()) {
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
    Ok((store.verify(&answer.record, did)?, answer.online))
}

fn overloaded(did: &Did) -> Error {
    Error::new(ErrorKind::Overloaded, format!("cannot look up {did}"))
        .caused_by(format!("{CALLERS_MAX} callers are already waiting for this lookup"))
        .advising("send fewer messages to one agent concurrently")
}
