//! Stores verified records in memory and pinned root keys in memory and on disk.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use protocol::frame::LookupResult;
use protocol::limits::FORMER_ROOT_KEYS_MAX;
use protocol::record::VerifiedRecord;
use protocol::{Did, base64url, multikey};

use super::pin_file::PinFile;
use super::record_cache::{RecordCache, RecordCheck, RootKey};
use crate::error::{Error, ErrorKind};

pub(super) struct ContactStore {
    cache: Mutex<RecordCache>,
    pins: Mutex<PinFile>,
    accepts_announced_root_keys: bool,
}

impl ContactStore {
    pub(super) fn open(
        path: Option<PathBuf>,
        anchors: HashMap<Did, RootKey>,
        accepts_announced_root_keys: bool,
        records_max: usize,
    ) -> Result<Self, Error> {
        let failed = |e: std::io::Error| {
            Error::new(ErrorKind::State, "cannot open the list of pinned root keys").caused_by(e)
        };
        let (pins, known) = PinFile::open(path).map_err(failed)?;
        let cache = Mutex::new(RecordCache::new(known, anchors, records_max));
        Ok(Self { cache, pins: Mutex::new(pins), accepts_announced_root_keys })
    }

    /// The record, if it was looked up at most `age_max` ago.
    pub(super) fn get(&self, did: &Did, age_max: Duration) -> Option<Arc<VerifiedRecord>> {
        self.cache().get(did, Instant::now(), age_max)
    }

    /// Whether a message that does not verify may cause a lookup of its sender now.
    pub(super) fn may_refresh(&self, did: &Did, age_min: Duration) -> bool {
        self.cache().may_refresh(did, Instant::now(), age_min)
    }

    pub(super) fn expire(&self, did: &Did) {
        self.cache().expire(did);
    }

    pub(super) fn expire_all(&self) {
        self.cache().expire_all();
    }

    pub(super) fn is_anchored(&self, did: &Did) -> bool {
        self.cache().is_anchored(did)
    }

    /// Verifies the relay's answer for `did` and updates cache and pins.
    pub(super) fn verify(&self, answer: &LookupResult, did: &Did) -> Result<Arc<VerifiedRecord>, Error> {
        let unverified = || {
            Error::new(ErrorKind::Unverified, format!("the record of {did} does not verify"))
                .advising("the relay or that agent is faulty; nothing was sent")
        };
        let bytes = base64url::decode(&answer.record).map_err(|e| unverified().caused_by(e))?;
        let record = VerifiedRecord::parse(&bytes, did).map_err(|e| unverified().caused_by(e))?;
        self.update(record, &self.replaceable(answer), Instant::now())
    }

    #[cfg(feature = "direct")]
    pub(super) fn root_key(&self, did: &Did) -> Option<RootKey> {
        self.cache().root_key(did)
    }

    /// Verifies a record whose bytes come from the agent itself. Without a root key that is known
    /// from elsewhere anybody could have made it.
    #[cfg(feature = "direct")]
    pub(super) fn learn(&self, bytes: &[u8], did: &Did) -> Result<Arc<VerifiedRecord>, Error> {
        let unverified =
            || Error::new(ErrorKind::Unverified, format!("the record that {did} sent does not verify"));
        if self.root_key(did).is_none() {
            return Err(unverified().caused_by("its root key is not known from elsewhere"));
        }
        let record = VerifiedRecord::parse(bytes, did).map_err(|e| unverified().caused_by(e))?;
        self.update(record, &[], Instant::now())
    }

    pub(super) fn forget(&self, did: &Did) -> Result<bool, Error> {
        let failed =
            |e: std::io::Error| Error::new(ErrorKind::State, format!("cannot forget {did}")).caused_by(e);
        let mut cache = self.cache();
        let known = cache.forget(did);
        self.pins().rewrite(cache.pins()).map_err(failed)?;
        Ok(known)
    }

    /// The root keys that the relay says were replaced, if its administrator is trusted. One that
    /// cannot be read replaces nothing.
    fn replaceable(&self, answer: &LookupResult) -> Vec<RootKey> {
        let announced = answer.former_root_keys.iter().filter(|_| self.accepts_announced_root_keys);
        let decoded = announced.filter_map(|former| multikey::decode_ed25519(&former.root_key).ok());
        decoded.map(|root| *root.as_bytes()).take(FORMER_ROOT_KEYS_MAX).collect()
    }

    /// Writes the pin before the record is used, so that no restart forgets what was trusted.
    fn update(
        &self,
        record: VerifiedRecord,
        replaceable: &[RootKey],
        now: Instant,
    ) -> Result<Arc<VerifiedRecord>, Error> {
        let did = record.did.clone();
        let mut cache = self.cache();
        let check = cache.check(&record, replaceable);
        match check {
            RecordCheck::Known => Ok(cache.insert(record, None, now)),
            RecordCheck::Newer(pin) | RecordCheck::Replaced(pin) => {
                self.pins()
                    .append(&did, &pin)
                    .map_err(|e| cannot_pin(&did, ErrorKind::State).caused_by(e))?;
                if matches!(check, RecordCheck::Replaced(_)) {
                    tracing::warn!(agent.did = %did, "the administrator of its relay replaced its root key");
                }
                Ok(cache.insert(record, Some(pin), now))
            }
            RecordCheck::Older => cache.keep_newer(&record, now).ok_or_else(|| rolled_back(&did)),
            RecordCheck::KeyChanged => Err(key_changed(&did)),
            RecordCheck::Full => Err(cannot_pin(&did, ErrorKind::Unverified)
                .caused_by("the list is full")
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

fn cannot_pin(did: &Did, kind: ErrorKind) -> Error {
    Error::new(kind, format!("cannot pin the root key of {did}"))
}

fn key_changed(did: &Did) -> Error {
    Error::new(ErrorKind::KeyChanged, format!("the root key of {did} has changed"))
        .advising("ask its owner; if the change is intended, remove the old key with m2a agents --forget DID")
}

fn rolled_back(did: &Did) -> Error {
    Error::new(ErrorKind::Unverified, format!("the record of {did} is older than one seen before"))
        .advising("the relay brings back old keys; it may have been restored from a backup. Nothing was sent")
}
