//! Notices: the outcomes of messages that the relay had stored.
//!
//! With a state folder, a notice is on disk before the relay is told that it arrived, and stays
//! there until the application acknowledges it. Without one it is in memory only.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use protocol::envelope::MessageId;
use protocol::frame::{NoticeParams, Outcome};
use protocol::refusal::RefusalReason;
use protocol::{Did, UnixSeconds};
use tokio::sync::Notify;

use crate::error::{Error, ErrorKind};
use crate::line_file::{PendingRewrite, UnsyncedLines};

mod notice_file;
mod notice_table;

use notice_file::NoticeFile;
use notice_table::NoticeTable;

/// The outcome of one stored message.
#[derive(Debug, Clone)]
pub struct Notice {
    pub id: MessageId,
    pub to: Did,
    pub outcome: Outcome,
    /// With [`Outcome::Refused`]: why the recipient refused the message.
    pub reason: Option<RefusalReason>,
    pub at: UnixSeconds,
    log: Weak<NoticeLog>,
}

impl Notice {
    /// Acknowledges the notice, so that a later process is not told it again. Idempotent.
    ///
    /// # Errors
    /// [`ErrorKind::State`](crate::ErrorKind::State) if the state folder cannot be written; the
    /// next process is told it again.
    pub async fn ack(&self) -> Result<(), Error> {
        self.log.upgrade().map_or(Ok(()), |log| log.acknowledge(self.id, self.outcome))
    }
}

/// The notices that nobody has taken, those of earlier processes first. Several readers may be
/// open; each notice goes to one of them.
pub struct Notices(Arc<NoticeLog>);

impl Notices {
    /// Waits for the next notice; `None` once the agent has ended. Cancel safe.
    pub async fn next(&mut self) -> Option<Notice> {
        loop {
            let changed = self.0.changed.notified();
            tokio::pin!(changed);
            // Subscribe before looking, so that no change in between is missed.
            changed.as_mut().enable();
            let (taken, ended) = {
                let mut inner = self.0.lock();
                (inner.table.take(), inner.ended)
            };
            if let Some(stored) = taken {
                // Another reader may have missed its notification, because this one consumed it.
                self.0.changed.notify_one();
                return Some(stored.into_notice(&self.0));
            }
            if ended {
                return None;
            }
            changed.await;
        }
    }
}

/// A notice as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredNotice {
    id: MessageId,
    to: Did,
    outcome: Outcome,
    reason: Option<RefusalReason>,
    at: UnixSeconds,
}

impl StoredNotice {
    fn into_notice(self, log: &Arc<NoticeLog>) -> Notice {
        let Self { id, to, outcome, reason, at } = self;
        Notice { id, to, outcome, reason, at, log: Arc::downgrade(log) }
    }
}

impl From<&NoticeParams> for StoredNotice {
    fn from(params: &NoticeParams) -> Self {
        let NoticeParams { id, to, outcome, reason, at, .. } = params;
        Self { id: *id, to: to.clone(), outcome: *outcome, reason: *reason, at: *at }
    }
}

/// Keeps notices for their readers, and the latest outcomes.
pub(crate) struct NoticeLog {
    inner: Mutex<Inner>,
    changed: Notify,
}

struct Inner {
    table: NoticeTable,
    file: Option<NoticeFile>,
    ended: bool,
}

impl NoticeLog {
    /// Keeps the notices in the file at `path`, or in memory only.
    pub(crate) fn open(path: Option<PathBuf>) -> Result<Arc<Self>, Error> {
        let failed =
            |e: std::io::Error| Error::new(ErrorKind::State, "cannot open the list of notices").caused_by(e);
        let opened = path.map(NoticeFile::open).transpose().map_err(failed)?;
        let (file, waiting) = opened.map_or_else(|| (None, Vec::new()), |(file, w)| (Some(file), w));
        let inner = Inner { table: NoticeTable::new(waiting), file, ended: false };
        Ok(Arc::new(Self { inner: Mutex::new(inner), changed: Notify::new() }))
    }

    /// Keeps a notice. After this returned `Ok` and the file was synced, the relay may forget it.
    pub(crate) fn record(&self, params: &NoticeParams) -> std::io::Result<()> {
        if params.missed > 0 {
            tracing::warn!(notices.missed = params.missed, "the relay has dropped older notices");
        }
        let notice = StoredNotice::from(params);
        let mut inner = self.lock();
        let Inner { table, file, .. } = &mut *inner;
        if table.is_known(&notice) {
            return Ok(());
        }
        if let Some(file) = file {
            file.append(&notice)?;
        }
        if table.insert(notice) {
            tracing::warn!("more notices wait than are kept; the oldest is dropped");
        }
        drop(inner);
        self.changed.notify_one();
        Ok(())
    }

    pub(crate) fn outcome(&self, id: &MessageId) -> Option<Outcome> {
        self.lock().table.outcome(id)
    }

    pub(crate) fn reader(self: &Arc<Self>) -> Notices {
        Notices(Arc::clone(self))
    }

    /// The file's new content, if it must be written again.
    pub(crate) fn begin_rewrite(&self) -> Option<PendingRewrite> {
        let mut inner = self.lock();
        let Inner { table, file, .. } = &mut *inner;
        file.as_mut()?.begin_rewrite(table.waiting())
    }

    /// Writes the file again. It blocks for as long as the disk needs, without the lock that
    /// readers and the connection take.
    pub(crate) fn rewrite(&self, rewrite: PendingRewrite) -> std::io::Result<()> {
        let written = rewrite.write();
        self.lock().file.as_mut().map_or(Ok(()), |file| file.finish_rewrite(written))
    }

    /// Whether a sync makes the notices durable: the file is not being written again.
    pub(crate) fn can_sync(&self) -> bool {
        self.lock().file.as_ref().is_none_or(NoticeFile::can_sync)
    }

    /// What to sync, if notices were written since the last time.
    pub(crate) fn unsynced(&self) -> std::io::Result<Option<UnsyncedLines>> {
        self.lock().file.as_mut().map_or(Ok(None), NoticeFile::unsynced)
    }

    pub(crate) fn on_sync_failed(&self) {
        if let Some(file) = &mut self.lock().file {
            file.on_sync_failed();
        }
    }

    /// Closes the file. Another process may use it from then on.
    pub(crate) fn end(&self) {
        let mut inner = self.lock();
        (inner.file, inner.ended) = (None, true);
        drop(inner);
        self.changed.notify_waiters();
    }

    fn acknowledge(&self, id: MessageId, outcome: Outcome) -> Result<(), Error> {
        let failed =
            |e: std::io::Error| Error::new(ErrorKind::State, "cannot write the list of notices").caused_by(e);
        let mut inner = self.lock();
        let Inner { table, file, .. } = &mut *inner;
        if let Some(file) = file {
            file.append_acknowledged(id, outcome).map_err(failed)?;
        }
        table.acknowledge(id, outcome);
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
