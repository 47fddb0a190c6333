//! The ledger of processed messages with its journal, shared between the application and the connection.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use protocol::UnixSeconds;
use protocol::envelope::{Class, Header};
use protocol::frame::AckParams;
use protocol::limits::{CLOCK_SKEW_GRACE_SECONDS, EPHEMERAL_TTL_SECONDS, MAX_TTL_SECONDS};
use tokio::sync::Notify;

use super::journal::Journal;
use super::ledger::{Ledger, Standing};
use super::seen::Key;
use super::seen::Seen;
use crate::{Error, ErrorKind, clock};

pub(crate) struct Acks {
    inner: Mutex<Inner>,
    changed: Notify,
}

struct Inner {
    ledger: Ledger,
    journal: Option<Journal>,
}

impl Acks {
    /// With the journal at `path`, or in memory only.
    pub(crate) fn open(path: Option<PathBuf>) -> Result<Self, Error> {
        let failed = |e: std::io::Error| {
            Error::new(ErrorKind::State, "cannot open the journal of messages").caused_by(e)
        };
        let opened = path.map(|path| Journal::open(path, clock::now())).transpose().map_err(failed)?;
        let (journal, seen) = opened.map_or_else(|| (None, Seen::new()), |(j, seen)| (Some(j), seen));
        let inner = Mutex::new(Inner { ledger: Ledger::new(seen), journal });
        Ok(Self { inner, changed: Notify::new() })
    }

    pub(crate) fn begin(&self, epoch: u64) {
        self.lock().ledger.begin(epoch);
    }

    pub(crate) fn arrived(&self, seq: u64, key: &Key) -> Standing {
        let standing = self.lock().ledger.arrived(seq, key);
        self.changed.notify_one();
        standing
    }

    pub(crate) fn hold(&self, seq: u64, key: Key) -> bool {
        self.lock().ledger.hold(seq, key)
    }

    /// An ephemeral message is shown; `false` when it was shown before, since this process began.
    pub(crate) fn pass(&self, seq: u64, header: &Header) -> bool {
        let key = (header.from.clone(), header.id);
        let new = self.lock().ledger.pass(seq, key, remembered_until(header), clock::now());
        self.changed.notify_one();
        new
    }

    pub(crate) fn settle(&self, seq: u64) {
        self.lock().ledger.settle(seq);
        self.changed.notify_one();
    }

    /// The journal's line is written before the ledger moves: what the relay is told to forget is remembered here.
    pub(crate) fn processed(&self, header: &Header) -> Result<(), Error> {
        let failed = |e: std::io::Error| {
            Error::new(ErrorKind::State, "cannot write the journal of messages").caused_by(e)
        };
        let key = (header.from.clone(), header.id);
        let until = remembered_until(header);
        let mut inner = self.lock();
        let Inner { ledger, journal } = &mut *inner;
        if !ledger.is_held(&key) {
            return Ok(());
        }
        if let Some(journal) = journal {
            journal.append(&key, until).map_err(failed)?;
        }
        ledger.processed(&key, until, clock::now());
        if let Some(journal) = journal {
            journal.compact(ledger.seen()).map_err(failed)?;
        }
        drop(inner);
        self.changed.notify_one();
        Ok(())
    }

    pub(crate) fn due(&self) -> Option<AckParams> {
        self.lock().ledger.due()
    }

    pub(crate) fn told(&self, ack: AckParams) {
        self.lock().ledger.told(ack);
    }

    /// Returns when an acknowledgement may have become due.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The second from which freshness refuses any copy.
fn remembered_until(header: &Header) -> UnixSeconds {
    let lifetime = match header.class {
        Class::Reliable => header.ttl.unwrap_or(MAX_TTL_SECONDS).saturating_add(CLOCK_SKEW_GRACE_SECONDS),
        Class::Ephemeral => EPHEMERAL_TTL_SECONDS,
    };
    header.time.saturating_add(lifetime)
}
