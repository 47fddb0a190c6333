//! Tasks that this agent gave to others and tasks that others gave to it, as rows of the database.
//! [`rules`] decides how a message changes a task. The change and the message are stored in one
//! transaction.

use protocol::envelope::MessageId;
use protocol::task::{Input, Status, Submit, TaskMessage};
use protocol::{Did, UnixSeconds};
use serde_json::Value;

use crate::database::{Database, DatabaseError};

mod query;
mod row;
pub mod rules;
mod task;

pub use query::{TASK_BYTES_MAX, TASK_ENTRIES_MAX, TASKS_MAX};
use rules::Transition;
pub use task::{
    EntryContent, EntryKind, FindTaskError, Task, TaskEntry, TaskFilter, TaskPage, TaskReceiveOutcome,
    TaskRole,
};

/// Cheap to clone.
#[derive(Debug, Clone)]
pub struct Tasks {
    database: Database,
}

impl Tasks {
    #[must_use]
    pub const fn new(database: Database) -> Self {
        Self { database }
    }

    /// Stores a task that this agent is about to give. `None`: the limit of open tasks is reached.
    ///
    /// # Errors
    /// The database cannot be written.
    pub async fn create_given(
        &self,
        to: &Did,
        id: MessageId,
        submit: &Submit,
        now: UnixSeconds,
    ) -> Result<Option<Task>, DatabaseError> {
        self.create(TaskRole::Giver, to, id, submit, now).await
    }

    /// Stores a message of another agent about a task.
    ///
    /// # Errors
    /// The database cannot be written.
    pub async fn receive(
        &self,
        from: &Did,
        message: MessageId,
        body: &TaskMessage,
        now: UnixSeconds,
    ) -> Result<TaskReceiveOutcome, DatabaseError> {
        let (role, id) = match body {
            TaskMessage::Submit(submit) => return self.receive_submit(from, message, submit, now).await,
            TaskMessage::Status(Status { task, .. }) => (TaskRole::Giver, *task),
            TaskMessage::Input(Input { task, .. }) => (TaskRole::Worker, *task),
            TaskMessage::Cancel(cancel) => (TaskRole::Worker, cancel.task),
        };
        let Some(task) = self.find_by_peer(role, from, id).await? else {
            return Ok(TaskReceiveOutcome::NotATask);
        };
        match rules::receive(&task, body) {
            Some(transition) => self.apply(&task, &transition, false, message, now).await,
            None => Ok(TaskReceiveOutcome::Duplicate),
        }
    }

    /// Stores the answer to a task by an agent that implements requests and responses but no tasks.
    ///
    /// # Errors
    /// The database cannot be written.
    pub async fn receive_answer(
        &self,
        from: &Did,
        message: MessageId,
        re: MessageId,
        (failed, content): (bool, Value),
        now: UnixSeconds,
    ) -> Result<TaskReceiveOutcome, DatabaseError> {
        let Some(task) = self.find_by_peer(TaskRole::Giver, from, re).await? else {
            return Ok(TaskReceiveOutcome::NotATask);
        };
        match rules::receive_answer(&task, failed, content) {
            Some(transition) => self.apply(&task, &transition, false, message, now).await,
            // The task has ended: a later answer is an ordinary message.
            None => Ok(TaskReceiveOutcome::NotATask),
        }
    }

    /// Stores a message of this agent about a task, before it is sent. `None`: a limit is reached.
    ///
    /// # Errors
    /// The database cannot be written.
    pub async fn record_outgoing(
        &self,
        task: &Task,
        transition: &Transition,
        message: MessageId,
        now: UnixSeconds,
    ) -> Result<Option<Task>, DatabaseError> {
        Ok(match self.apply(task, transition, true, message, now).await? {
            TaskReceiveOutcome::Changed(task) => Some(*task),
            TaskReceiveOutcome::Duplicate => Some(task.clone()),
            TaskReceiveOutcome::NotATask => None,
        })
    }

    /// Removes a message that was not sent, and restores the task as it was `before`.
    ///
    /// # Errors
    /// The database cannot be written.
    pub async fn undo_outgoing(&self, before: &Task, message: MessageId) -> Result<(), DatabaseError> {
        let mut transaction = self.database.pool().begin().await.map_err(DatabaseError::Write)?;
        query::remove_entry(&mut transaction, before.number, message).await?;
        query::update(&mut transaction, before).await?;
        transaction.commit().await.map_err(DatabaseError::Write)
    }

    /// Removes a task that was stored and then not sent.
    ///
    /// # Errors
    /// The database cannot be written.
    pub async fn remove(&self, task: &Task) -> Result<(), DatabaseError> {
        query::remove(self.database.pool(), task.number).await
    }

