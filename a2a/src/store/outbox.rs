//! Messages to agents that the relay has not answered yet.

use protocol::Did;
use protocol::envelope::{Content, MessageId};
use sqlx::{FromRow, SqliteConnection};

use super::{StoreError, TaskStore};

/// A message that leaves until the relay has answered.
#[derive(Debug, Clone)]
pub struct UnsentMessage {
    pub number: i64,
    pub task: i64,
    pub to: Did,
    pub task_id: MessageId,
    pub message: MessageId,
    pub content: Content,
}

impl UnsentMessage {
    /// Whether it submits its task.
    #[must_use]
    pub fn is_submit(&self) -> bool {
        self.message == self.task_id
    }
}

impl TaskStore {
    /// The oldest unsent message of each task, of at most `limit` tasks.
    ///
    /// # Errors
    /// The database failed.
    pub async fn unsent(&self, limit: u32) -> Result<Vec<UnsentMessage>, StoreError> {
        let query = sqlx::query_as(
            "select o.number, o.task, t.agent, t.id, o.message, o.content from outbox o \
             join tasks t on t.number = o.task \
             where o.number = (select min(number) from outbox where task = o.task) order by o.number limit ?",
        );
        let rows: Vec<OutboxRow> = query.bind(limit).fetch_all(&self.pool).await?;
        rows.into_iter().map(OutboxRow::into_message).collect()
    }

    /// Notes that the relay has accepted a message, or refused it for good.
    ///
    /// # Errors
    /// The database failed.
    pub async fn mark_sent(&self, sent: &UnsentMessage) -> Result<(), StoreError> {
        sqlx::query("delete from outbox where number = ?").bind(sent.number).execute(&self.pool).await?;
        Ok(())
    }
}

pub(super) async fn insert(
    on: &mut SqliteConnection,
    task: i64,
    message: MessageId,
    content: &Content,
) -> Result<(), StoreError> {
    let content = serde_json::to_string(content).map_err(|_| StoreError::Row("content of a message"))?;
    let insert = sqlx::query("insert into outbox (task, message, content) values (?, ?, ?)");
    insert.bind(task).bind(message.to_string()).bind(content).execute(on).await?;
    Ok(())
}

#[derive(Debug, FromRow)]
struct OutboxRow {
    number: i64,
    task: i64,
    agent: String,
    id: String,
    message: String,
    content: String,
}

impl OutboxRow {
    fn into_message(self) -> Result<UnsentMessage, StoreError> {
        let damaged = || StoreError::Row("message that was not sent");
        Ok(UnsentMessage {
            number: self.number,
            task: self.task,
            to: self.agent.parse().map_err(|_| damaged())?,
            task_id: self.id.parse().map_err(|_| damaged())?,
            message: self.message.parse().map_err(|_| damaged())?,
            content: serde_json::from_str(&self.content).map_err(|_| damaged())?,
        })
    }
}
