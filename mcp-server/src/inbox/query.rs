//! The statements of the inbox. Texts are fixed; what a caller says is bound.

use protocol::Did;
use protocol::envelope::MessageId;
use sqlx::{Row as _, SqliteConnection, SqlitePool};

use super::row::{Listed, Row};
use super::{Filter, Limits, Order, Put, Totals};
use crate::store::StoreError;

const INSERT: &str = "insert into messages (sender, id, key_id, kind, thread, re, sent_at, unread, method, \
    content_type, is_text, body, bytes) values (?, ?, ?, ?, ?, ?, ?, 1, ?, ?, ?, ?, ?) \
    on conflict (sender, id) do nothing returning arrival";

const STANDING: &str = "select arrival, unread from messages where sender = ? and id = ?";

const FIND: &str =
    "select * from messages where id = ?1 and (?2 is null or sender = ?2) order by arrival limit 2";

const COUNT: &str = "select count(*), coalesce(sum(unread), 0) from messages where (?1 is null or sender = ?1) \
    and (?2 is null or thread = ?2) and (?3 = 0 or unread = 1)";

/// `substr` counts characters, each of one byte or more: enough for the preview's bytes.
const NEWEST_FIRST: &str = "select arrival, sender, id, key_id, kind, thread, re, sent_at, unread, bytes, \
    substr(body, 1, 160) as preview from messages where (?1 is null or sender = ?1) \
    and (?2 is null or thread = ?2) and (?3 = 0 or unread = 1) and (?4 is null or arrival < ?4) \
    order by arrival desc limit ?5";

const OLDEST_FIRST: &str = "select arrival, sender, id, key_id, kind, thread, re, sent_at, unread, bytes, \
    substr(body, 1, 160) as preview from messages where (?1 is null or sender = ?1) \
    and (?2 is null or thread = ?2) and (?3 = 0 or unread = 1) and (?4 is null or arrival > ?4) \
    order by arrival limit ?5";

/// The oldest read message, as long as there are too many or too large ones.
const FORGET: &str = "delete from messages where arrival = (select min(arrival) from messages where unread = 0) \
    and exists (select 1 from totals where read > ? or read_bytes > ?)";

pub(super) async fn insert(on: &mut SqliteConnection, row: &Row) -> Result<Option<i64>, StoreError> {
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
        .map_err(StoreError::Write)?;
    inserted.map(|row| row.try_get(0)).transpose().map_err(StoreError::Write)
}

/// Of a message that is here.
pub(super) async fn standing(on: &mut SqliteConnection, sender: &str, id: &str) -> Result<Put, StoreError> {
    let (arrival, unread): (i64, bool) =
        sqlx::query_as(STANDING).bind(sender).bind(id).fetch_one(on).await.map_err(StoreError::Read)?;
    Ok(if unread { Put::Unread(arrival) } else { Put::Read })
}

pub(super) async fn page(
    pool: &SqlitePool,
    filter: &Filter,
    order: Order,
    cursor: Option<i64>,
    limit: usize,
) -> Result<Vec<Listed>, StoreError> {
    let text = match order {
        Order::NewestFirst => NEWEST_FIRST,
        Order::OldestFirst => OLDEST_FIRST,
    };
    sqlx::query_as(text)
        .bind(filter.from.as_ref().map(Did::as_str))
        .bind(filter.thread.as_deref())
        .bind(filter.unread)
        .bind(cursor)
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(pool)
        .await
        .map_err(StoreError::Read)
}

pub(super) async fn find(
    pool: &SqlitePool,
    id: MessageId,
    from: Option<&Did>,
) -> Result<Vec<Row>, StoreError> {
    let found = sqlx::query_as(FIND).bind(id.to_string()).bind(from.map(Did::as_str)).fetch_all(pool);
    found.await.map_err(StoreError::Read)
}

pub(super) async fn mark_read(on: &mut SqliteConnection, arrival: i64) -> Result<(), StoreError> {
    let marked = sqlx::query("update messages set unread = 0 where arrival = ? and unread = 1");
    marked.bind(arrival).execute(on).await.map_err(StoreError::Write)?;
    Ok(())
}

pub(super) async fn delete(pool: &SqlitePool, arrival: i64) -> Result<(), StoreError> {
    let deleted = sqlx::query("delete from messages where arrival = ?").bind(arrival).execute(pool);
    deleted.await.map_err(StoreError::Write)?;
    Ok(())
}

/// Ends: each round removes a row, or finds nothing to remove.
pub(super) async fn forget_old(on: &mut SqliteConnection, limits: Limits) -> Result<(), StoreError> {
    loop {
        let forgotten = sqlx::query(FORGET)
            .bind(limits.read.cast_signed())
            .bind(limits.read_bytes.cast_signed())
            .execute(&mut *on)
            .await
            .map_err(StoreError::Write)?;
        if forgotten.rows_affected() == 0 {
            return Ok(());
        }
    }
}

pub(super) async fn totals(pool: &SqlitePool) -> Result<Totals, StoreError> {
    let (unread, unread_bytes, read, read_bytes): (i64, i64, i64, i64) =
        sqlx::query_as("select unread, unread_bytes, read, read_bytes from totals")
            .fetch_one(pool)
            .await
            .map_err(StoreError::Read)?;
    Ok(Totals {
        unread: unread.cast_unsigned(),
        unread_bytes: unread_bytes.cast_unsigned(),
        read: read.cast_unsigned(),
        read_bytes: read_bytes.cast_unsigned(),
    })
}

pub(super) async fn count(pool: &SqlitePool, filter: &Filter) -> Result<(u64, u64), StoreError> {
    let (total, unread): (i64, i64) = sqlx::query_as(COUNT)
        .bind(filter.from.as_ref().map(Did::as_str))
        .bind(filter.thread.as_deref())
        .bind(filter.unread)
        .fetch_one(pool)
        .await
        .map_err(StoreError::Read)?;
    Ok((total.cast_unsigned(), unread.cast_unsigned()))
}
