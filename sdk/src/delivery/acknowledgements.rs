//! Acknowledgements: the tracker with its persisted dedup table, shared by the application and the
//! connection task.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use protocol::UnixSeconds;
use protocol::frame::{AckParams, RefuseParams};
use protocol::refusal::RefusalReason;
use tokio::sync::Notify;

#[cfg(feature = "direct")]
mod direct_copies;

#[cfg(feature = "direct")]
pub(crate) use direct_copies::{DirectAdmission, Settlement};

use super::dedup_file::DedupFile;
use super::received::Received;
use crate::clock::Clock;
use crate::error::{Error, ErrorKind};
use crate::line_file::{PendingRewrite, UnsyncedLines};
use crate::state_machine::{AckTracker, DedupTable, DeliveryState, MessageKey};

pub(crate) struct Acknowledgements {
    inner: Mutex<Inner>,
    changed: Notify,
    #[cfg(feature = "direct")]
    direct_changed: Notify,
    clock: Clock,
}

struct Inner {
    tracker: AckTracker<Arc<Received>>,
    file: Option<DedupFile>,
    /// Acknowledged messages whose line could not be written. Bounded by the messages that are
    /// held.
    unwritten: Vec<(MessageKey, UnixSeconds)>,
    /// Why the agent has ended. Another process may use the file from then on.
    ended: Option<Error>,
    #[cfg(feature = "direct")]
    direct: direct_copies::DirectCopies,
}

/// What became of a verified message that the relay delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hold {
    /// The application is shown it next.
    New,
    /// A direct connection brought it meanwhile.
    Duplicate,
    /// The relay has sent more than its window allows.
    Full,
}

/// The acknowledgement that becomes due once the file is synced; without a file it is due now.
pub(crate) struct PendingSync {
    pub(crate) ack: AckParams,
    pub(crate) file: Option<UnsyncedLines>,
}

