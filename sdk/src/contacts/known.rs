//! What was learned of other agents, shared by all who look them up: records in memory, root keys also on disk.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use protocol::record::VerifiedRecord;
use protocol::{Did, UnixSeconds, base64url};

use super::book::{Book, Learned};
use super::pins::Pins;
use crate::{Error, ErrorKind, clock};

pub(super) struct Known {
    book: Mutex<Book>,
    pins: Mutex<Pins>,
}

impl Known {
    pub(super) fn open(path: Option<PathBuf>) -> Result<Self, Error> {
        let failed = |e: std::io::Error| {
            Error::new(ErrorKind::State, "cannot open the list of known agents").caused_by(e)
        };
        let (pins, known) = Pins::open(path).map_err(failed)?;
        Ok(Self { book: Mutex::new(Book::new(known)), pins: Mutex::new(pins) })
    }

    /// The record, when it was looked up at most `age_max` seconds ago.
    pub(super) fn get(&self, did: &Did, age_max: u64) -> Option<Arc<VerifiedRecord>> {
        self.book().get(did, clock::now(), age_max)
    }

    /// Takes what the relay says is the record of `did`.
    pub(super) fn verify(&self, record: &str, did: &Did) -> Result<Arc<VerifiedRecord>, Error> {
        let unverified = || {
            Error::new(ErrorKind::Unverified, format!("the record of {did} does not verify"))
                .advising("the relay or that agent is at fault; nothing was sent")
        };
        let bytes = base64url::decode(record).map_err(|e| unverified().caused_by(e))?;
        let record = VerifiedRecord::parse(&bytes, did).map_err(|e| unverified().caused_by(e))?;
        self.learn(record, clock::now())
    }

    pub(super) fn forget(&self, did: &Did) -> Result<bool, Error> {
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
