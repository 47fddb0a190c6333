//! Reads the rows of the store at startup.

use futures::TryStreamExt as _;
use protocol::Did;
use protocol::frame::Outcome;
use sqlx::{FromRow, Row as _};

use super::sql::{kind_from_number, message_id};
use super::{MessageStore, MessageStoreError};
use crate::core::{RestoredRow, RowId, RowState};

const ALL: &str = "select row, waiting, recipient, peer, id, digest, kind, size, accepted, expires
    from messages where waiting = 1 or (row >= ? and accepted >= ?) order by row";

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
    /// [`remembered_max`](super::MessageStoreSettings::remembered_max) that were accepted since this
    /// Unix second.
    pub(crate) async fn restore(
        &mut self,
        remembered_since: u64,
        mut each: impl FnMut(RestoredRow),
    ) -> Result<(), MessageStoreError> {
        let first = self.next_row().await?.saturating_sub(self.settings.remembered_max as u64);
        let query = sqlx::query(ALL).bind(first.cast_signed()).bind(remembered_since.cast_signed());
        let mut rows = query.fetch(&mut self.reading);
        while let Some(row) = rows.try_next().await.map_err(MessageStoreError::Restore)? {
            let number = row.try_get::<i64, _>(0).map_err(MessageStoreError::Restore)?.cast_unsigned();
            let columns = Columns::from_row(&row).map_err(MessageStoreError::Restore)?;
            each(restored(number, columns).ok_or(MessageStoreError::Damaged { row: number })?);
        }
        Ok(())
    }
}

#[derive(FromRow)]
struct Columns {
    waiting: bool,
    recipient: String,
    peer: String,
    id: Vec<u8>,
    digest: i64,
    kind: i64,
    size: i64,
    accepted: i64,
    expires: i64,
}

fn restored(row: RowId, columns: Columns) -> Option<RestoredRow> {
    Some(RestoredRow {
        row,
        recipient: columns.recipient.parse::<Did>().ok()?,
        peer: columns.peer.parse::<Did>().ok()?,
        id: message_id(&columns.id)?,
        digest: columns.digest.cast_unsigned(),
        kind: kind_from_number(columns.kind)?,
        size: u32::try_from(columns.size).ok()?,
        accepted: columns.accepted.cast_unsigned(),
        expires: columns.expires.cast_unsigned(),
        state: if columns.waiting { RowState::Waiting } else { RowState::Left(Outcome::Delivered) },
    })
}