    /// # Errors
    /// No task has the id, or tasks with several agents have it.
    pub async fn find(&self, id: MessageId, peer: Option<&Did>) -> Result<Task, FindTaskError> {
        let found = query::find(self.database.pool(), id, peer).await;
        let mut found = found.map_err(FindTaskError::Database)?;
        match (found.pop(), found.pop()) {
            (Some(row), None) => row.into_task().map_err(FindTaskError::Database),
            (Some(_), Some(_)) => Err(FindTaskError::Ambiguous),
            (None, _) => Err(FindTaskError::Absent),
        }
    }

    /// At most `limit` tasks that were created before the one at `cursor`, newest first.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn list(
        &self,
        filter: &TaskFilter,
        cursor: Option<i64>,
        limit: usize,
    ) -> Result<TaskPage, DatabaseError> {
        let mut rows = query::page(self.database.pool(), filter, cursor, limit.saturating_add(1)).await?;
        let has_more = rows.len() > limit;
        rows.truncate(limit);
        let tasks = rows.into_iter().map(row::TaskRow::into_task).collect::<Result<Vec<_>, _>>()?;
        let next = tasks.last().filter(|_| has_more).map(|task| task.number);
        Ok(TaskPage { tasks, next })
    }

    /// The last `limit` messages of a task, oldest first.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn entries(&self, task: &Task, limit: usize) -> Result<Vec<TaskEntry>, DatabaseError> {
        let rows = query::last_entries(self.database.pool(), task.number, limit).await?;
        rows.into_iter().rev().map(row::EntryRow::into_entry).collect()
    }

    /// # Errors
    /// The database cannot be read.
    pub async fn entry(&self, task: &Task, number: i64) -> Result<Option<TaskEntry>, DatabaseError> {
        let row = query::entry(self.database.pool(), task.number, number).await?;
        row.map(row::EntryRow::into_entry).transpose()
    }

    /// How many tasks have not ended.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn open_count(&self) -> Result<u64, DatabaseError> {
        query::open_count(self.database.pool()).await
    }

    async fn receive_submit(
        &self,
        from: &Did,
        id: MessageId,
        submit: &Submit,
        now: UnixSeconds,
    ) -> Result<TaskReceiveOutcome, DatabaseError> {
        if self.find_by_peer(TaskRole::Worker, from, id).await?.is_some() {
            return Ok(TaskReceiveOutcome::Duplicate);
        }
        let created = self.create(TaskRole::Worker, from, id, submit, now).await?;
        let changed = |task| TaskReceiveOutcome::Changed(Box::new(task));
        Ok(created.map_or(TaskReceiveOutcome::NotATask, changed))
    }

    async fn create(
        &self,
        role: TaskRole,
        peer: &Did,
        id: MessageId,
        submit: &Submit,
        now: UnixSeconds,
    ) -> Result<Option<Task>, DatabaseError> {
        let body = Some(submit.input.clone());
        let content = EntryContent { kind: EntryKind::Submit, state: None, note: None, body };
        let mut transaction = self.database.pool().begin().await.map_err(DatabaseError::Write)?;
        if !query::free_capacity(&mut transaction).await? {
            return Ok(None);
        }
        let number = query::insert(&mut transaction, role, peer, id, submit.title.as_deref(), now).await?;
        query::add_entry(&mut transaction, number, role == TaskRole::Giver, id, &content, now).await?;
        let task = query::by_number(&mut transaction, number).await?.into_task()?;
        transaction.commit().await.map_err(DatabaseError::Write)?;
        Ok(Some(task))
    }

    async fn apply(
        &self,
        task: &Task,
        transition: &Transition,
        mine: bool,
        message: MessageId,
        now: UnixSeconds,
    ) -> Result<TaskReceiveOutcome, DatabaseError> {
        let mut transaction = self.database.pool().begin().await.map_err(DatabaseError::Write)?;
        if !query::free_capacity(&mut transaction).await? {
            return Ok(TaskReceiveOutcome::NotATask);
        }
        let content = &transition.content;
        if !query::add_entry(&mut transaction, task.number, mine, message, content, now).await? {
            return Ok(TaskReceiveOutcome::Duplicate);
        }
        let changed = Task { updated: now, ..transition.apply_to(task) };
        query::update(&mut transaction, &changed).await?;
        let task = query::by_number(&mut transaction, task.number).await?.into_task()?;
        transaction.commit().await.map_err(DatabaseError::Write)?;
        Ok(TaskReceiveOutcome::Changed(Box::new(task)))
    }

    async fn find_by_peer(
        &self,
        role: TaskRole,
        peer: &Did,
        id: MessageId,
    ) -> Result<Option<Task>, DatabaseError> {
        let row = query::find_by_peer(self.database.pool(), role, peer, id).await?;
        row.map(row::TaskRow::into_task).transpose()
    }
}

#[cfg(test)]
mod tests;
