//! The one task that writes: takes what waits, commits it, reports it.
//!
//! After a failed commit its rows are reported failed and never tried again, because their senders were told no; removals
//! are kept. Then the file is opened anew and tried once a second until a commit succeeds.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};

use super::statements::{Statements, insertion};
use super::{OnReport, Queue, Report};
use crate::core::{RowId, Write};

/// Between two tries of a store that failed. Senders are refused meanwhile.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// Tries after the queue was closed; a relay that stops does not wait for a disk for ever.
const CLOSING_TRIES: u32 = 5;

#[derive(Debug)]
pub(crate) struct Writer {
    options: SqliteConnectOptions,
    connection: SqliteConnection,
    queue: Arc<Queue>,
    statements: Statements,
}

impl Writer {
    pub(super) fn new(
        options: SqliteConnectOptions,
        connection: SqliteConnection,
        queue: Arc<Queue>,
    ) -> Self {
        Self { options, connection, queue, statements: Statements::new() }
    }

    /// Runs until the queue is closed and empty.
    pub(crate) async fn run(mut self, report: OnReport) {
        loop {
            let batch = self.queue.next_batch().await;
            if batch.is_empty() {
                break;
            }
            let begun = Instant::now();
            match self.statements.commit(&mut self.connection, &batch).await {
                Ok(()) => report_stored(&batch, begun, &report),
                Err(error) => {
                    if !self.recover(batch, &error, &report).await {
                        return;
                    }
                }
            }
        }
        if let Err(error) = self.connection.close().await {
            tracing::warn!(%error, "closing the mailbox failed");
        }
    }

    /// Tries until the store takes writes again. False: given up, because the relay stops.
    async fn recover(&mut self, failed: Vec<Write>, error: &sqlx::Error, report: &OnReport) -> bool {
        tracing::error!(%error, "the mailbox does not take writes; reliable messages are refused");
        let mut kept = report_failed(failed, report);
        let mut closing_tries = 0;
        loop {
            tokio::time::sleep(RETRY_INTERVAL).await;
            kept.extend(self.queue.batch_now());
            let begun = Instant::now();
            match self.try_anew(&kept).await {
                Ok(()) => {
                    tracing::info!("the mailbox takes writes again");
                    report(Report::Recovered);
                    report_stored(&kept, begun, report);
                    return true;
                }
                Err(error) => {
                    tracing::warn!(%error, "the mailbox still does not take writes");
                    kept = report_failed(kept, report);
                }
            }
            closing_tries += u32::from(self.queue.is_closed());
            if closing_tries >= CLOSING_TRIES {
                return false;
            }
        }
    }

    async fn try_anew(&mut self, batch: &[Write]) -> sqlx::Result<()> {
        self.connection = self.options.connect().await?;
        self.statements.commit(&mut self.connection, batch).await
    }
}

fn last_row(batch: &[Write]) -> Option<RowId> {
    batch.iter().filter_map(insertion).map(|row| row.row).max()
}

fn report_stored(batch: &[Write], begun: Instant, report: &OnReport) {
    let Some(upto) = last_row(batch) else { return };
    let rows = batch.iter().filter_map(insertion).count();
    report(Report::Stored { upto, rows, took: begun.elapsed() });
}

/// Returns the writes that nobody was told no about.
fn report_failed(batch: Vec<Write>, report: &OnReport) -> Vec<Write> {
    // Row 0 is none: says that the store failed, also when the batch held only removals.
    report(Report::StoreFailed { upto: last_row(&batch).unwrap_or(0) });
    batch.into_iter().filter(|write| insertion(write).is_none()).collect()
}
