//! The SQLite database of a gateway's tasks. Each change of a task is committed in one transaction
//! with the message to its agent and the notifications of its webhooks, so that a restart loses
//! none of them. One process opens it at a time.

use std::path::Path;
use std::time::Duration;

use protocol::Did;
use protocol::envelope::{Content, MessageId};
use sqlx::sqlite::SqlitePool;
use sqlx::{Row as _, SqliteConnection};

use crate::model::TaskPushNotificationConfig;
use crate::task_machine::{Change, Decision, Refusal, TaskEvent, TaskHead, apply};

mod listing;
mod outbox;
mod record;
mod webhooks;

pub use listing::{ListFilter, ListPage};
pub use outbox::UnsentMessage;
pub use record::{StoredChange, TaskRecord};
pub use webhooks::{DueNotification, WEBHOOKS_MAX};

const FILE_NAME: &str = "a2a.db";
/// Tasks of all callers. When it is reached, the one that ended longest ago is deleted; when all
/// are open, a new one is refused.
pub const TASKS_MAX: i64 = 10_000;
/// Tasks of one caller, with the same effect among its own.
pub const CALLER_TASKS_MAX: i64 = 1_000;
/// Bytes of all tasks, with the same effect.
pub const STORE_BYTES_MAX: i64 = 512 << 20;
/// Bytes of the tasks of one caller, with the same effect among its own.
pub const CALLER_BYTES_MAX: i64 = 64 << 20;
/// How long a task is kept after its end: as long as a message may be on its way.
pub const ENDED_TASK_TTL: Duration = Duration::from_secs(7 * 24 * 3600);
/// How long a task may stay without a change of its state before it fails.
pub const SILENT_TASK_TTL: Duration = Duration::from_secs(30 * 24 * 3600);

pub(crate) const OPEN_STATES: &str =
    "('TASK_STATE_SUBMITTED', 'TASK_STATE_WORKING', 'TASK_STATE_INPUT_REQUIRED', 'TASK_STATE_AUTH_REQUIRED')";

/// Unix milliseconds.
pub type UnixMillis = i64;

/// Cheap to clone.
#[derive(Debug, Clone)]
pub struct TaskStore {
    pool: SqlitePool,
}

