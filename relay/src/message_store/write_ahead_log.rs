//! Keeps the write-ahead log of the mailbox small.
//!
//! SQLite starts its log again at the front only when all of it was copied into the database at the
//! moment of a write. A checkpoint beside a writer that commits meanwhile always leaves the last
//! pages over. So the writer itself restarts a log that has reached its limit, between two commits:
//! some 20 ms of copying. The file keeps its size, so removals need no new space on a full disk.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sqlx::SqliteConnection;
use tokio::sync::Mutex;

use super::PAGE_BYTES;

/// Parts of the limit after which the writer looks at the size of the log.
const LOOKS_PER_LOG: u64 = 8;
/// Pages of one commit besides those of its messages, in bytes: two tables with two pages each.
const COMMIT_BYTES: u64 = 4 * PAGE_BYTES as u64;
/// Pages that change when one row leaves its mailbox, in bytes: its own and that of its body. The
/// rows of one mailbox may each be on pages of their own, between those of others.
const REMOVAL_BYTES: u64 = 2 * PAGE_BYTES as u64;
/// The part of a page that a body may leave empty: a body a little larger than half a page takes a
/// whole one.
const BYTES_PER_BODY_BYTE: u64 = 2;

/// What the writer and the checkpointer share about the log.
#[derive(Debug, Clone, Default)]
pub(crate) struct WriteAheadLog {
    bytes: Arc<AtomicU64>,
    /// SQLite refuses two checkpoints at a time.
    checkpoint: Arc<Mutex<()>>,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Checkpoint {
    /// Copies nothing, and reports the size.
    Measure,
    /// Copies what it can beside the writer.
    Passive,
    /// Copies everything and lets the next commit write to the front of the log.
    Restart,
}

/// The writer's view of the log.
#[derive(Debug)]
pub(super) struct LogLimit {
    log: WriteAheadLog,
    bytes_max: u64,
    /// Bytes that were written since the last look, estimated from above.
    unmeasured: u64,
}

impl WriteAheadLog {
    /// The size of the log when it was last measured.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Returns the bytes that are in the log. A checkpoint that others are in the way of is no
    /// error; it copied less.
    pub(super) async fn checkpoint(&self, on: &mut SqliteConnection, kind: Checkpoint) -> sqlx::Result<u64> {
        let _alone = self.checkpoint.lock().await;
        let sql = match kind {
            Checkpoint::Measure => "pragma wal_checkpoint(noop)",
            Checkpoint::Passive => "pragma wal_checkpoint(passive)",
            Checkpoint::Restart => "pragma wal_checkpoint(restart)",
        };
        let (busy, pages, copied): (i64, i64, i64) = sqlx::query_as(sql).fetch_one(&mut *on).await?;
        let page_bytes: i64 = sqlx::query_scalar("pragma page_size").fetch_one(on).await?;
        let restarted = matches!(kind, Checkpoint::Restart) && busy == 0 && copied == pages;
        let pages = if restarted { 0 } else { pages.max(0) };
        let bytes = pages.saturating_mul(page_bytes).unsigned_abs();
        self.bytes.store(bytes, Ordering::Relaxed);
        Ok(bytes)
    }
}

impl LogLimit {
    pub(super) const fn new(log: WriteAheadLog, bytes_max: u64) -> Self {
        Self { log, bytes_max, unmeasured: 0 }
    }

    pub(super) const fn bytes_max(&self) -> u64 {
        self.bytes_max
    }

    /// Before a commit: restarts a log that is at its limit.
    ///
    /// # Errors
    /// The log could not be copied into the database, for example because the disk is full.
    pub(super) async fn make_room(&mut self, on: &mut SqliteConnection) -> sqlx::Result<()> {
        if self.unmeasured < self.bytes_max / LOOKS_PER_LOG {
            return Ok(());
        }
        self.unmeasured = 0;
        if self.log.checkpoint(on, Checkpoint::Measure).await? >= self.bytes_max {
            self.restart(on).await?;
        }
        Ok(())
    }

    pub(super) async fn restart(&self, on: &mut SqliteConnection) -> sqlx::Result<()> {
        self.log.checkpoint(on, Checkpoint::Restart).await.map(|_| ())
    }

    /// After a commit with this many bytes of messages, by which this many rows left.
    pub(super) const fn grown(&mut self, message_bytes: u64, removals: u64) {
        let messages = message_bytes.saturating_mul(BYTES_PER_BODY_BYTE);
        let removals = removals.saturating_mul(REMOVAL_BYTES);
        self.unmeasured =
            self.unmeasured.saturating_add(messages).saturating_add(removals).saturating_add(COMMIT_BYTES);
    }
}
