//! The other agents this one knows: verified records, each under the root key it had at first sight.

use std::path::PathBuf;
use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use protocol::Did;
use protocol::frame::{LookupParams, LookupResult, method};
use protocol::record::VerifiedRecord;

use crate::call::Caller;
use crate::{Error, ErrorKind};

mod book;
mod flights;
mod known;
mod pins;

use flights::{Flights, Full, WAITERS_MAX};
use known::Known;

/// Age beyond which a record is looked up again before something is sent: well below the 7 days for which rotated keys stay
/// usable.
const SEND_AGE_SECONDS: u64 = 600;

/// How new a record must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Freshness {
    /// To check what somebody sent: its key ids say which keys are meant.
    Any,
    /// To write to somebody: the newest key within minutes.
    Recent,
    /// Straight from the relay.
    Now,
}

impl Freshness {
    const fn age(self) -> u64 {
        match self {
            Self::Any => u64::MAX,
            Self::Recent => SEND_AGE_SECONDS,
            Self::Now => 0,
        }
    }
}

pub(crate) struct Contacts {
    known: Arc<Known>,
    flights: Flights<Result<Arc<VerifiedRecord>, Error>>,
}

impl Contacts {
    /// With the root keys remembered at `path`, or in memory only.
    pub(crate) fn open(path: Option<PathBuf>) -> Result<Self, Error> {
        Ok(Self { known: Arc::new(Known::open(path)?), flights: Flights::default() })
    }

    /// The agent's verified record, from memory when it is new enough. Callers that need the same one at once share one
    /// question to the relay and its answer.
    pub(crate) async fn resolve(
        &self,
        caller: &Caller,
        did: &Did,
        freshness: Freshness,
    ) -> Result<Arc<VerifiedRecord>, Error> {
        if freshness == Freshness::Now {
            // A question under way may be older than what made the caller ask.
            return self.look_up(caller, did).await.map(|(record, _)| record);
        }
        if let Some(record) = self.known.get(did, freshness.age()) {
            return Ok(record);
        }
        let start = || self.start(caller, did, freshness);
        self.flights.join(did, start).await.unwrap_or_else(|Full| Err(crowded(did)))
    }

    /// Asks the relay; the answer is verified against what is known. Also says whether the agent is connected.
    pub(crate) async fn look_up(
        &self,
        caller: &Caller,
        did: &Did,
    ) -> Result<(Arc<VerifiedRecord>, bool), Error> {
        look_up(&self.known, caller, did).await
    }

    /// Accepts a changed root key of that agent from now on: the next record seen is pinned.
    pub(crate) fn forget(&self, did: &Did) -> Result<bool, Error> {
        self.known.forget(did)
    }

    /// An answer may have come since the caller looked.
    fn start(
        &self,
        caller: &Caller,
        did: &Did,
        freshness: Freshness,
    ) -> BoxFuture<'static, Result<Arc<VerifiedRecord>, Error>> {
        if let Some(record) = self.known.get(did, freshness.age()) {
            return std::future::ready(Ok(record)).boxed();
        }
        let (known, caller, did) = (Arc::clone(&self.known), caller.clone(), did.clone());
        async move { look_up(&known, &caller, &did).await.map(|(record, _)| record) }.boxed()
    }
}

async fn look_up(known: &Known, caller: &Caller, did: &Did) -> Result<(Arc<VerifiedRecord>, bool), Error> {
    let attempt = format!("cannot look up {did}");
    let answer: LookupResult =
        caller.call(method::LOOKUP, &LookupParams { did: did.clone() }, &attempt).await?;
    Ok((known.verify(&answer.record, did)?, answer.online))
}

fn crowded(did: &Did) -> Error {
    Error::new(ErrorKind::Overloaded, format!("cannot look up {did}"))
        .caused_by(format!("{WAITERS_MAX} callers wait for the answer already"))
        .advising("send to one agent from fewer places at once")
}