/// The database failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error(transparent)]
    Open(#[from] sqlite_pool::OpenError),
    #[error("failed to migrate {FILE_NAME} to this version's schema")]
    Migrate(#[source] sqlx::migrate::MigrateError),
    #[error("failed to use {FILE_NAME}")]
    Use(#[from] sqlx::Error),
    /// A row that this version did not write.
    #[error("failed to parse the stored {0}")]
    Row(&'static str),
}

/// Why a change was not stored.
#[derive(Debug)]
pub enum ApplyError {
    Refused(Refusal),
    Store(StoreError),
}

impl<E: Into<StoreError>> From<E> for ApplyError {
    fn from(error: E) -> Self {
        Self::Store(error.into())
    }
}

/// A task that is about to begin.
#[derive(Debug, Clone)]
pub struct NewTask {
    pub id: MessageId,
    pub caller: String,
    pub agent: Did,
    pub context: String,
    pub webhook: Option<TaskPushNotificationConfig>,
}

impl TaskStore {
    /// Opens the file in a folder. Creates the folder, accessible to this user only.
    ///
    /// # Errors
    /// The file cannot be opened or written, or was written by a newer version.
    pub async fn open(folder: &Path) -> Result<Self, StoreError> {
        Self::migrated(sqlite_pool::open_private_file(folder, FILE_NAME).await?).await
    }

    /// A store that ends with the process, for tests.
    ///
    /// # Errors
    /// SQLite cannot allocate it.
    pub async fn in_memory() -> Result<Self, StoreError> {
        Self::migrated(sqlite_pool::open_in_memory().await?).await
    }

    async fn migrated(pool: SqlitePool) -> Result<Self, StoreError> {
        sqlx::migrate!("./migrations").run(&pool).await.map_err(StoreError::Migrate)?;
        Ok(Self { pool })
    }

    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// Stores a new task with the message that submits it. `None`: there is no room.
    ///
    /// # Errors
    /// The database failed.
    pub async fn begin_task(
        &self,
        new: &NewTask,
        decision: &Decision,
        content: &Content,
        now: UnixMillis,
    ) -> Result<Option<TaskRecord>, StoreError> {
        let mut transaction = self.pool.begin().await?;
        if !free_capacity(&mut transaction, &new.caller).await? {
            return Ok(None);
        }
        let inserted = sqlx::query(
            "insert into tasks (id, caller, agent, context, state, status_at, created_at, revision, changes, \
             bytes, cancel_requested) values (?1, ?2, ?3, ?4, 'TASK_STATE_SUBMITTED', ?5, ?5, 0, 0, 0, 0) \
             returning number",
        );
        let inserted = inserted.bind(new.id.to_string()).bind(&new.caller).bind(new.agent.as_str());
        let row = inserted.bind(&new.context).bind(now).fetch_one(&mut *transaction).await?;
        let number = row.try_get(0)?;
        if let Some(webhook) = &new.webhook {
            webhooks::put(&mut transaction, number, webhook).await?;
        }
        let message = (new.id, content);
        let record = record::by_number(&mut transaction, number).await?;
        store_decision(&mut transaction, &record, decision, Some(message), now).await?;
        let record = record::by_number(&mut transaction, number).await?;
        transaction.commit().await?;
        Ok(Some(record))
    }

    /// Applies an event to a task, and stores what it changes with the message to its agent.
    ///
    /// # Errors
    /// The event was refused, or the database failed.
    pub async fn apply(
        &self,
        number: i64,
        event: TaskEvent,
        message: Option<(MessageId, &Content)>,
        now: UnixMillis,
    ) -> Result<TaskRecord, ApplyError> {
        let mut transaction = self.pool.begin().await?;
        let record = record::by_number(&mut transaction, number).await?;
        let decision = apply(&record.head, event).map_err(ApplyError::Refused)?;
        store_decision(&mut transaction, &record, &decision, message, now).await?;
        let record = record::by_number(&mut transaction, number).await?;
        transaction.commit().await?;
        Ok(record)
    }

    /// A caller's task of an agent.
    ///
    /// # Errors
    /// The database failed.
    pub async fn find(&self, caller: &str, agent: &Did, id: &str) -> Result<Option<TaskRecord>, StoreError> {
        let query = sqlx::query_as("select * from tasks where id = ? and caller = ? and agent = ?");
        let row: Option<record::TaskRow> =
            query.bind(id).bind(caller).bind(agent.as_str()).fetch_optional(&self.pool).await?;
        row.map(record::TaskRow::into_record).transpose()
    }

    /// The task that was given to an agent.
    ///
    /// # Errors
    /// The database failed.
    pub async fn find_given(&self, agent: &Did, id: MessageId) -> Result<Option<TaskRecord>, StoreError> {
        let query = sqlx::query_as("select * from tasks where id = ? and agent = ?");
        let row: Option<record::TaskRow> =
            query.bind(id.to_string()).bind(agent.as_str()).fetch_optional(&self.pool).await?;
        row.map(record::TaskRow::into_record).transpose()
    }

    /// At most `limit` changes of a task after one, in their order.
    ///
    /// # Errors
    /// The database failed.
    pub async fn changes(&self, task: i64, after: u32, limit: u32) -> Result<Vec<StoredChange>, StoreError> {
        let query = sqlx::query_as(
            "select number, body, at from changes where task = ? and number > ? order by number limit ?",
        );
        let rows: Vec<record::ChangeRow> =
            query.bind(task).bind(after).bind(limit).fetch_all(&self.pool).await?;
        rows.into_iter().map(record::ChangeRow::into_change).collect()
    }

    /// Fails the tasks whose agent is silent for too long, and deletes those that ended long ago.
    /// Returns the numbers of those that failed.
    ///
    /// # Errors
    /// The database failed.
    pub async fn expire(&self, why: &TaskEvent, now: UnixMillis) -> Result<Vec<i64>, StoreError> {
        let before = |ttl: Duration| now.saturating_sub(i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX));
        let deleted = format!("delete from tasks where state not in {OPEN_STATES} and status_at < ?");
        sqlx::query(sqlx::AssertSqlSafe(deleted)).bind(before(ENDED_TASK_TTL)).execute(&self.pool).await?;
        let silent =
            format!("select number from tasks where state in {OPEN_STATES} and status_at < ? limit 100");
        let silent = sqlx::query_scalar(sqlx::AssertSqlSafe(silent)).bind(before(SILENT_TASK_TTL));
        let mut failed = Vec::new();
        for number in silent.fetch_all(&self.pool).await? {
            match self.apply(number, why.clone(), None, now).await {
                Ok(_) => failed.push(number),
                Err(ApplyError::Refused(_)) => {}
                Err(ApplyError::Store(error)) => return Err(error),
            }
        }
        Ok(failed)
    }
}

async fn store_decision(
    on: &mut SqliteConnection,
    before: &TaskRecord,
    decision: &Decision,
    message: Option<(MessageId, &Content)>,
    now: UnixMillis,
) -> Result<(), StoreError> {
    for (change, number) in decision.changes.iter().zip(before.head.changes.saturating_add(1)..) {
        let body = serde_json::to_string(change).map_err(|_| StoreError::Row("change"))?;
        let insert = sqlx::query("insert into changes (task, number, kind, body, at) values (?, ?, ?, ?, ?)");
        let kind = record::kind(change);
        insert.bind(before.number).bind(number).bind(kind).bind(body).bind(now).execute(&mut *on).await?;
        if !matches!(change, Change::Message(_)) {
            webhooks::notify(on, before.number, number).await?;
        }
    }
    let head: TaskHead = before.head.after(decision.revision, &decision.changes);
    let is_status = decision.changes.iter().any(|change| matches!(change, Change::Status(_)));
    let update = sqlx::query(
        "update tasks set state = ?2, status_at = ?3, revision = ?4, changes = ?5, bytes = ?6, \
         cancel_requested = ?7 where number = ?1",
    );
    update
        .bind(before.number)
        .bind(head.state.as_str())
        .bind(if is_status { now.max(before.status_at) } else { before.status_at })
        .bind(head.revision.cast_signed())
        .bind(head.changes)
        .bind(i64::try_from(head.bytes).unwrap_or(i64::MAX))
        .bind(head.cancel_requested || decision.requests_cancel)
        .execute(&mut *on)
        .await?;
    match message.filter(|_| decision.outgoing.is_some()) {
        Some((id, content)) => outbox::insert(on, before.number, id, content).await,
        None => Ok(()),
    }
}

/// Deletes ended tasks, the oldest first, while a limit is reached; returns whether one more task
/// may be stored. Terminates: each round deletes a task or ends the loop.
async fn free_capacity(on: &mut SqliteConnection, caller: &str) -> Result<bool, StoreError> {
    for (own, tasks_max, bytes_max) in
        [(Some(caller), CALLER_TASKS_MAX, CALLER_BYTES_MAX), (None, TASKS_MAX, STORE_BYTES_MAX)]
    {
        loop {
            let totals = sqlx::query_as(
                "select count(*), coalesce(sum(bytes), 0) from tasks where ?1 is null or caller = ?1",
            );
            let (tasks, bytes): (i64, i64) = totals.bind(own).fetch_one(&mut *on).await?;
            if tasks < tasks_max && bytes < bytes_max {
                break;
            }
            let delete = format!(
                "delete from tasks where number = (select number from tasks where state not in {OPEN_STATES} \
                 and (?1 is null or caller = ?1) order by status_at, number limit 1)"
            );
            let deleted = sqlx::query(sqlx::AssertSqlSafe(delete)).bind(own).execute(&mut *on).await?;
            if deleted.rows_affected() == 0 {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests;
