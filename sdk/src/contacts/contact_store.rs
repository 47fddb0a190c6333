//! Stores verified records in memory and pinned root keys in memory and on disk.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use protocol::record::VerifiedRecord;
use protocol::{Did, UnixSeconds, base64url};

use super::pin_file::PinFile;
use super::record_cache::{RecordCache, RecordUpdate};
use crate::clock;
use crate::error::{Error, ErrorKind};

pub(super) struct ContactStore {
    cache: Mutex<RecordCache>,
    pins: Mutex<PinFile>,
}

impl ContactStore {
    pub(super) fn open(path: Option<PathBuf>) -> Result<Self, Error> {
        let failed = |e: std::io::Error| {
            Error::new(ErrorKind::State, "cannot open the list of pinned root keys").caused_by(e)
        };
        let (pins, known) = PinFile::open(path).map_err(failed)?;
        Ok(Self { cache: Mutex::new(RecordCache::new(known)), pins: Mutex::new(pins) })
    }

    /// The record, if it was looked up at most `age_seconds_max` seconds ago.
    pub(super) fn get(&self, did: &Did, age_seconds_max: u64) -> Option<Arc<VerifiedRecord>> {
        self.cache().get(did, clock::now(), age_seconds_max)
    }

    /// Verifies the relay's answer for `did` and updates cache and pins.
    pub(super) fn verify(&self, record: &str, did: &Did) -> Result<Arc<VerifiedRecord>, Error> {
        let unverified = || {
            Error::new(ErrorKind::Unverified, format!("the record of {did} does not verify"))
                .advising("the relay or that agent is faulty; nothing was sent")
        };
        let bytes = base64url::decode(record).map_err(|e| unverified().caused_by(e))?;
        let record = VerifiedRecord::parse(&bytes, did).map_err(|e| unverified().caused_by(e))?;
        self.update(record, clock::now())
    }

    pub(super) fn forget(&self, did: &Did) -> Result<bool, Error> {
        let failed =
            |e: std::io::Error| Error::new(ErrorKind::State, format!("cannot forget {did}")).caused_by(e);
        let mut cache = self.cache();
        let known = cache.forget(did);
        self.pins().rewrite(cache.pins()).map_err(failed)?;
        Ok(known)
    }

    fn update(&self, record: VerifiedRecord, now: UnixSeconds) -> Result<Arc<VerifiedRecord>, Error> {
        let did = record.did.clone();
        let mut cache = self.cache();
        match cache.update(record, now) {
            RecordUpdate::Known(record) => Ok(record),
            RecordUpdate::Pinned(record) => {
                let failed = |e: std::io::Error| {
                    Error::new(ErrorKind::State, format!("cannot pin the root key of {did}")).caused_by(e)
                };
                self.pins().append(&did, record.keys.root.as_bytes()).map_err(failed)?;
                Ok(record)
            }
            RecordUpdate::KeyChanged => Err(Error::new(
                ErrorKind::KeyChanged,
                format!("the root key of {did} has changed"),
            )
            .advising(
                "ask its owner; if the change is intended, remove the old key with m2a agents --forget DID",
            )),
            RecordUpdate::Full => Err(Error::new(
                ErrorKind::Unverified,
                format!("cannot pin the root key of {did}: the list is full"),
            )
            .advising("forget agents that are no longer needed")),
        }
    }

    fn cache(&self) -> MutexGuard<'_, RecordCache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pins(&self) -> MutexGuard<'_, PinFile> {
        self.pins.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
