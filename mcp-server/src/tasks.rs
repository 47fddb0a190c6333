//! Tasks that this agent gave to others, and tasks that others gave to it, as rows of the [`Store`]. [`rules`] decides what a
//! message changes; this writes it down, together with the message, in one transaction.

use protocol::envelope::MessageId;
use protocol::task::{Input, State, Status, Submit, TaskMessage};
use protocol::{Did, UnixSeconds};
use serde_json::Value;

use crate::store::{Store, StoreError};

mod query;
mod row;
pub mod rules;

use rules::Step;

/// Tasks held, and bytes of what was said in them. Ended ones make room for new ones, the oldest first; when all are open, a
/// new one is not taken.
pub const TASKS_MAX: u64 = 10_000;
pub const TASK_BYTES_MAX: u64 = 128 << 20;
/// Messages held of one task. The first one stays, the oldest after it make room.
pub const ENTRIES_MAX: i64 = 200;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    pub number: i64,
    pub role: Role,
    /// The other agent.
    pub peer: Did,
    pub id: MessageId,
    /// Written by the giver.
    pub title: Option<String>,
    pub state: State,
    pub revision: u64,
    pub progress: Option<u8>,
    pub cancel_requested: bool,
    /// Grows with every change of any task.
    pub change: i64,
    pub created: UnixSeconds,
    pub updated: UnixSeconds,
}

/// What this agent is in a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Giver,
    Worker,
}

/// One message of a task.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// From 1.
    pub number: i64,
    /// Written by this agent.
    pub mine: bool,
    pub message: MessageId,
    pub said: Said,
    pub written: UnixSeconds,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Said {
    pub kind: Kind,
    /// Of a status.
    pub state: Option<State>,
    pub note: Option<String>,
    pub body: Option<Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Submit,
    Status,
    Input,
    Cancel,
}

/// Which tasks a listing is about. The default is all of them.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub role: Option<Role>,
    pub peer: Option<Did>,
    pub open: bool,
    pub state: Option<State>,
}

#[derive(Debug)]
pub struct Page {
    pub tasks: Vec<Task>,
    /// Where the next page starts; absent on the last one.
    pub next: Option<i64>,
}

#[derive(Debug, thiserror::Error)]
pub enum FindError {
    #[error("there is no such task here")]
    Absent,
    #[error("several tasks have this id; name the other agent in `with`")]
    Ambiguous,
    #[error("failed to look for the task")]
    Store(#[source] StoreError),
}

/// What became of a message from another agent.
#[derive(Debug, PartialEq, Eq)]
pub enum Received {
    /// It is about a task, and has changed it.
    Changed(Box<Task>),
    /// It is about a task, and says nothing new.
    Known,
    /// It is about no task that is here, or there is no room: an ordinary message.
    NotATask,
}

/// Cheap to clone.
#[derive(Debug, Clone)]
pub struct Tasks {
    store: Store,
}

impl Tasks {
    #[must_use]
    pub const fn new(store: Store) -> Self {
        Self { store }
    }

    /// Writes down a task that this agent is about to give. `None`: there is no room.
    ///
    /// # Errors
    /// The file cannot be written.
    pub async fn give(
        &self,
        to: &Did,
        id: MessageId,
        submit: &Submit,
        now: UnixSeconds,
    ) -> Result<Option<Task>, StoreError> {
        self.create(Role::Giver, to, id, submit, now).await
    }

    /// Takes in what another agent said.
    ///
    /// # Errors
    /// The file cannot be written.
    pub async fn receive(
        &self,
        from: &Did,
        message: MessageId,
        body: &TaskMessage,
        now: UnixSeconds,
    ) -> Result<Received, StoreError> {
        let (role, id) = match body {
            TaskMessage::Submit(submit) => return self.take(from, message, submit, now).await,
            TaskMessage::Status(Status { task, .. }) => (Role::Giver, *task),
            TaskMessage::Input(Input { task, .. }) => (Role::Worker, *task),
            TaskMessage::Cancel(cancel) => (Role::Worker, cancel.task),
        };
        let Some(task) = self.of(role, from, id).await? else { return Ok(Received::NotATask) };
        match rules::receive(&task, body) {
            Some(step) => self.apply(&task, &step, false, message, now).await,
            None => Ok(Received::Known),
        }
    }

    /// Takes in an answer to a task by an agent that knows requests and answers, and no tasks.
    ///
    /// # Errors
    /// The file cannot be written.
    pub async fn receive_answer(
        &self,
        from: &Did,
        message: MessageId,
        re: MessageId,
        (failed, content): (bool, Value),
        now: UnixSeconds,
    ) -> Result<Received, StoreError> {
        let Some(task) = self.of(Role::Giver, from, re).await? else { return Ok(Received::NotATask) };
        match rules::receive_answer(&task, failed, content) {
            Some(step) => self.apply(&task, &step, false, message, now).await,
            // The task has ended: what comes now is mail.
            None => Ok(Received::NotATask),
        }
    }

    /// Writes down what this agent says, before it is sent. `None`: there is no room.
    ///
    /// # Errors
    /// The file cannot be written.
    pub async fn say(
        &self,
        task: &Task,
        step: &Step,
        message: MessageId,
        now: UnixSeconds,
    ) -> Result<Option<Task>, StoreError> {
        Ok(match self.apply(task, step, true, message, now).await? {
            Received::Changed(task) => Some(*task),
            Received::Known => Some(task.clone()),
            Received::NotATask => None,
        })
    }

