//! Fetches pages of bodies, one request at a time.

use bytes::Bytes;
use sqlx::SqliteConnection;
use tokio::sync::mpsc;

use super::{OnReport, Report, json_array};
use crate::core::{AgentKey, RowId};

const PAGE: &str =
    "select row, envelope from bodies where row in (select value from json_each(?)) order by row";

#[derive(Debug)]
pub(crate) struct LoadRequest {
    pub(crate) agent: AgentKey,
    pub(crate) epoch: u64,
    pub(crate) rows: Vec<RowId>,
}

#[derive(Debug)]
pub(crate) struct Reader {
    connection: SqliteConnection,
    requests: mpsc::UnboundedReceiver<LoadRequest>,
}

impl Reader {
    pub(super) const fn new(
        connection: SqliteConnection,
        requests: mpsc::UnboundedReceiver<LoadRequest>,
    ) -> Self {
        Self { connection, requests }
    }

    /// Runs until nobody can ask any more.
    pub(crate) async fn run(mut self, report: OnReport) {
        while let Some(LoadRequest { agent, epoch, rows }) = self.requests.recv().await {
            match self.page(&rows).await {
                Ok(page) => report(Report::Loaded { agent, epoch, page }),
                Err(error) => {
                    tracing::error!(%error, "reading a page of the mailbox failed");
                    report(Report::LoadFailed { agent, epoch });
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
