//! Reads pages of message bodies, one request at a time. A damaged page of the file costs the
//! messages that are on it, and no others, once it has been unreadable for some seconds.

use bytes::Bytes;
use sqlx::{Connection as _, SqliteConnection};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::damage::{halves, is_damage};
use super::report::{ReportHandler, StoreReport};
use super::sql::json_array;
use super::unreadable_rows::UnreadableRows;
use crate::core::{AgentSlot, RowId};

const PAGE: &str = "select row, envelope from spare_bodies where row in (select value from json_each(?1))
    union all select row, envelope from bodies where row in
        (select value from json_each(?1) where value not in (select row from spare_bodies))
    order by row";

/// The first and the last body.
const ENDS: [&str; 2] = [
    "select length(envelope) from bodies order by row limit 1",
    "select length(envelope) from bodies order by row desc limit 1",
];

/// Bodies by their rows, in order.
type Page = Vec<(RowId, Bytes)>;

#[derive(Debug)]
pub(crate) struct LoadRequest {
    pub(crate) agent: AgentSlot,
    pub(crate) epoch: u64,
    pub(crate) rows: Vec<RowId>,
}

#[derive(Debug)]
pub(crate) struct MessageReader {
    connection: SqliteConnection,
    requests: mpsc::Receiver<LoadRequest>,
    unreadable: UnreadableRows,
}

impl MessageReader {
    pub(super) fn new(connection: SqliteConnection, requests: mpsc::Receiver<LoadRequest>) -> Self {
        Self { connection, requests, unreadable: UnreadableRows::default() }
    }

    /// Runs until `stop`, or until no sender of requests is left.
    pub(crate) async fn run(mut self, report: ReportHandler, stop: CancellationToken) {
        while let Some(Some(request)) = stop.run_until_cancelled(self.requests.recv()).await {
            let LoadRequest { agent, epoch, rows } = request;
            match self.page(&rows).await {
                Ok(page) => report(StoreReport::Loaded { agent, epoch, page }),
                Err(error) => {
                    tracing::error!(%error, "failed to read a page of the mailbox");
                    report(StoreReport::LoadFailed { agent, epoch });
                }
            }
        }
        if let Err(error) = self.connection.close().await {
            tracing::warn!(%error, "failed to close the mailbox after its last page");
        }
    }

    /// Rows on damaged pages are missing in the result. An error means that nobody knows which rows
    /// can be read, or that those which cannot be read now may come back.
    async fn page(&mut self, rows: &[RowId]) -> sqlx::Result<Page> {
        match self.read(rows).await {
            Err(error) if is_damage(&error) => self.read_undamaged(rows).await,
            Ok(page) => {
                self.unreadable.readable(rows.iter().copied());
                Ok(page)
            }
            Err(error) => Err(error),
        }
    }

    async fn read(&mut self, rows: &[RowId]) -> sqlx::Result<Page> {
        let rows = json_array(rows.iter().copied());
        let found: Vec<(i64, Vec<u8>)> =
            sqlx::query_as(PAGE).bind(rows).fetch_all(&mut self.connection).await?;
        Ok(found.into_iter().map(|(row, envelope)| (row.cast_unsigned(), envelope.into())).collect())
    }

    /// Reads smaller and smaller parts, in order, until those that fail are single rows.
    async fn read_undamaged(&mut self, rows: &[RowId]) -> sqlx::Result<Page> {
        let (mut parts, mut found) = (vec![rows], Page::new());
        let (mut damaged, mut failure) = (Vec::new(), None);
        while let Some(part) = parts.pop() {
            match (self.read(part).await, halves(part)) {
                (Ok(page), _) => found.extend(page),
                (Err(error), Some((first, second))) if is_damage(&error) => parts.extend([second, first]),
                (Err(error), None) if is_damage(&error) => {
                    damaged.extend(part);
                    failure = Some(error);
                }
                (Err(error), _) => return Err(error),
            }
        }
        self.unreadable.readable(found.iter().map(|(row, _)| *row));
        let Some(error) = failure else { return Ok(found) };
        // All bodies may be behind the damage. Then a person can repair the file, and nothing is
        // given up before.
        if found.is_empty() && !self.reads_anything().await {
            return Err(error);
        }
        if !self.unreadable.are_lost(&damaged, Instant::now()) {
            return Err(error);
        }
        tracing::error!(%error, rows = ?damaged, "messages in the mailbox are damaged");
        Ok(found)
    }

    /// Whether one end of the table can be read.
    async fn reads_anything(&mut self) -> bool {
        for end in ENDS {
            if sqlx::query(end).fetch_optional(&mut self.connection).await.is_ok() {
                return true;
            }
        }
        false
    }
}
