//! Acknowledgements: the tracker with its persisted dedup table, shared by the application and the
//! connection task.

use std::fs::File;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use protocol::UnixSeconds;
use protocol::frame::{AckParams, RefuseParams};
use protocol::refusal::RefusalReason;
use tokio::sync::Notify;

use super::dedup_file::DedupFile;
use super::received::Received;
use crate::clock::Clock;
use crate::error::{Error, ErrorKind};
use crate::state_machine::{AckTracker, DedupTable, DeliveryState, MessageKey};

pub(crate) struct Acknowledgements {
    inner: Mutex<Inner>,
    changed: Notify,
    clock: Clock,
}

struct Inner {
    tracker: AckTracker<Arc<Received>>,
    file: Option<DedupFile>,
    /// Acknowledged messages whose line could not be written. Bounded by the messages that are
    /// held.
    unwritten: Vec<(MessageKey, UnixSeconds)>,
    /// Whether the last sync failed, so that the file must be written again as a whole.
    must_rewrite: bool,
    /// Why the agent has ended. Another process may use the file from then on.
    ended: Option<Error>,
}

/// The acknowledgement that becomes due once the file is synced; without a file it is due now.
pub(crate) struct PendingSync {
    pub(crate) ack: AckParams,
    pub(crate) file: Option<File>,
}

impl Acknowledgements {
    /// Keeps the dedup table in the file at `path`, or in memory only.
    pub(crate) fn open(path: Option<PathBuf>, clock: Clock) -> Result<Self, Error> {
        let failed = |e: std::io::Error| {
            Error::new(ErrorKind::State, "cannot open the list of processed messages").caused_by(e)
        };
        let opened = path.map(|path| DedupFile::open(path, clock.now())).transpose().map_err(failed)?;
        let (file, table) = opened.map_or_else(|| (None, DedupTable::new()), |(f, table)| (Some(f), table));
        let inner = Inner {
            tracker: AckTracker::new(table),
            file,
            unwritten: Vec::new(),
            must_rewrite: false,
            ended: None,
        };
        Ok(Self { inner: Mutex::new(inner), changed: Notify::new(), clock })
    }

    pub(crate) fn start_epoch(&self, epoch: u64, takes_refusals: bool) {
        self.lock().tracker.start_epoch(epoch, takes_refusals);
    }

    pub(crate) fn on_arrival(&self, seq: u64, bytes: usize) {
        self.lock().tracker.on_arrival(seq, bytes);
    }

    pub(crate) fn on_delivery(&self, seq: u64, key: &MessageKey) -> DeliveryState {
        self.change(|inner| inner.tracker.on_delivery(seq, key))
    }

    pub(crate) fn hold(&self, seq: u64, received: &Arc<Received>) -> bool {
        self.lock().tracker.hold(seq, received.key(), Arc::clone(received), received.until())
    }

    /// Accepts an ephemeral message. Returns `false` for a duplicate, as far back as this process.
    pub(crate) fn accept_ephemeral(&self, seq: u64, received: &Received) -> bool {
        let (key, until, now) = (received.key(), received.until(), self.clock.now());
        self.change(|inner| inner.tracker.accept_ephemeral(seq, key, until, now))
    }

    pub(crate) fn settle(&self, seq: u64) {
        self.change(|inner| inner.tracker.settle(seq));
    }

    pub(crate) fn refuse(&self, seq: u64, reason: RefusalReason) {
        self.change(|inner| inner.tracker.refuse(seq, reason));
    }

    /// Notes that the application dropped a message; returns what to show again, and when.
    pub(crate) fn release(&self, key: &MessageKey) -> Option<(Arc<Received>, Duration)> {
        self.lock().tracker.release(key)
    }

    /// Notes that the application will never process a message.
    pub(crate) fn reject(&self, key: &MessageKey) -> Result<(), Error> {
        self.change(|inner| {
            inner.check_running("cannot reject the message")?;
            inner.tracker.reject(key);
            Ok(())
        })
    }

    /// Marks a message as processed. Writes the dedup file first, so that no message is
    /// acknowledged to the relay that would appear again after a restart. If that fails, it is
    /// repeated by [`retry`](Self::retry), and the message is not shown again meanwhile.
    pub(crate) fn mark_processed(&self, received: &Received) -> Result<(), Error> {
        let (key, until, now) = (received.key(), received.until(), self.clock.now());
        self.change(|inner| inner.mark_processed(key, until, now))
    }

    /// Writes what could not be written before, and forgets what has expired.
    pub(crate) fn retry(&self) {
        let now = self.clock.now();
        self.change(|inner| {
            for (key, until) in std::mem::take(&mut inner.unwritten) {
                // It is on the list again if it fails again.
                let _ = inner.mark_processed(key, until, now);
            }
            inner.tracker.forget_expired(now);
        });
    }

