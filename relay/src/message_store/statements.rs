//! Commits one batch of writes with few statements: rows are inserted many at a time, and all
//! removals are one statement.

use std::collections::HashSet;
use std::sync::Arc;

use sqlx::{AssertSqlSafe, Connection as _, SqliteConnection};

use super::sql::{json_array, kind_number};
use crate::core::{RowId, Write, WriteContent, WriteRow};

/// Rows of one INSERT. With three sizes, three prepared statements serve every batch.
const CHUNKS: [usize; 3] = [64, 8, 1];
const MESSAGE_COLUMNS: &str = "(?,?,?,?,?,?,?,?,?,?)";
const BODY_COLUMNS: &str = "(?,?)";

const REMOVE_BODIES: &str = "delete from bodies where row in (select value from json_each(?))";
const REMOVE_MESSAGES: &str = "update messages set waiting = 0 where row in (select value from json_each(?))";
const FORGET: &str = "delete from messages where waiting = 0 and accepted < ?";
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

    /// Commits the whole batch in one transaction, or nothing of it. An empty batch tests whether
    /// the disk accepts writes.
    pub(super) async fn commit(&self, on: &mut SqliteConnection, batch: &[Write]) -> sqlx::Result<()> {
        let removed: HashSet<RowId> = batch.iter().filter_map(removal).collect();
        let inserted: Vec<&WriteRow> = batch.iter().filter_map(insertion).collect();
        let mut transaction = on.begin().await?;
        self.insert_messages(&mut transaction, &inserted, &removed).await?;
        self.insert_bodies(&mut transaction, &inserted, &removed).await?;
        remove(&mut transaction, removed).await?;
        for write in batch {
            if let Write::Forget { accepted_before } = write {
                let before = accepted_before.cast_signed();
                sqlx::query(FORGET).bind(before).execute(&mut *transaction).await?;
            }
        }
        if batch.is_empty() {
            sqlx::query(PROBE).execute(&mut *transaction).await?;
        }
        transaction.commit().await
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

async fn remove(on: &mut SqliteConnection, rows: HashSet<RowId>) -> sqlx::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let rows = json_array(rows.into_iter());
    sqlx::query(REMOVE_BODIES).bind(&rows).execute(&mut *on).await?;
    sqlx::query(REMOVE_MESSAGES).bind(&rows).execute(&mut *on).await?;
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

pub(super) const fn insertion(write: &Write) -> Option<&WriteRow> {
    match write {
        Write::Insert(row) => Some(row),
        _ => None,
    }
}

const fn removal(write: &Write) -> Option<RowId> {
    match write {
        Write::Remove { row } => Some(*row),
        _ => None,
    }
}
