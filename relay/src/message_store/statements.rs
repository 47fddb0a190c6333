//! Commits one batch of writes with few statements: rows are inserted many at a time, and all
//! removals are one statement.

use std::collections::HashSet;
use std::sync::Arc;

use sqlx::{AssertSqlSafe, Connection as _, SqliteConnection};

use super::commit_scheduler::{Batch, insertion};
use super::forgetting::Forgetting;
use super::sql::{json_array, kind_number};
use crate::core::{RowId, Write, WriteContent, WriteRow};

/// Rows of one INSERT. With three sizes, three prepared statements serve every batch.
const CHUNKS: [usize; 3] = [64, 8, 1];
const MESSAGE_COLUMNS: &str = "(?,?,?,?,?,?,?,null,?,?,?)";
const BODY_COLUMNS: &str = "(?,?)";

const REMOVE_BODIES: &str = "delete from bodies where row in (select value from json_each(?))";
const REMOVE_MESSAGES: &str = "update messages set state = 0 where row in (select value from json_each(?))";
const DELETE_MESSAGES: &str = "delete from messages where row in (select value from json_each(?))";
const PROBE: &str = "update mailbox_meta set probed = unixepoch()";

/// The texts of the INSERT statements, made once.
#[derive(Debug)]
pub(super) struct Statements {
    messages: [Arc<str>; 3],
    bodies: [Arc<str>; 3],
}

impl Statements {
    pub(super) fn new() -> Self {
        let insert = |into: &str, columns: &str| {
            CHUNKS.map(|rows| format!("insert into {into} values {}", vec![columns; rows].join(",")).into())
        };
        Self { messages: insert("messages", MESSAGE_COLUMNS), bodies: insert("bodies", BODY_COLUMNS) }
    }

    /// Commits the whole batch in one transaction, or nothing of it, together with the next slice
    /// of the rows to forget.
    pub(super) async fn commit(
        &self,
        on: &mut SqliteConnection,
        batch: &Batch,
        forgetting: &mut Forgetting,
    ) -> sqlx::Result<()> {
        let removed: HashSet<RowId> = batch.writes.iter().filter_map(removal).collect();
        let inserted: Vec<&WriteRow> = batch.writes.iter().filter_map(insertion).collect();
        for accepted_before in batch.writes.iter().filter_map(forget) {
            forgetting.extend(on, accepted_before).await?;
        }
        let mut transaction = on.begin().await?;
        discard(&mut transaction, &batch.discarded).await?;
        self.insert_messages(&mut transaction, &inserted, &removed).await?;
        self.insert_bodies(&mut transaction, &inserted, &removed).await?;
        remove(&mut transaction, removed, forgetting).await?;
        let forgotten = match forgetting.is_done() {
            true => None,
            false => Some(forgetting.delete_slice(&mut transaction).await?),
        };
        if batch.writes.is_empty() {
            sqlx::query(PROBE).execute(&mut *transaction).await?;
        }
        transaction.commit().await?;
        forgotten.into_iter().for_each(|end| forgetting.committed(end));
        Ok(())
    }

    async fn insert_messages(
        &self,
        on: &mut SqliteConnection,
        rows: &[&WriteRow],
        removed: &HashSet<RowId>,
    ) -> sqlx::Result<()> {
        for (sql, chunk) in chunks(&self.messages, rows) {
            let mut query = sqlx::query(AssertSqlSafe(sql));
            for row in chunk {
                query = query
                    .bind(row.row.cast_signed())
                    .bind(!removed.contains(&row.row))
                    .bind(row.recipient.as_ref())
                    .bind(row.peer.as_ref())
                    .bind(row.id.as_bytes().as_slice())
                    .bind(row.digest.cast_signed())
                    .bind(kind_number(row.kind()))
                    .bind(i64::try_from(row.size()).unwrap_or(i64::MAX))
                    .bind(row.accepted.cast_signed())
                    .bind(row.expires.cast_signed());
            }
            query.execute(&mut *on).await?;
        }
        Ok(())
    }

    /// Inserts no body for a message that was acknowledged before this commit.
    async fn insert_bodies(
        &self,
        on: &mut SqliteConnection,
        rows: &[&WriteRow],
        removed: &HashSet<RowId>,
    ) -> sqlx::Result<()> {
        let body = |row: &&WriteRow| match &row.content {
            WriteContent::Message(envelope) if !removed.contains(&row.row) => {
                Some((row.row, envelope.clone()))
            }
            _ => None,
        };
        let bodies: Vec<(RowId, bytes::Bytes)> = rows.iter().filter_map(body).collect();
        for (sql, chunk) in chunks(&self.bodies, &bodies) {
            let mut query = sqlx::query(AssertSqlSafe(sql));
            for (row, envelope) in chunk {
                query = query.bind(row.cast_signed()).bind(envelope.as_ref());
            }
            query.execute(&mut *on).await?;
        }
        Ok(())
    }
}

/// Deletes rows that were reported failed, in case that they are on disk after all.
async fn discard(on: &mut SqliteConnection, rows: &[RowId]) -> sqlx::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let rows = json_array(rows.iter().copied());
    sqlx::query(REMOVE_BODIES).bind(&rows).execute(&mut *on).await?;
    sqlx::query(DELETE_MESSAGES).bind(&rows).execute(&mut *on).await?;
    Ok(())
}

async fn remove(
    on: &mut SqliteConnection,
    rows: HashSet<RowId>,
    forgetting: &Forgetting,
) -> sqlx::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let all = json_array(rows.iter().copied());
    sqlx::query(REMOVE_BODIES).bind(&all).execute(&mut *on).await?;
    let (forgotten, remembered): (Vec<_>, Vec<_>) =
        rows.into_iter().partition(|row| forgetting.is_forgotten(*row));
    for (sql, rows) in [(DELETE_MESSAGES, forgotten), (REMOVE_MESSAGES, remembered)] {
        if !rows.is_empty() {
            sqlx::query(sql).bind(json_array(rows.into_iter())).execute(&mut *on).await?;
        }
    }
    Ok(())
}

/// Splits rows into as few statements of the known sizes as possible.
fn chunks<'a, T>(texts: &[Arc<str>; 3], rows: &'a [T]) -> Vec<(Arc<str>, &'a [T])> {
    let (mut rest, mut found) = (rows, Vec::new());
    for (size, text) in CHUNKS.into_iter().zip(texts) {
        while let Some((chunk, after)) = rest.split_at_checked(size) {
            found.push((Arc::clone(text), chunk));
            rest = after;
        }
    }
    found
}

const fn removal(write: &Write) -> Option<RowId> {
    match write {
        Write::Remove { row } => Some(*row),
        _ => None,
    }
}

const fn forget(write: &Write) -> Option<u64> {
    match write {
        Write::Forget { accepted_before } => Some(*accepted_before),
        _ => None,
    }
}