    /// It was not sent after all: the task is again as it was `before`.
    ///
    /// # Errors
    /// The file cannot be written.
    pub async fn take_back(&self, before: &Task, message: MessageId) -> Result<(), StoreError> {
        let mut transaction = self.store.pool().begin().await.map_err(StoreError::Write)?;
        query::remove_entry(&mut transaction, before.number, message).await?;
        query::update(&mut transaction, before).await?;
        transaction.commit().await.map_err(StoreError::Write)
    }

    /// A task that was written down and not given.
    ///
    /// # Errors
    /// The file cannot be written.
    pub async fn withdraw(&self, task: &Task) -> Result<(), StoreError> {
        query::remove(self.store.pool(), task.number).await
    }

    /// # Errors
    /// No task has the id, or tasks with several agents have it.
    pub async fn find(&self, id: MessageId, peer: Option<&Did>) -> Result<Task, FindError> {
        let mut found = query::find(self.store.pool(), id, peer).await.map_err(FindError::Store)?;
        match (found.pop(), found.pop()) {
            (Some(row), None) => row.into_task().map_err(FindError::Store),
            (Some(_), Some(_)) => Err(FindError::Ambiguous),
            (None, _) => Err(FindError::Absent),
        }
    }

    /// Tasks that were created before the one at `cursor`, newest first, at most `limit`.
    ///
    /// # Errors
    /// The file cannot be read.
    pub async fn list(&self, filter: &Filter, cursor: Option<i64>, limit: usize) -> Result<Page, StoreError> {
        let mut rows = query::page(self.store.pool(), filter, cursor, limit.saturating_add(1)).await?;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let tasks = rows.into_iter().map(row::TaskRow::into_task).collect::<Result<Vec<_>, _>>()?;
        let next = tasks.last().filter(|_| more).map(|task| task.number);
        Ok(Page { tasks, next })
    }

    /// The last `limit` messages of a task, oldest first.
    ///
    /// # Errors
    /// The file cannot be read.
    pub async fn entries(&self, task: &Task, limit: usize) -> Result<Vec<Entry>, StoreError> {
        let rows = query::last_entries(self.store.pool(), task.number, limit).await?;
        rows.into_iter().rev().map(row::EntryRow::into_entry).collect()
    }

    /// # Errors
    /// The file cannot be read.
    pub async fn entry(&self, task: &Task, number: i64) -> Result<Option<Entry>, StoreError> {
        let row = query::entry(self.store.pool(), task.number, number).await?;
        row.map(row::EntryRow::into_entry).transpose()
    }

    /// How many tasks are open.
    ///
    /// # Errors
    /// The file cannot be read.
    pub async fn open_count(&self) -> Result<u64, StoreError> {
        query::open_count(self.store.pool()).await
    }

    async fn take(
        &self,
        from: &Did,
        id: MessageId,
        submit: &Submit,
        now: UnixSeconds,
    ) -> Result<Received, StoreError> {
        if self.of(Role::Worker, from, id).await?.is_some() {
            return Ok(Received::Known);
        }
        let taken = self.create(Role::Worker, from, id, submit, now).await?;
        Ok(taken.map_or(Received::NotATask, |task| Received::Changed(Box::new(task))))
    }

    async fn create(
        &self,
        role: Role,
        peer: &Did,
        id: MessageId,
        submit: &Submit,
        now: UnixSeconds,
    ) -> Result<Option<Task>, StoreError> {
        let said = Said { kind: Kind::Submit, state: None, note: None, body: Some(submit.input.clone()) };
        let mut transaction = self.store.pool().begin().await.map_err(StoreError::Write)?;
        if !query::make_room(&mut transaction).await? {
            return Ok(None);
        }
        let number = query::insert(&mut transaction, role, peer, id, submit.title.as_deref(), now).await?;
        query::add_entry(&mut transaction, number, role == Role::Giver, id, &said, now).await?;
        let task = query::by_number(&mut transaction, number).await?.into_task()?;
        transaction.commit().await.map_err(StoreError::Write)?;
        Ok(Some(task))
    }

    async fn apply(
        &self,
        task: &Task,
        step: &Step,
        mine: bool,
        message: MessageId,
        now: UnixSeconds,
    ) -> Result<Received, StoreError> {
        let mut transaction = self.store.pool().begin().await.map_err(StoreError::Write)?;
        if !query::make_room(&mut transaction).await? {
            return Ok(Received::NotATask);
        }
        if !query::add_entry(&mut transaction, task.number, mine, message, &step.said, now).await? {
            return Ok(Received::Known);
        }
        let changed = Task { updated: now, ..step.apply_to(task) };
        query::update(&mut transaction, &changed).await?;
        let task = query::by_number(&mut transaction, task.number).await?.into_task()?;
        transaction.commit().await.map_err(StoreError::Write)?;
        Ok(Received::Changed(Box::new(task)))
    }

    async fn of(&self, role: Role, peer: &Did, id: MessageId) -> Result<Option<Task>, StoreError> {
        let row = query::of(self.store.pool(), role, peer, id).await?;
        row.map(row::TaskRow::into_task).transpose()
    }
}

#[cfg(test)]
mod tests;