    /// The acknowledgement to sync for, if there is a new one.
    pub(crate) fn begin_sync(&self) -> std::io::Result<Option<PendingSync>> {
        let mut inner = self.lock();
        let Some(ack) = inner.tracker.to_sync() else { return Ok(None) };
        let Inner { file, tracker, must_rewrite, .. } = &mut *inner;
        let Some(dedup) = file else { return Ok(Some(PendingSync { ack, file: None })) };
        if *must_rewrite {
            dedup.rewrite(tracker.processed())?;
            *must_rewrite = false;
        }
        Ok(Some(PendingSync { ack, file: dedup.unsynced()? }))
    }

    pub(crate) fn on_synced(&self, ack: AckParams) {
        self.change(|inner| inner.tracker.on_synced(ack));
    }

    pub(crate) fn on_sync_failed(&self) {
        self.lock().must_rewrite = true;
    }

    pub(crate) fn has_frame(&self) -> bool {
        self.lock().tracker.has_frame()
    }

    pub(crate) fn next_refusal(&self) -> Option<RefuseParams> {
        self.lock().tracker.next_refusal()
    }

    pub(crate) fn due(&self) -> Option<AckParams> {
        self.lock().tracker.due()
    }

    pub(crate) fn on_ack_sent(&self, ack: AckParams) {
        self.lock().tracker.on_ack_sent(ack);
    }

    /// The oldest unsettled number, and how much of the relay's window is used.
    pub(crate) fn window(&self) -> (Option<u64>, u64, usize) {
        let inner = self.lock();
        let (count, bytes) = inner.tracker.window_used();
        (inner.tracker.oldest_unsettled(), count, bytes)
    }

    /// Closes the file; later acknowledgements fail with this error.
    pub(crate) fn end(&self, error: &Error) {
        let mut inner = self.lock();
        inner.ended = Some(error.clone());
        inner.file = None;
    }

    /// Returns when an acknowledgement may have become due.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    fn change<T>(&self, change: impl FnOnce(&mut Inner) -> T) -> T {
        let changed = change(&mut self.lock());
        self.changed.notify_one();
        changed
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn mark_processed(&mut self, key: MessageKey, until: UnixSeconds, now: UnixSeconds) -> Result<(), Error> {
        if self.tracker.is_processed(&key) {
            return Ok(());
        }
        self.check_running("cannot acknowledge the message")?;
        if let Some(file) = &mut self.file
            && let Err(error) = file.append(&key, until)
        {
            self.tracker.postpone(&key);
            if !self.unwritten.iter().any(|(unwritten, _)| *unwritten == key) {
                self.unwritten.push((key, until));
            }
            return Err(not_written(error));
        }
        self.tracker.mark_processed(&key, until, now);
        if let Some(file) = &mut self.file
            && let Err(error) = file.compact(self.tracker.processed())
        {
            // The lines are all there; a later acknowledgement compacts them.
            tracing::warn!(error = %error, "cannot compact the list of processed messages");
        }
        Ok(())
    }

    fn check_running(&self, attempt: &str) -> Result<(), Error> {
        self.ended.as_ref().map_or(Ok(()), |error| Err(error.repeated(attempt)))
    }
}

fn not_written(cause: std::io::Error) -> Error {
    Error::new(ErrorKind::State, "cannot write the list of processed messages")
        .caused_by(cause)
        .advising("free space in the state folder; the agent repeats it while it runs")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u8) -> MessageKey {
        ("did:wba:localhost:agent:bob".parse().unwrap(), protocol::envelope::MessageId::new(1, [n; 10]))
    }

    #[test]
    fn an_acknowledgement_that_a_full_disk_refused_is_written_later() {
        let folder = tempfile::tempdir().unwrap();
        let (now, until) = (10_000, 10_100);
        let clock = Clock::from_fn(move || now);
        let acks = Acknowledgements::open(Some(folder.path().join("processed")), clock).unwrap();
        acks.lock().file.as_mut().unwrap().break_for_test();
        assert!(acks.lock().mark_processed(key(1), until, now).is_err());
        assert!(acks.lock().mark_processed(key(1), until, now).is_err(), "asked again, it waits once");
        assert_eq!(acks.lock().unwritten.len(), 1);
        let (file, _) = DedupFile::open(folder.path().join("processed"), 0).unwrap();
        acks.lock().file = Some(file);
        acks.retry();
        assert!(acks.lock().tracker.is_processed(&key(1)));
        assert!(acks.lock().unwritten.is_empty());
    }

    #[test]
    fn an_agent_that_has_ended_writes_nothing_and_says_why() {
        let acks = Acknowledgements::open(None, Clock::system()).unwrap();
        acks.end(&Error::new(ErrorKind::Replaced, "another session took over"));
        let error = acks.lock().mark_processed(key(1), 100, 1).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Replaced);
    }
}
