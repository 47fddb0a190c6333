//! The other agents this one knows: verified records, each under the root key it had at first sight.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use protocol::frame::{LookupParams, LookupResult, method};
use protocol::record::VerifiedRecord;
use protocol::{Did, UnixSeconds, base64url};

use crate::call::Caller;
use crate::{Error, ErrorKind, clock};

mod book;
mod pins;

use book::{Book, Learned};
use pins::Pins;

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
    book: Mutex<Book>,
    pins: Mutex<Pins>,
}

impl Contacts {
    /// With the root keys remembered at `path`, or in memory only.
    pub(crate) fn open(path: Option<PathBuf>) -> Result<Self, Error> {
        let failed = |e: std::io::Error| {
            Error::new(ErrorKind::State, "cannot open the list of known agents").caused_by(e)
        };
        let (pins, known) = Pins::open(path).map_err(failed)?;
        Ok(Self { book: Mutex::new(Book::new(known)), pins: Mutex::new(pins) })
    }

    /// The agent's verified record, from memory when it is new enough.
    pub(crate) async fn resolve(
        &self,
        caller: &Caller,
        did: &Did,
        freshness: Freshness,
    ) -> Result<Arc<VerifiedRecord>, Error> {
        if freshness != Freshness::Now
            && let Some(record) = self.book().get(did, clock::now(), freshness.age())
        {
            return Ok(record);
        }
        self.look_up(caller, did).await.map(|(record, _)| record)
    }

    /// Asks the relay; the answer is verified against what is known. Also says whether the agent is connected.
    pub(crate) async fn look_up(
        &self,
        caller: &Caller,
        did: &Did,
    ) -> Result<(Arc<VerifiedRecord>, bool), Error> {
        let attempt = format!("cannot look up {did}");
        let answer: LookupResult =
            caller.call(method::LOOKUP, &LookupParams { did: did.clone() }, &attempt).await?;
        let unverified = || {
            Error::new(ErrorKind::Unverified, format!("the record of {did} does not verify"))
                .advising("the relay or that agent is at fault; nothing was sent")
        };
        let bytes = base64url::decode(&answer.record).map_err(|e| unverified().caused_by(e))?;
        let record = VerifiedRecord::parse(&bytes, did).map_err(|e| unverified().caused_by(e))?;
        self.learn(record, clock::now()).map(|record| (record, answer.online))
    }

    /// Accepts a changed root key of that agent from now on: the next record seen is pinned.
    pub(crate) fn forget(&self, did: &Did) -> Result<bool, Error> {
        let failed =
            |e: std::io::Error| Error::new(ErrorKind::State, format!("cannot forget {did}")).caused_by(e);
        let mut book = self.book();
        let known = book.forget(did);
        self.pins().rewrite(book.pins()).map_err(failed)?;
        Ok(known)
    }

    fn learn(&self, record: VerifiedRecord, now: UnixSeconds) -> Result<Arc<VerifiedRecord>, Error> {
        let did = record.did.clone();
        let mut book = self.book();
        match book.learn(record, now) {
            Learned::Known(record) => Ok(record),
            Learned::Pinned(record) => {
                let failed = |e: std::io::Error| {
                    Error::new(ErrorKind::State, format!("cannot remember {did}")).caused_by(e)
                };
                self.pins().append(&did, record.keys.root.as_bytes()).map_err(failed)?;
                Ok(record)
            }
            Learned::KeyChanged => {
                Err(Error::new(ErrorKind::KeyChanged, format!("{did} shows another root key than before"))
                    .advising(
                        "ask its owner; if the change is right, forget the old key (m2a agents --forget DID)",
                    ))
            }
            Learned::Full => Err(Error::new(
                ErrorKind::Unverified,
                format!("cannot remember {did}: too many agents known"),
            )
            .advising("forget agents that are not needed any more")),
        }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pins(&self) -> MutexGuard<'_, Pins> {
        self.pins.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
