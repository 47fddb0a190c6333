//! Reads the rows of the store at startup.
//!
//! SQLite returns the rows as lines of text, thousands in one value: a value for each column of a
//! million rows takes ten seconds to pass between threads, and the lines take one.

use std::collections::HashMap;

use protocol::Did;
use protocol::envelope::MessageId;
use sqlx::SqliteConnection;
use tokio::sync::mpsc;

use super::sql::{kind_from_numbers, state_from_number};
use super::{MessageStore, MessageStoreError};
use crate::core::{RestoredRow, RowId};

/// Rows of one value, about 1 MiB.
const LINES: i64 = 8192;
/// Pages that are read before somebody takes them.
const PAGES_AHEAD: usize = 1;
/// Rows after this one, in order: those that wait, and those that are new enough to be remembered.
const PAGE: &str = "select max(row), group_concat(concat_ws(',', row, state, kind, coalesce(reason, 0), size, accepted, expires,
        digest, hex(id), recipient, peer), char(10))
    from (select * from messages where row > ? and (state = 1 or (row >= ? and accepted >= ?))
        order by row limit ?)";

impl MessageStore {
    /// Counts this start in the store.
    pub(crate) async fn count_start(&mut self) -> Result<u64, MessageStoreError> {
        let starts: i64 = sqlx::query_scalar("update mailbox_meta set starts = starts + 1 returning starts")
            .fetch_one(&mut self.writing)
            .await
            .map_err(MessageStoreError::Restore)?;
        Ok(starts.cast_unsigned())
    }

    /// The number above every row of the store.
    pub(crate) async fn next_row(&mut self) -> Result<RowId, MessageStoreError> {
        let highest: Option<i64> = sqlx::query_scalar("select max(row) from messages")
            .fetch_one(&mut self.reading)
            .await
            .map_err(MessageStoreError::Restore)?;
        Ok(highest.unwrap_or(0).cast_unsigned() + 1)
    }

    /// Passes on, in order, every row that waits, and those of the newest
    /// [`remembered_max`](super::MessageStoreSettings::remembered_max) that were accepted since
    /// this Unix second.
    pub(crate) async fn restore(
        &mut self,
        remembered_since: u64,
        mut each: impl FnMut(RestoredRow),
    ) -> Result<(), MessageStoreError> {
        let first = self.next_row().await?.saturating_sub(self.settings.remembered_max as u64);
        let (pages, mut read) = mpsc::channel(PAGES_AHEAD);
        // While the caller takes the rows of one page, SQLite reads the next.
        let reading = async {
            let read = read_pages(&mut self.reading, (first, remembered_since), pages).await;
            read.map_err(MessageStoreError::Restore)
        };
        let taking = async {
            let mut names = Names::default();
            while let Some(lines) = read.recv().await {
                for line in lines.lines() {
                    let damaged = || MessageStoreError::Damaged { line: line.to_owned() };
                    each(names.row(line).ok_or_else(damaged)?);
                }
            }
            Ok::<(), MessageStoreError>(())
        };
        tokio::try_join!(reading, taking).map(|((), ())| ())
    }
}

/// Sends the lines of every page, until nobody takes them any more.
async fn read_pages(
    on: &mut SqliteConnection,
    (first, remembered_since): (RowId, u64),
    pages: mpsc::Sender<String>,
) -> sqlx::Result<()> {
    let mut last = 0;
    loop {
        let page = sqlx::query_as(PAGE).bind(last).bind(first.cast_signed());
        let page = page.bind(remembered_since.cast_signed()).bind(LINES);
        let found: (Option<i64>, Option<String>) = page.fetch_one(&mut *on).await?;
        let (Some(upto), Some(lines)) = found else { return Ok(()) };
        if pages.send(lines).await.is_err() {
            return Ok(());
        }
        last = upto;
    }
}

/// The DIDs of the rows so far. Few agents have many rows.
#[derive(Default)]
struct Names(HashMap<String, Did>);

impl Names {
    /// The row that a line of [`PAGE`] stands for.
    fn row(&mut self, line: &str) -> Option<RestoredRow> {
        let mut columns = line.split(',');
        let mut number = || columns.next()?.parse::<i64>().ok();
        let (row, state, kind) = (number()?, number()?, number()?);
        let (reason, size) = (number()?, number()?);
        let (accepted, expires, digest) = (number()?, number()?, number()?);
        Some(RestoredRow {
            row: row.cast_unsigned(),
            state: state_from_number(state)?,
            kind: kind_from_numbers(kind, reason)?,
            size: u32::try_from(size).ok()?,
            accepted: accepted.cast_unsigned(),
            expires: expires.cast_unsigned(),
            digest: digest.cast_unsigned(),
            id: MessageId::from_bytes(u128::from_str_radix(columns.next()?, 16).ok()?.to_be_bytes()).ok()?,
            recipient: self.did(columns.next()?)?,
            peer: self.did(columns.next()?)?,
        })
    }

    fn did(&mut self, text: &str) -> Option<Did> {
        if let Some(known) = self.0.get(text) {
            return Some(known.clone());
        }
        let did: Did = text.parse().ok()?;
        self.0.insert(text.to_owned(), did.clone());
        Some(did)
    }
}
