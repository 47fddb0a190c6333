//! Messages about tasks that the relay has not answered yet. Each is stored in the transaction of
//! what it changes, so that a crash or a caller that goes away loses none of them.

use protocol::Did;
use protocol::envelope::{Content, MessageId};
use protocol::task::State;
use sqlx::{FromRow, SqliteConnection};

use super::task::{Task, TaskRole};
use super::{Tasks, query, row};
use crate::database::DatabaseError;

/// Messages about tasks that may wait for the relay's answer. Beyond it a call is refused.
pub const UNSENT_MESSAGES_MAX: i64 = 1000;

const INSERT: &str = "insert into task_outbox (task, message, content, state, revision, progress, requests_cancel) \
    select ?1, ?2, ?3, ?4, ?5, ?6, ?7 where (select count(*) from task_outbox) < ?8";

const OF_TASK: &str = "select o.*, t.peer, t.id from task_outbox o join tasks t on t.number = o.task \
    where o.task = ? order by o.number";

/// A message that leaves until the relay has answered.
#[derive(Debug, Clone)]
pub struct UnsentMessage {
    number: i64,
    task: i64,
    pub to: Did,
    pub task_id: MessageId,
    pub message: MessageId,
    pub content: Content,
    before: StateBefore,
}

/// What a message changes, as it was before.
#[derive(Debug, Clone, Copy)]
struct StateBefore {
    state: State,
    revision: u64,
    progress: Option<u8>,
    requests_cancel: bool,
}

impl StateBefore {
    /// The task without the change, unless a later message has changed the same again.
    fn restore(self, task: Task) -> Task {
        match task.role {
            TaskRole::Worker if task.revision == self.revision.saturating_add(1) => {
                Task { state: self.state, revision: self.revision, progress: self.progress, ..task }
            }
            TaskRole::Giver if self.requests_cancel => Task { cancel_requested: false, ..task },
            TaskRole::Worker | TaskRole::Giver => task,
        }
    }
}

impl UnsentMessage {
    /// Whether it submits its task.
    #[must_use]
    pub fn is_submit(&self) -> bool {
        self.message == self.task_id
    }
}

impl Tasks {
    /// The messages of a task that the relay has not answered, in their order.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn unsent(&self, task: i64) -> Result<Vec<UnsentMessage>, DatabaseError> {
        let rows: Result<Vec<OutboxRow>, _> =
            sqlx::query_as(OF_TASK).bind(task).fetch_all(self.database.pool()).await;
        rows.map_err(DatabaseError::Read)?.into_iter().map(OutboxRow::into_message).collect()
    }

    /// The numbers of the tasks with such messages, the one that waits longest first.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn with_unsent(&self) -> Result<Vec<i64>, DatabaseError> {
        let tasks = sqlx::query_scalar("select task from task_outbox group by task order by min(number)");
        tasks.fetch_all(self.database.pool()).await.map_err(DatabaseError::Read)
    }

    /// Notes that the relay has accepted a message.
    ///
    /// # Errors
    /// The database cannot be written.
    pub async fn mark_sent(&self, sent: &UnsentMessage) -> Result<(), DatabaseError> {
        let deleted = sqlx::query("delete from task_outbox where number = ?").bind(sent.number);
        deleted.execute(self.database.pool()).await.map_err(DatabaseError::Write)?;
        Ok(())
    }

    /// Removes a message that the relay refused, and what it alone changed; with the message that
    /// submits a task, the task.
    ///
    /// # Errors
    /// The database cannot be written.
    pub async fn undo(&self, refused: &UnsentMessage) -> Result<(), DatabaseError> {
        if refused.is_submit() {
            return query::remove(self.database.pool(), refused.task).await;
        }
        let mut transaction = self.database.pool().begin().await.map_err(DatabaseError::Write)?;
        let deleted = sqlx::query("delete from task_outbox where number = ?").bind(refused.number);
        deleted.execute(&mut *transaction).await.map_err(DatabaseError::Write)?;
        query::remove_entry(&mut transaction, refused.task, refused.message).await?;
        let task = query::by_number(&mut transaction, refused.task).await?.into_task()?;
        query::update(&mut transaction, &refused.before.restore(task)).await?;
        transaction.commit().await.map_err(DatabaseError::Write)
    }
}

/// `false`: too many messages wait.
pub(super) async fn insert(
    on: &mut SqliteConnection,
    before: &Task,
    message: MessageId,
    content: &Content,
    requests_cancel: bool,
) -> Result<bool, DatabaseError> {
    let content = serde_json::to_string(content).map_err(|_| DatabaseError::Row("content of a message"))?;
    let inserted = sqlx::query(INSERT)
        .bind(before.number)
        .bind(message.to_string())
        .bind(content)
        .bind(before.state.as_str())
        .bind(before.revision.cast_signed())
        .bind(before.progress.map(i64::from))
        .bind(requests_cancel)
        .bind(UNSENT_MESSAGES_MAX)
        .execute(on);
    Ok(inserted.await.map_err(DatabaseError::Write)?.rows_affected() > 0)
}

#[derive(Debug, FromRow)]
struct OutboxRow {
    number: i64,
    task: i64,
    message: String,
    content: String,
    state: String,
    revision: i64,
    progress: Option<i64>,
    requests_cancel: bool,
    peer: String,
    id: String,
}

impl OutboxRow {
    fn into_message(self) -> Result<UnsentMessage, DatabaseError> {
        let damaged = || DatabaseError::Row("message that was not sent");
        Ok(UnsentMessage {
            number: self.number,
            task: self.task,
            to: self.peer.parse().map_err(|_| damaged())?,
            task_id: self.id.parse().map_err(|_| damaged())?,
            message: self.message.parse().map_err(|_| damaged())?,
            content: serde_json::from_str(&self.content).map_err(|_| damaged())?,
            before: StateBefore {
                state: row::state(&self.state)?,
                revision: self.revision.cast_unsigned(),
                progress: self.progress.and_then(|percent| u8::try_from(percent).ok()),
                requests_cancel: self.requests_cancel,
            },
        })
    }
}
