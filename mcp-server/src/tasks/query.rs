//! SQL statements of the tasks. The text of each is constant, and values from callers are bound.

use protocol::envelope::MessageId;
use protocol::task::State;
use protocol::{Did, UnixSeconds};
use sqlx::{Row as _, SqliteConnection, SqliteExecutor, SqlitePool};

use super::row::{EntryRow, TaskRow};
use super::task::{EntryContent, Task, TaskFilter, TaskRole};
use crate::database::DatabaseError;

/// Tasks that are stored. When it is reached, the tasks that ended longest ago are deleted; when
/// all are open, a new one is not accepted.
pub const TASKS_MAX: u64 = 10_000;
/// Bytes of the contents of all tasks, with the same effect.
pub const TASK_BYTES_MAX: u64 = 128 << 20;
/// Entries that are stored of one task. Beyond it, the oldest after the first one are deleted.
pub const TASK_ENTRIES_MAX: i64 = 200;

const INSERT: &str = "insert into tasks (given, peer, id, title, state, revision, cancel_requested, change, created, \
    updated) values (?1, ?2, ?3, ?4, 'submitted', 0, 0, (select coalesce(max(change), 0) + 1 from tasks), ?5, ?5) \
    returning number";

const UPDATE: &str = "update tasks set state = ?2, revision = ?3, progress = ?4, cancel_requested = ?5, updated = ?6, \
    change = (select max(change) + 1 from tasks) where number = ?1";

const ADD_ENTRY: &str = "insert into task_entries (task, number, mine, message, kind, state, note, is_text, body, \
    bytes, written) values (?1, (select coalesce(max(number), 0) + 1 from task_entries where task = ?1), \
    ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) on conflict (task, mine, message) do nothing";

const TRIM_ENTRIES: &str = "delete from task_entries where task = ?1 and number > 1 \
    and number <= (select max(number) from task_entries where task = ?1) - ?2";

/// Deletes the task that ended longest ago while a limit is reached.
const DELETE_OLDEST_ENDED: &str = "delete from tasks where number = (select number from tasks \
    where state in ('completed', 'failed', 'rejected', 'canceled') \
    and number not in (select task from task_outbox) order by updated, number limit 1) \
    and exists (select 1 from totals where tasks >= ? or task_bytes >= ?)";

const PAGE: &str = "select * from tasks where (?1 is null or given = ?1) and (?2 is null or peer = ?2) \
    and (?3 is null or state = ?3) \
    and (?4 = 0 or state not in ('completed', 'failed', 'rejected', 'canceled')) \
    and (?5 is null or number < ?5) order by number desc limit ?6";

const OPEN: &str =
    "select count(*) from tasks where state not in ('completed', 'failed', 'rejected', 'canceled')";

pub(super) async fn insert(
    on: &mut SqliteConnection,
    role: TaskRole,
    peer: &Did,
    id: MessageId,
    title: Option<&str>,
    now: UnixSeconds,
) -> Result<i64, DatabaseError> {
    let row = sqlx::query(INSERT)
        .bind(role == TaskRole::Giver)
        .bind(peer.as_str())
        .bind(id.to_string())
        .bind(title)
        .bind(now.cast_signed())
        .fetch_one(on)
        .await
        .map_err(DatabaseError::Write)?;
    row.try_get(0).map_err(DatabaseError::Write)
}

pub(super) async fn update(on: &mut SqliteConnection, task: &Task) -> Result<(), DatabaseError> {
    let updated = sqlx::query(UPDATE)
        .bind(task.number)
        .bind(task.state.as_str())
        .bind(task.revision.cast_signed())
        .bind(task.progress.map(i64::from))
        .bind(task.cancel_requested)
        .bind(task.updated.cast_signed())
        .execute(on);
    updated.await.map_err(DatabaseError::Write)?;
    Ok(())
}

/// `false`: the task already holds this message.
pub(super) async fn add_entry(
    on: &mut SqliteConnection,
    task: i64,
    mine: bool,
    message: MessageId,
    content: &EntryContent,
    now: UnixSeconds,
) -> Result<bool, DatabaseError> {
    let text = content.body.as_ref().and_then(serde_json::Value::as_str);
    let body = content.body.as_ref().map(|body| text.map_or_else(|| body.to_string(), str::to_owned));
    let bytes = body.as_ref().map_or(0, String::len) + content.note.as_ref().map_or(0, String::len);
    let added = sqlx::query(ADD_ENTRY)
        .bind(task)
        .bind(mine)
        .bind(message.to_string())
        .bind(content.kind.as_str())
        .bind(content.state.map(State::as_str))
        .bind(content.note.as_deref())
        .bind(text.is_some())
        .bind(body)
        .bind(i64::try_from(bytes).unwrap_or(i64::MAX))
        .bind(now.cast_signed())
        .execute(&mut *on)
        .await
        .map_err(DatabaseError::Write)?;
    sqlx::query(TRIM_ENTRIES)
        .bind(task)
        .bind(TASK_ENTRIES_MAX)
        .execute(on)
        .await
        .map_err(DatabaseError::Write)?;
    Ok(added.rows_affected() > 0)
}

