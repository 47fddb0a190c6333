//! Tasks that this agent gave to others and tasks that others gave to it, as rows of the database.
//! [`rules`] decides how a message changes a task. The change and the message are stored in one
//! transaction.

use std::sync::Arc;

use protocol::envelope::{Content, MessageId};
use protocol::task::{Artifact, Input, Status, Submit, TaskMessage};
use protocol::{Did, UnixSeconds};
use serde_json::Value;
use sqlx::SqliteConnection;
use tokio::sync::{Mutex, MutexGuard};

use crate::database::{Database, DatabaseError};

mod outbox;
mod query;
mod row;
pub mod rules;
mod task;

pub use outbox::{UNSENT_MESSAGES_MAX, UnsentMessage};
pub use query::{TASK_BYTES_MAX, TASK_ENTRIES_MAX, TASKS_MAX};
use rules::Transition;
pub use task::{
    EntryContent, EntryKind, FindTaskError, OutgoingError, Task, TaskEntry, TaskFilter, TaskPage,
    TaskReceiveOutcome, TaskRole,
};

/// Locks that the tasks share, so that the messages of one task leave one after the other. Two
/// tasks with the same lock wait for each other now and then.
const TURNS_MAX: usize = 64;

/// Cheap to clone.
#[derive(Debug, Clone)]
pub struct Tasks {
    database: Database,
    turns: Arc<[Mutex<()>; TURNS_MAX]>,
}

impl Tasks {
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self { database, turns: Arc::new(std::array::from_fn(|_| Mutex::default())) }
    }

    /// Waits until no other message of this task is being sent.
    pub async fn turn(&self, task: i64) -> Option<MutexGuard<'_, ()>> {
        match self.turns.get(turn_index(task)) {
            Some(turn) => Some(turn.lock().await),
            None => None,
        }
    }

    /// `None`: a message of this task is being sent.
    #[must_use]
    pub fn try_turn(&self, task: i64) -> Option<MutexGuard<'_, ()>> {
        self.turns.get(turn_index(task)).and_then(|turn| turn.try_lock().ok())
    }

    /// Stores a task that this agent is about to give, and the message that submits it. `None`: the
    /// limit of open tasks or of unsent messages is reached.
    ///
    /// # Errors
    /// The database cannot be written.
    pub async fn create_given(
        &self,
        to: &Did,
        id: MessageId,
        submit: &Submit,
        content: &Content,
        now: UnixSeconds,
    ) -> Result<Option<Task>, DatabaseError> {
        let mut transaction = self.database.pool().begin().await.map_err(DatabaseError::Write)?;
        let Some(task) = create(&mut transaction, TaskRole::Giver, to, id, submit, now).await? else {
            return Ok(None);
        };
        if !outbox::insert(&mut transaction, &task, id, content, false).await? {
            return Ok(None);
        }
        transaction.commit().await.map_err(DatabaseError::Write)?;
        Ok(Some(task))
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
            TaskMessage::Status(Status { task, .. }) | TaskMessage::Artifact(Artifact { task, .. }) => {
                (TaskRole::Giver, *task)
            }
            TaskMessage::Input(Input { task, .. }) => (TaskRole::Worker, *task),
            TaskMessage::Cancel(cancel) => (TaskRole::Worker, cancel.task),
        };
        let mut transaction = self.database.pool().begin().await.map_err(DatabaseError::Write)?;
        let Some(row) = query::find_by_peer(&mut *transaction, role, from, id).await? else {
            return Ok(TaskReceiveOutcome::NotATask);
        };
        let task = row.into_task()?;
        let Some(transition) = rules::receive(&task, body) else { return Ok(TaskReceiveOutcome::Duplicate) };
        let changed = change(&mut transaction, &task, &transition, false, message, now).await?;
        transaction.commit().await.map_err(DatabaseError::Write)?;
        Ok(changed.map_or(TaskReceiveOutcome::Duplicate, |task| TaskReceiveOutcome::Changed(Box::new(task))))
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
        let mut transaction = self.database.pool().begin().await.map_err(DatabaseError::Write)?;
        let Some(row) = query::find_by_peer(&mut *transaction, TaskRole::Giver, from, re).await? else {
            return Ok(TaskReceiveOutcome::NotATask);
        };
        let task = row.into_task()?;
        // The task has ended: a later answer is an ordinary message.
        let Some(transition) = rules::receive_answer(&task, failed, content) else {
            return Ok(TaskReceiveOutcome::NotATask);
        };
        let changed = change(&mut transaction, &task, &transition, false, message, now).await?;
        transaction.commit().await.map_err(DatabaseError::Write)?;
        Ok(changed.map_or(TaskReceiveOutcome::Duplicate, |task| TaskReceiveOutcome::Changed(Box::new(task))))
    }

    /// Stores a message of this agent about a task, and what it changes, before it is sent.
    /// `decide` gets the task as it is in this transaction.
    ///
    /// # Errors
    /// `decide` refused, a limit is reached, or the database cannot be written.
    pub async fn record_outgoing<E>(
        &self,
        task: i64,
        message: MessageId,
        now: UnixSeconds,
        decide: impl FnOnce(&Task) -> Result<(Transition, Content), E>,
    ) -> Result<Task, OutgoingError<E>> {
        let begun = self.database.pool().begin().await;
        let mut transaction = begun.map_err(DatabaseError::Write)?;
        let before = query::by_number(&mut transaction, task).await?.into_task()?;
        let (transition, content) = decide(&before).map_err(OutgoingError::Refused)?;
        let changed = change(&mut transaction, &before, &transition, true, message, now).await?;
        let changed = changed.ok_or(DatabaseError::Row("id of a new message"))?;
        let requests_cancel = changed.cancel_requested && !before.cancel_requested;
        if !outbox::insert(&mut transaction, &before, message, &content, requests_cancel).await? {
            return Err(OutgoingError::Full);
        }
        transaction.commit().await.map_err(DatabaseError::Write)?;
        Ok(changed)
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
        let mut transaction = self.database.pool().begin().await.map_err(DatabaseError::Write)?;
        if query::find_by_peer(&mut *transaction, TaskRole::Worker, from, id).await?.is_some() {
            return Ok(TaskReceiveOutcome::Duplicate);
        }
        let Some(task) = create(&mut transaction, TaskRole::Worker, from, id, submit, now).await? else {
            return Ok(TaskReceiveOutcome::NotATask);
        };
        transaction.commit().await.map_err(DatabaseError::Write)?;
        Ok(TaskReceiveOutcome::Changed(Box::new(task)))
    }
}

