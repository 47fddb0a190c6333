//! Acknowledgements: the tracker with its persisted dedup table, shared by the application and the
//! connection task.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use protocol::UnixSeconds;
use protocol::envelope::{Class, Header};
use protocol::frame::AckParams;
use protocol::limits::{CLOCK_SKEW_GRACE_SECONDS, EPHEMERAL_TTL_SECONDS, MAX_TTL_SECONDS};
use tokio::sync::Notify;

use super::ack_tracker::{AckTracker, DeliveryState};
use super::dedup::{DedupTable, MessageKey};
use super::dedup_file::DedupFile;
use crate::clock;
use crate::error::{Error, ErrorKind};

pub(crate) struct Acknowledgements {
    inner: Mutex<Inner>,
    changed: Notify,
}

struct Inner {
    tracker: AckTracker,
    file: Option<DedupFile>,
}

impl Acknowledgements {
    /// Keeps the dedup table in the file at `path`, or in memory only.
    pub(crate) fn open(path: Option<PathBuf>) -> Result<Self, Error> {
        let failed = |e: std::io::Error| {
            Error::new(ErrorKind::State, "cannot open the list of processed messages").caused_by(e)
        };
        let opened = path.map(|path| DedupFile::open(path, clock::now())).transpose().map_err(failed)?;
        let (file, table) = opened.map_or_else(|| (None, DedupTable::new()), |(f, table)| (Some(f), table));
        let inner = Mutex::new(Inner { tracker: AckTracker::new(table), file });
        Ok(Self { inner, changed: Notify::new() })
    }

    pub(crate) fn start_epoch(&self, epoch: u64) {
        self.lock().tracker.start_epoch(epoch);
    }

    pub(crate) fn on_delivery(&self, seq: u64, key: &MessageKey) -> DeliveryState {
        let state = self.lock().tracker.on_delivery(seq, key);
        self.changed.notify_one();
        state
    }

    pub(crate) fn hold(&self, seq: u64, key: MessageKey) -> bool {
        self.lock().tracker.hold(seq, key)
    }

    /// Accepts an ephemeral message. Returns `false` for a duplicate, as far back as this process.
    pub(crate) fn accept_ephemeral(&self, seq: u64, header: &Header) -> bool {
        let key = (header.from.clone(), header.id);
        let new = self.lock().tracker.accept_ephemeral(seq, key, remembered_until(header), clock::now());
        self.changed.notify_one();
        new
    }

    pub(crate) fn settle(&self, seq: u64) {
        self.lock().tracker.settle(seq);
        self.changed.notify_one();
    }

    /// Marks a message as processed. Writes the dedup file first, so that no message is
    /// acknowledged to the relay that would appear again after a restart.
    pub(crate) fn mark_processed(&self, header: &Header) -> Result<(), Error> {
        let failed = |e: std::io::Error| {
            Error::new(ErrorKind::State, "cannot write the list of processed messages").caused_by(e)
        };
        let key = (header.from.clone(), header.id);
        let until = remembered_until(header);
        let mut inner = self.lock();
        let Inner { tracker, file } = &mut *inner;
        if !tracker.is_held(&key) {
            return Ok(());
        }
        if let Some(file) = file {
            file.append(&key, until).map_err(failed)?;
        }
        tracker.mark_processed(&key, until, clock::now());
        if let Some(file) = file {
            file.compact(tracker.processed()).map_err(failed)?;
        }
        drop(inner);
        self.changed.notify_one();
        Ok(())
    }

    pub(crate) fn due(&self) -> Option<AckParams> {
        self.lock().tracker.due()
    }

    pub(crate) fn on_ack_sent(&self, ack: AckParams) {
        self.lock().tracker.on_ack_sent(ack);
    }

    /// Returns when an acknowledgement may have become due.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The time from which every copy of the message is refused as too old.
fn remembered_until(header: &Header) -> UnixSeconds {
    let lifetime = match header.class {
        Class::Reliable => header.ttl.unwrap_or(MAX_TTL_SECONDS).saturating_add(CLOCK_SKEW_GRACE_SECONDS),
        Class::Ephemeral => EPHEMERAL_TTL_SECONDS,
    };
    header.time.saturating_add(lifetime)
}
