//! Reads pages of message bodies, one request at a time.

use bytes::Bytes;
use sqlx::SqliteConnection;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::report::{ReportHandler, StoreReport};
use super::sql::json_array;
use crate::core::{AgentSlot, RowId};

const PAGE: &str =
    "select row, envelope from bodies where row in (select value from json_each(?)) order by row";

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
}

impl MessageReader {
    pub(super) const fn new(connection: SqliteConnection, requests: mpsc::Receiver<LoadRequest>) -> Self {
        Self { connection, requests }
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
    }

    async fn page(&mut self, rows: &[RowId]) -> sqlx::Result<Vec<(RowId, Bytes)>> {
        let rows = json_array(rows.iter().copied());
        let found: Vec<(i64, Vec<u8>)> =
            sqlx::query_as(PAGE).bind(rows).fetch_all(&mut self.connection).await?;
        Ok(found.into_iter().map(|(row, envelope)| (row.cast_unsigned(), envelope.into())).collect())
    }
}