fn turn_index(task: i64) -> usize {
    usize::try_from(task.unsigned_abs()).unwrap_or_default() % TURNS_MAX
}

/// `None`: the limit of open tasks is reached.
async fn create(
    on: &mut SqliteConnection,
    role: TaskRole,
    peer: &Did,
    id: MessageId,
    submit: &Submit,
    now: UnixSeconds,
) -> Result<Option<Task>, DatabaseError> {
    let body = Some(submit.input.clone());
    let content = EntryContent { kind: EntryKind::Submit, state: None, note: None, body };
    if !query::free_capacity(on).await? {
        return Ok(None);
    }
    let number = query::insert(on, role, peer, id, submit.title.as_deref(), now).await?;
    query::add_entry(on, number, role == TaskRole::Giver, id, &content, now).await?;
    query::by_number(on, number).await?.into_task().map(Some)
}

/// Adds a message to a task and changes it. `None`: the task holds the message already. Without
/// capacity the older messages of the task make room, because a full store must not keep a task
/// from its end.
async fn change(
    on: &mut SqliteConnection,
    task: &Task,
    transition: &Transition,
    mine: bool,
    message: MessageId,
    now: UnixSeconds,
) -> Result<Option<Task>, DatabaseError> {
    if !query::free_capacity(on).await? {
        query::trim_to_first_entry(on, task.number).await?;
    }
    if !query::add_entry(on, task.number, mine, message, &transition.content, now).await? {
        return Ok(None);
    }
    let changed = Task { updated: now, ..transition.apply_to(task) };
    query::update(on, &changed).await?;
    query::by_number(on, task.number).await?.into_task().map(Some)
}

#[cfg(test)]
mod tests;
