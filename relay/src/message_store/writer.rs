//! The only task that writes messages: it commits what the [`CommitScheduler`] asks for, and keeps
//! the write-ahead log within its limit.
//!
//! When a commit fails, everybody who waits is answered `storage_unavailable`, and the file is
//! reopened once a second until a commit succeeds. On a full disk, removals and notices are still
//! committed; messages are refused until there is room. Direct delivery to connected recipients
//! goes on meanwhile.
//!
//! [`CommitScheduler`]: super::CommitScheduler

use std::sync::Arc;
use std::time::Instant;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, SqliteConnection};

use super::commit_scheduler::{Batch, CommitFailure, NextCommit, insertion};
use super::forgetting::Forgetting;
use super::statements::{Statements, removal};
use super::write_ahead_log::LogLimit;
use super::{PAGE_BYTES, ReportHandler, WriteQueue};
use crate::store::{DiskReserve, is_disk_full};

/// Parts of the log's limit that are given back to a full disk at a time. Giving back moves pages
/// from the end of the file, and each moved page takes up to three in the log, which must not grow.
const SHRINKS_PER_LOG: u64 = 4;
/// Such steps of one look at a full disk. More would keep removals waiting.
const SHRINKS_PER_LOOK: usize = 4;

#[derive(Debug)]
pub(crate) struct MessageWriter {
    pub(super) options: SqliteConnectOptions,
    pub(super) connection: SqliteConnection,
    pub(super) queue: Arc<WriteQueue>,
    pub(super) reserve: Arc<DiskReserve>,
    pub(super) statements: Statements,
    pub(super) forgetting: Forgetting,
    pub(super) log: LogLimit,
    /// The last commit failed, so the file is opened anew before the next.
    pub(super) failed: bool,
}

impl MessageWriter {
    /// Runs until the queue is closed and empty.
    pub(crate) async fn run(mut self, report: ReportHandler) {
        loop {
            if self.queue.has_messages() && !self.reserve.has_room() {
                self.queue.disk_is_full();
            }
            match self.queue.next() {
                NextCommit::Commit(batch) => self.commit(batch, &report).await,
                NextCommit::WaitUntil(at_ms) => self.queue.pause(at_ms).await,
                NextCommit::LookForSpaceAt(at_ms) => self.look_for_space(at_ms, &report).await,
                NextCommit::Idle => self.idle().await,
                NextCommit::Finished => break,
            }
        }
        if let Err(error) = self.connection.close().await {
            tracing::warn!(%error, "failed to close the mailbox");
        }
    }

    async fn commit(&mut self, batch: Arc<Batch>, report: &ReportHandler) {
        let started = Instant::now();
        let result = self.try_commit(&batch).await;
        let result = match result {
            Ok(()) => Ok(started.elapsed()),
            Err(error) => Err(self.failure(&error).await),
        };
        self.failed |= result == Err(CommitFailure::Other);
        // The scheduler takes the writes back without a copy.
        drop(batch);
        self.queue.finished(result).into_iter().for_each(|found| report(found));
    }

    pub(super) async fn try_commit(&mut self, batch: &Batch) -> sqlx::Result<()> {
        if self.failed {
            self.reopen().await?;
        }
        self.log.make_room(&mut self.connection).await?;
        self.statements.commit(&mut self.connection, batch, &mut self.forgetting).await?;
        let bytes: usize = batch.writes.iter().filter_map(insertion).map(|row| row.size()).sum();
        let removals = batch.writes.iter().filter(|write| removal(write).is_some()).count();
        self.log.grown(bytes as u64, removals as u64);
        Ok(())
    }

    /// The former connection is closed before the next commit, which would wait for its locks.
    async fn reopen(&mut self) -> sqlx::Result<()> {
        let opened = self.options.connect().await?;
        if let Err(error) = std::mem::replace(&mut self.connection, opened).close().await {
            tracing::warn!(%error, "failed to close the mailbox after a failed commit");
        }
        self.failed = false;
        Ok(())
    }

    /// Names the failure. On a full disk, it frees the reserve, so that removals can be committed.
    async fn failure(&mut self, error: &sqlx::Error) -> CommitFailure {
        if !is_disk_full(error) {
            tracing::error!(%error, "failed to write to the mailbox; reliable messages are refused until it works");
            return CommitFailure::Other;
        }
        tracing::error!(%error, "the mailbox is full; messages are refused until there is room");
        self.reserve.release();
        if let Err(error) = self.shorten_log().await {
            tracing::warn!(%error, "failed to copy the log of the mailbox on a full disk");
        }
        CommitFailure::Full
    }

    /// Waits, then gives unused pages back to the disk and asks whether it has room.
    async fn look_for_space(&mut self, at_ms: u64, report: &ReportHandler) {
        self.queue.wait(Some(at_ms)).await;
        if !self.queue.is_due(at_ms) {
            return;
        }
        if let Err(error) = self.shrink().await {
            tracing::warn!(%error, "failed to give pages of the mailbox back to the disk");
        }
        let found = self.reserve.take() && self.reserve.has_room();
        if let Some(recovered) = self.queue.looked_for_space(found) {
            tracing::info!("the mailbox has room for messages again");
            report(recovered);
        }
    }

    async fn shorten_log(&mut self) -> sqlx::Result<()> {
        self.log.restart(&mut self.connection).await
    }

    async fn shrink(&mut self) -> sqlx::Result<()> {
        let pages = self.log.bytes_max() / SHRINKS_PER_LOG / u64::from(PAGE_BYTES);
        let vacuum = format!("pragma incremental_vacuum({})", pages.max(1));
        for _ in 0..SHRINKS_PER_LOOK {
            self.shorten_log().await?;
            sqlx::query(AssertSqlSafe(vacuum.as_str())).execute(&mut self.connection).await?;
        }
        self.shorten_log().await
    }

    /// Deletes old rows while there is nothing else to do, or waits.
    async fn idle(&mut self) {
        if self.forgetting.is_done() {
            let until_ms = (!self.reserve.take()).then(|| self.queue.later_ms());
            return self.queue.wait(until_ms).await;
        }
        if let Err(error) = self.forget_slice().await {
            tracing::warn!(%error, "failed to delete old rows of the mailbox");
            self.queue.wait(Some(self.queue.later_ms())).await;
        }
    }

    async fn forget_slice(&mut self) -> sqlx::Result<()> {
        let empty = Batch::default();
        self.statements.commit(&mut self.connection, &empty, &mut self.forgetting).await
    }
}
