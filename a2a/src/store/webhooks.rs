//! The webhooks of tasks, and the changes that each has not got yet.

use std::time::Duration;

use sqlx::{FromRow, SqliteConnection};

use super::record::ChangeRow;
use super::{StoreError, StoredChange, TaskRecord, TaskStore, UnixMillis, record};
use crate::model::TaskPushNotificationConfig;

/// Webhooks of one task. Beyond it a new one is refused.
pub const WEBHOOKS_MAX: usize = 8;
/// Changes that wait for one webhook. Beyond it the oldest is left out: its client gets the whole
/// task with `GetTask`.
const WAITING_MAX: i64 = 256;

/// A change that is to be posted now.
#[derive(Debug, Clone)]
pub struct DueNotification {
    pub webhook: i64,
    pub failures: u32,
    pub config: TaskPushNotificationConfig,
    pub task: TaskRecord,
    pub change: StoredChange,
}

#[derive(Debug, FromRow)]
struct DueRow {
    webhook: i64,
    failures: u32,
    config: String,
    task: i64,
    change: i64,
}

impl TaskStore {
    /// Stores a webhook, or replaces the one with its id. `false`: the task has too many.
    ///
    /// # Errors
    /// The database failed.
    pub async fn put_webhook(
        &self,
        task: i64,
        config: &TaskPushNotificationConfig,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.pool.begin().await?;
        let others = sqlx::query_scalar("select count(*) from webhooks where task = ? and id <> ?");
        let others: i64 = others.bind(task).bind(&config.id).fetch_one(&mut *transaction).await?;
        if others >= i64::try_from(WEBHOOKS_MAX).unwrap_or(i64::MAX) {
            return Ok(false);
        }
        put(&mut transaction, task, config).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// The webhooks of a task, in order of their ids.
    ///
    /// # Errors
    /// The database failed.
    pub async fn webhooks(&self, task: i64) -> Result<Vec<TaskPushNotificationConfig>, StoreError> {
        let query = sqlx::query_scalar("select config from webhooks where task = ? order by id");
        let configs: Vec<String> = query.bind(task).fetch_all(&self.pool).await?;
        configs.iter().map(|config| parse(config)).collect()
    }

    /// Removes a webhook and what waits for it, if it is there.
    ///
    /// # Errors
    /// The database failed.
    pub async fn delete_webhook(&self, task: i64, id: &str) -> Result<(), StoreError> {
        let delete = sqlx::query("delete from webhooks where task = ? and id = ?");
        delete.bind(task).bind(id).execute(&self.pool).await?;
        Ok(())
    }

    /// The oldest change of each webhook that waits and is due, of at most `limit` webhooks.
    ///
    /// # Errors
    /// The database failed.
    pub async fn due_notifications(
        &self,
        now: UnixMillis,
        limit: u32,
    ) -> Result<Vec<DueNotification>, StoreError> {
        let query = sqlx::query_as(
            "select n.webhook, w.failures, w.config, w.task, min(n.change) as change from notifications n \
             join webhooks w on w.number = n.webhook where w.due_at <= ? group by n.webhook \
             order by w.due_at, n.webhook limit ?",
        );
        let mut connection = self.pool.acquire().await?;
        let rows: Vec<DueRow> = query.bind(now).bind(limit).fetch_all(&mut *connection).await?;
        let mut due = Vec::with_capacity(rows.len());
        for row in rows {
            let task = record::by_number(&mut connection, row.task).await?;
            let query = sqlx::query_as("select number, body, at from changes where task = ? and number = ?");
            let change: ChangeRow = query.bind(row.task).bind(row.change).fetch_one(&mut *connection).await?;
            let (change, config) = (change.into_change()?, parse(&row.config)?);
            due.push(DueNotification { webhook: row.webhook, failures: row.failures, config, task, change });
        }
        Ok(due)
    }

    /// Notes that a change was taken.
    ///
    /// # Errors
    /// The database failed.
    pub async fn notified(&self, due: &DueNotification) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await?;
        let delete = sqlx::query("delete from notifications where webhook = ? and change = ?");
        delete.bind(due.webhook).bind(due.change.number).execute(&mut *transaction).await?;
        let update = sqlx::query("update webhooks set failures = 0, due_at = 0 where number = ?");
        update.bind(due.webhook).execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Notes a failed attempt. Without another one, what waits for the webhook is dropped.
    ///
    /// # Errors
    /// The database failed.
    pub async fn notification_failed(
        &self,
        due: &DueNotification,
        again_in: Option<Duration>,
        now: UnixMillis,
    ) -> Result<(), StoreError> {
        let Some(wait) = again_in else {
            let drop = sqlx::query("delete from notifications where webhook = ?");
            drop.bind(due.webhook).execute(&self.pool).await?;
            return Ok(());
        };
        let due_at = now.saturating_add(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX));
        let update = sqlx::query("update webhooks set failures = failures + 1, due_at = ? where number = ?");
        update.bind(due_at).bind(due.webhook).execute(&self.pool).await?;
        Ok(())
    }
}

pub(super) async fn put(
    on: &mut SqliteConnection,
    task: i64,
    config: &TaskPushNotificationConfig,
) -> Result<(), StoreError> {
    let json = serde_json::to_string(config).map_err(|_| StoreError::Row("webhook"))?;
    let put = sqlx::query(
        "insert into webhooks (task, id, config) values (?1, ?2, ?3) \
         on conflict (task, id) do update set config = ?3, failures = 0, due_at = 0",
    );
    put.bind(task).bind(&config.id).bind(json).execute(on).await?;
    Ok(())
}

/// Adds a change to what waits for the webhooks of its task.
pub(super) async fn notify(on: &mut SqliteConnection, task: i64, change: u32) -> Result<(), StoreError> {
    let add = sqlx::query(
        "insert into notifications (webhook, change) select number, ? from webhooks where task = ?",
    );
    if add.bind(change).bind(task).execute(&mut *on).await?.rows_affected() == 0 {
        return Ok(());
    }
    let trim = sqlx::query(
        "delete from notifications where webhook in (select number from webhooks where task = ?1) \
         and change <= ?2 - ?3",
    );
    trim.bind(task).bind(change).bind(WAITING_MAX).execute(on).await?;
    Ok(())
}

fn parse(config: &str) -> Result<TaskPushNotificationConfig, StoreError> {
    serde_json::from_str(config).map_err(|_| StoreError::Row("webhook"))
}
