//! The only task that writes messages: it takes a batch from the queue, commits it, and reports it.
//!
//! When a commit fails (disk full, for example), the senders of the batch are answered
//! `storage_unavailable`, and its rows are never retried; removals are kept. Then the file is
//! reopened once a second until a commit succeeds. Until then, direct delivery to connected
//! recipients goes on, and messages that need a mailbox are refused.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};

use super::statements::{Statements, insertion};
use super::{ReportHandler, StoreReport, WriteQueue};
use crate::core::{RowId, Write};

/// Between two attempts to write to a store that failed. Until one succeeds, senders are refused.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// Attempts after the queue was closed. A relay that shuts down does not wait for a disk any
/// longer.
const CLOSING_ATTEMPTS_MAX: u32 = 5;

#[derive(Debug)]
pub(crate) struct MessageWriter {
    options: SqliteConnectOptions,
    connection: SqliteConnection,
    queue: Arc<WriteQueue>,
    statements: Statements,
}

impl MessageWriter {
    pub(super) fn new(
        options: SqliteConnectOptions,
        connection: SqliteConnection,
        queue: Arc<WriteQueue>,
    ) -> Self {
        Self { options, connection, queue, statements: Statements::new() }
    }

    /// Runs until the queue is closed and empty.
    pub(crate) async fn run(mut self, report: ReportHandler) {
        loop {
            let batch = self.queue.next_batch().await;
            if batch.is_empty() {
                break;
            }
            let started = Instant::now();
            match self.statements.commit(&mut self.connection, &batch).await {
                Ok(()) => report_stored(&batch, started, &report),
                Err(error) => {
                    if !self.recover(batch, &error, &report).await {
                        return;
                    }
                }
            }
        }
        if let Err(error) = self.connection.close().await {
            tracing::warn!(%error, "failed to close the mailbox");
        }
    }

    /// Retries until the store accepts writes again. False if the relay shuts down before that.
    async fn recover(&mut self, failed: Vec<Write>, error: &sqlx::Error, report: &ReportHandler) -> bool {
        tracing::error!(%error, "failed to write to the mailbox; reliable messages are refused until it works");
        let mut kept = report_failed(failed, report);
        let mut closing_attempts = 0;
        loop {
            tokio::time::sleep(RETRY_INTERVAL).await;
            kept.extend(self.queue.batch_now());
            let started = Instant::now();
            match self.reopen_and_commit(&kept).await {
                Ok(()) => {
                    tracing::info!("the mailbox can be written again");
                    report(StoreReport::Recovered);
                    report_stored(&kept, started, report);
                    return true;
                }
                Err(error) => {
                    tracing::warn!(%error, "the mailbox still cannot be written");
                    kept = report_failed(kept, report);
                }
            }
            closing_attempts += u32::from(self.queue.is_closed());
            if closing_attempts >= CLOSING_ATTEMPTS_MAX {
                return false;
            }
        }
    }

    async fn reopen_and_commit(&mut self, batch: &[Write]) -> sqlx::Result<()> {
        self.connection = self.options.connect().await?;
        self.statements.commit(&mut self.connection, batch).await
    }
}

fn last_row(batch: &[Write]) -> Option<RowId> {
    batch.iter().filter_map(insertion).map(|row| row.row).max()
}

fn report_stored(batch: &[Write], started: Instant, report: &ReportHandler) {
    let Some(upto) = last_row(batch) else { return };
    let rows = batch.iter().filter_map(insertion).count();
    report(StoreReport::Stored { upto, rows, took: started.elapsed() });
}

/// Reports the rows of a batch as failed, and returns its other writes.
fn report_failed(batch: Vec<Write>, report: &ReportHandler) -> Vec<Write> {
    // No row has the number 0. It reports the failure of a batch that held only removals.
    report(StoreReport::StoreFailed { upto: last_row(&batch).unwrap_or(0) });
    batch.into_iter().filter(|write| insertion(write).is_none()).collect()
}