impl Acknowledgements {
    /// Keeps the dedup table, which is empty, in the file at `path`, or in memory only.
    pub(crate) fn open(path: Option<PathBuf>, clock: Clock, table: DedupTable) -> Result<Self, Error> {
        let failed = |e: std::io::Error| {
            Error::new(ErrorKind::State, "cannot open the list of processed messages").caused_by(e)
        };
        let (file, table) = match path {
            None => (None, table),
            Some(path) => {
                let (file, table) = DedupFile::open(path, clock.now(), table).map_err(failed)?;
                (Some(file), table)
            }
        };
        let inner = Inner {
            tracker: AckTracker::new(table),
            file,
            unwritten: Vec::new(),
            ended: None,
            #[cfg(feature = "direct")]
            direct: direct_copies::DirectCopies::default(),
        };
        Ok(Self {
            inner: Mutex::new(inner),
            changed: Notify::new(),
            #[cfg(feature = "direct")]
            direct_changed: Notify::new(),
            clock,
        })
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

    pub(crate) fn hold(&self, seq: u64, received: &Arc<Received>) -> Hold {
        let key = received.key();
        self.change(|inner| {
            // While it was verified, a direct connection may have brought it too.
            if inner.tracker.on_delivery(seq, &key) != DeliveryState::New {
                return Hold::Duplicate;
            }
            let held = inner.tracker.hold(seq, key, Arc::clone(received), received.until());
            if held { Hold::New } else { Hold::Full }
        })
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
            #[cfg(feature = "direct")]
            inner.direct.refuse(key, RefusalReason::Rejected);
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

    /// The file's new content, if it must be written again. Until
    /// [`finish_rewrite`](Self::finish_rewrite) no acknowledgement becomes due.
    pub(crate) fn begin_rewrite(&self) -> Option<PendingRewrite> {
        let mut inner = self.lock();
        let Inner { file, tracker, .. } = &mut *inner;
        file.as_mut()?.begin_rewrite(tracker.processed())
    }

    /// Writes the file again. It blocks for as long as the disk needs, without the lock that
    /// acknowledging takes.
    pub(crate) fn rewrite(&self, rewrite: PendingRewrite) -> std::io::Result<()> {
        let written = rewrite.write();
        self.change(|inner| inner.file.as_mut().map_or(Ok(()), |file| file.finish_rewrite(written)))
    }

    /// The acknowledgement to sync for, if there is a new one.
    pub(crate) fn begin_sync(&self) -> std::io::Result<Option<PendingSync>> {
        let mut inner = self.lock();
        let Some(ack) = inner.tracker.to_sync() else { return Ok(None) };
        let Some(dedup) = &mut inner.file else { return Ok(Some(PendingSync { ack, file: None })) };
        if !dedup.can_sync() {
            return Ok(None);
        }
        Ok(Some(PendingSync { ack, file: dedup.unsynced()? }))
    }

    pub(crate) fn on_synced(&self, ack: AckParams) {
        self.change(|inner| inner.tracker.on_synced(ack));
    }

    pub(crate) fn on_sync_failed(&self) {
        if let Some(file) = &mut self.lock().file {
            file.on_sync_failed();
        }
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
        #[cfg(feature = "direct")]
        inner.direct.end();
    }

    /// Returns when an acknowledgement may have become due.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    fn change<T>(&self, change: impl FnOnce(&mut Inner) -> T) -> T {
        let changed = change(&mut self.lock());
        self.changed.notify_one();
        #[cfg(feature = "direct")]
        self.direct_changed.notify_one();
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
        #[cfg(feature = "direct")]
        self.direct.on_processed(key);
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
        let path = folder.path().join("processed");
        let acks = Acknowledgements::open(Some(path.clone()), clock, DedupTable::new()).unwrap();
        acks.lock().file.as_mut().unwrap().break_for_test();
        assert!(acks.lock().mark_processed(key(1), until, now).is_err());
        assert!(acks.lock().mark_processed(key(1), until, now).is_err(), "asked again, it waits once");
        assert_eq!(acks.lock().unwritten.len(), 1);
        let (file, _) = DedupFile::open(path, 0, DedupTable::new()).unwrap();
        acks.lock().file = Some(file);
        acks.retry();
        assert!(acks.lock().tracker.is_processed(&key(1)));
        assert!(acks.lock().unwritten.is_empty());
    }

    #[test]
    fn the_application_acknowledges_while_the_file_is_written_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("processed");
        let (now, until, entries_max) = (10, 100, 4);
        let clock = Clock::from_fn(move || now);
        let table = || DedupTable::with_entries_max(entries_max);
        let acks = Acknowledgements::open(Some(path.clone()), clock, table()).unwrap();
        acks.start_epoch(1, true);
        let process = |n: u8| {
            acks.change(|inner| inner.mark_processed(key(n), until, now)).unwrap();
            acks.settle(n.into());
        };
        (1..=9).for_each(process);
        let rewrite = acks.begin_rewrite().unwrap();
        process(10);
        assert!(acks.begin_sync().unwrap().is_none(), "the new file does not have it yet");
        assert!(acks.begin_rewrite().is_none(), "one at a time");
        acks.rewrite(rewrite).unwrap();
        let sync = acks.begin_sync().unwrap().unwrap();
        sync.file.unwrap().sync().unwrap();
        assert_eq!(sync.ack.seq, 10);
        let (_, found) = DedupFile::open(path.clone(), now, table()).unwrap();
        assert!((7..=10).all(|n| found.contains(&key(n))));
        assert_eq!(std::fs::read_to_string(path).unwrap().lines().count(), entries_max);
    }

    #[test]
    fn an_agent_that_has_ended_writes_nothing_and_says_why() {
        let acks = Acknowledgements::open(None, Clock::system(), DedupTable::new()).unwrap();
        acks.end(&Error::new(ErrorKind::Replaced, "another session took over"));
        let error = acks.lock().mark_processed(key(1), 100, 1).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Replaced);
    }
}