/// Deletes the messages of a task after the one that submitted it.
pub(super) async fn trim_to_first_entry(on: &mut SqliteConnection, task: i64) -> Result<(), DatabaseError> {
    let trimmed = sqlx::query("delete from task_entries where task = ? and number > 1").bind(task);
    trimmed.execute(on).await.map_err(DatabaseError::Write)?;
    Ok(())
}

pub(super) async fn remove_entry(
    on: &mut SqliteConnection,
    task: i64,
    message: MessageId,
) -> Result<(), DatabaseError> {
    let removed = sqlx::query("delete from task_entries where task = ? and mine = 1 and message = ?");
    removed.bind(task).bind(message.to_string()).execute(on).await.map_err(DatabaseError::Write)?;
    Ok(())
}

pub(super) async fn remove(pool: &SqlitePool, task: i64) -> Result<(), DatabaseError> {
    let removed = sqlx::query("delete from tasks where number = ?").bind(task).execute(pool);
    removed.await.map_err(DatabaseError::Write)?;
    Ok(())
}

/// Deletes ended tasks while a limit is reached; returns whether one more task or entry may be
/// stored. Terminates: each round deletes one task, or finds none and ends the loop.
pub(super) async fn free_capacity(on: &mut SqliteConnection) -> Result<bool, DatabaseError> {
    let (tasks_max, bytes_max) = (TASKS_MAX.cast_signed(), TASK_BYTES_MAX.cast_signed());
    loop {
        let removed = sqlx::query(DELETE_OLDEST_ENDED).bind(tasks_max).bind(bytes_max).execute(&mut *on);
        if removed.await.map_err(DatabaseError::Write)?.rows_affected() == 0 {
            break;
        }
    }
    let (tasks, bytes): (i64, i64) = sqlx::query_as("select tasks, task_bytes from totals")
        .fetch_one(on)
        .await
        .map_err(DatabaseError::Read)?;
    Ok(tasks < tasks_max && bytes < bytes_max)
}

pub(super) async fn by_number(on: &mut SqliteConnection, number: i64) -> Result<TaskRow, DatabaseError> {
    let found = sqlx::query_as("select * from tasks where number = ?").bind(number).fetch_one(on);
    found.await.map_err(DatabaseError::Read)
}

pub(super) async fn find_by_peer(
    on: impl SqliteExecutor<'_>,
    role: TaskRole,
    peer: &Did,
    id: MessageId,
) -> Result<Option<TaskRow>, DatabaseError> {
    sqlx::query_as("select * from tasks where given = ? and peer = ? and id = ?")
        .bind(role == TaskRole::Giver)
        .bind(peer.as_str())
        .bind(id.to_string())
        .fetch_optional(on)
        .await
        .map_err(DatabaseError::Read)
}

pub(super) async fn find(
    pool: &SqlitePool,
    id: MessageId,
    peer: Option<&Did>,
) -> Result<Vec<TaskRow>, DatabaseError> {
    sqlx::query_as("select * from tasks where id = ?1 and (?2 is null or peer = ?2) order by number limit 2")
        .bind(id.to_string())
        .bind(peer.map(Did::as_str))
        .fetch_all(pool)
        .await
        .map_err(DatabaseError::Read)
}

pub(super) async fn page(
    pool: &SqlitePool,
    filter: &TaskFilter,
    cursor: Option<i64>,
    limit: usize,
) -> Result<Vec<TaskRow>, DatabaseError> {
    sqlx::query_as(PAGE)
        .bind(filter.role.map(|role| role == TaskRole::Giver))
        .bind(filter.peer.as_ref().map(Did::as_str))
        .bind(filter.state.map(State::as_str))
        .bind(filter.open)
        .bind(cursor)
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(pool)
        .await
        .map_err(DatabaseError::Read)
}

pub(super) async fn last_entries(
    pool: &SqlitePool,
    task: i64,
    limit: usize,
) -> Result<Vec<EntryRow>, DatabaseError> {
    sqlx::query_as("select * from task_entries where task = ? order by number desc limit ?")
        .bind(task)
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(pool)
        .await
        .map_err(DatabaseError::Read)
}

pub(super) async fn entry(
    pool: &SqlitePool,
    task: i64,
    number: i64,
) -> Result<Option<EntryRow>, DatabaseError> {
    sqlx::query_as("select * from task_entries where task = ? and number = ?")
        .bind(task)
        .bind(number)
        .fetch_optional(pool)
        .await
        .map_err(DatabaseError::Read)
}

pub(super) async fn open_count(pool: &SqlitePool) -> Result<u64, DatabaseError> {
    let (count,): (i64,) = sqlx::query_as(OPEN).fetch_one(pool).await.map_err(DatabaseError::Read)?;
    Ok(count.cast_unsigned())
}
