//! SQL statements of the inbox. The text of each is constant, and values from callers are bound.

use protocol::Did;
use protocol::envelope::MessageId;
use sqlx::{Row as _, SqliteConnection, SqlitePool};

use super::listing::{InboxLimits, InboxTotals, ListOrder, MessageFilter};
use super::message::InsertOutcome;
use super::row::{ListedRow, MessageRow};
use crate::database::DatabaseError;

const INSERT: &str = "insert into messages (sender, id, key_id, kind, thread, re, sent_at, unread, method, \
    content_type, is_text, body, bytes) values (?, ?, ?, ?, ?, ?, ?, 1, ?, ?, ?, ?, ?) \
    on conflict (sender, id) do nothing returning arrival";

const EXISTING: &str = "select arrival, unread from messages where sender = ? and id = ?";

const FIND: &str =
    "select * from messages where id = ?1 and (?2 is null or sender = ?2) order by arrival limit 2";

const COUNT: &str = "select count(*), coalesce(sum(unread), 0) from messages where (?1 is null or sender = ?1) \
    and (?2 is null or thread = ?2) and (?3 = 0 or unread = 1)";

/// `substr` counts characters of one byte or more, so 160 of them are enough for the preview.
const NEWEST_FIRST: &str = "select arrival, sender, id, key_id, kind, thread, re, sent_at, unread, bytes, \
    substr(body, 1, 160) as preview from messages where (?1 is null or sender = ?1) \
    and (?2 is null or thread = ?2) and (?3 = 0 or unread = 1) and (?4 is null or arrival < ?4) \
    order by arrival desc limit ?5";

const OLDEST_FIRST: &str = "select arrival, sender, id, key_id, kind, thread, re, sent_at, unread, bytes, \
    substr(body, 1, 160) as preview from messages where (?1 is null or sender = ?1) \
    and (?2 is null or thread = ?2) and (?3 = 0 or unread = 1) and (?4 is null or arrival > ?4) \
    order by arrival limit ?5";

/// Deletes the oldest read message while the read ones exceed a limit.
const DELETE_OLDEST_READ: &str = "delete from messages where arrival = (select min(arrival) from messages where unread = 0) \
    and exists (select 1 from totals where read > ? or read_bytes > ?)";

pub(super) async fn insert(
    on: &mut SqliteConnection,
    row: &MessageRow,
) -> Result<Option<i64>, DatabaseError> {
    let inserted = sqlx::query(INSERT)
        .bind(&row.sender)
        .bind(&row.id)
        .bind(&row.key_id)
        .bind(&row.kind)
        .bind(&row.thread)
        .bind(&row.re)
        .bind(row.sent_at)
        .bind(&row.method)
        .bind(&row.content_type)
        .bind(row.is_text)
        .bind(&row.body)
        .bind(i64::try_from(row.body.len()).unwrap_or(i64::MAX))
        .fetch_optional(on)
        .await
        .map_err(DatabaseError::Write)?;
    inserted.map(|row| row.try_get(0)).transpose().map_err(DatabaseError::Write)
}

/// The outcome for a message that the inbox already holds.
pub(super) async fn existing(
    on: &mut SqliteConnection,
    sender: &str,
    id: &str,
) -> Result<InsertOutcome, DatabaseError> {
    let (arrival, unread): (i64, bool) =
        sqlx::query_as(EXISTING).bind(sender).bind(id).fetch_one(on).await.map_err(DatabaseError::Read)?;
    Ok(if unread { InsertOutcome::AlreadyUnread(arrival) } else { InsertOutcome::AlreadyRead })
}

pub(super) async fn page(
    pool: &SqlitePool,
    filter: &MessageFilter,
    order: ListOrder,
    cursor: Option<i64>,
    limit: usize,
) -> Result<Vec<ListedRow>, DatabaseError> {
    let text = match order {
        ListOrder::NewestFirst => NEWEST_FIRST,
        ListOrder::OldestFirst => OLDEST_FIRST,
    };
    sqlx::query_as(text)
        .bind(filter.from.as_ref().map(Did::as_str))
        .bind(filter.thread.as_deref())
        .bind(filter.unread)
        .bind(cursor)
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(pool)
        .await
        .map_err(DatabaseError::Read)
}

pub(super) async fn find(
    pool: &SqlitePool,
    id: MessageId,
    from: Option<&Did>,
) -> Result<Vec<MessageRow>, DatabaseError> {
    let found = sqlx::query_as(FIND).bind(id.to_string()).bind(from.map(Did::as_str)).fetch_all(pool);
    found.await.map_err(DatabaseError::Read)
}

pub(super) async fn mark_read(on: &mut SqliteConnection, arrival: i64) -> Result<(), DatabaseError> {
    let marked = sqlx::query("update messages set unread = 0 where arrival = ? and unread = 1");
    marked.bind(arrival).execute(on).await.map_err(DatabaseError::Write)?;
    Ok(())
}

pub(super) async fn delete(pool: &SqlitePool, arrival: i64) -> Result<(), DatabaseError> {
    let deleted = sqlx::query("delete from messages where arrival = ?").bind(arrival).execute(pool);
    deleted.await.map_err(DatabaseError::Write)?;
    Ok(())
}

/// Terminates: each round deletes one row, or finds nothing to delete and returns.
pub(super) async fn delete_oldest_read(
    on: &mut SqliteConnection,
    limits: InboxLimits,
) -> Result<(), DatabaseError> {
    loop {
        let deleted = sqlx::query(DELETE_OLDEST_READ)
            .bind(limits.read.cast_signed())
            .bind(limits.read_bytes.cast_signed())
            .execute(&mut *on)
            .await
            .map_err(DatabaseError::Write)?;
        if deleted.rows_affected() == 0 {
            return Ok(());
        }
    }
}

pub(super) async fn totals(pool: &SqlitePool) -> Result<InboxTotals, DatabaseError> {
    let (unread, unread_bytes, read, read_bytes): (i64, i64, i64, i64) =
        sqlx::query_as("select unread, unread_bytes, read, read_bytes from totals")
            .fetch_one(pool)
            .await
            .map_err(DatabaseError::Read)?;
    Ok(InboxTotals {
        unread: unread.cast_unsigned(),
        unread_bytes: unread_bytes.cast_unsigned(),
        read: read.cast_unsigned(),
        read_bytes: read_bytes.cast_unsigned(),
    })
}

pub(super) async fn count(pool: &SqlitePool, filter: &MessageFilter) -> Result<(u64, u64), DatabaseError> {
    let (total, unread): (i64, i64) = sqlx::query_as(COUNT)
        .bind(filter.from.as_ref().map(Did::as_str))
        .bind(filter.thread.as_deref())
        .bind(filter.unread)
        .fetch_one(pool)
        .await
        .map_err(DatabaseError::Read)?;
    Ok((total.cast_unsigned(), unread.cast_unsigned()))
}
