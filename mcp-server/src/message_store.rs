//! Everything this agent stores: its inbox and its tasks. With a state folder, a message is
//! acknowledged to the relay once it is on disk; without one, once it has been read to its end. So
//! a restart loses no message: without a folder, at most one window of unread messages is here, and
//! the relay delivers it again.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use protocol::Did;
use protocol::envelope::{MessageId, MessageType};
use protocol::task::TaskMessage;
use tokio::sync::Notify;

use crate::change_feed::{Change, ChangeFeed};
use crate::clock;
use crate::database::{Database, DatabaseError};
use crate::inbox::{FindMessageError, Inbox, InboxTotals, InsertOutcome, ReceivedMessage, StoredMessage};
use crate::network::Acknowledge;
use crate::tasks::{TaskReceiveOutcome, Tasks};

type Acknowledgement = Box<dyn Acknowledge>;

/// How often a failed database operation on an arriving message is repeated. Until it succeeds, no
/// further message is taken from the relay.
const RETRY_INTERVAL: Duration = Duration::from_secs(5);

pub struct MessageStore {
    pub inbox: Inbox,
    pub tasks: Tasks,
    pub changes: ChangeFeed,
    database: Database,
    /// Pending acknowledgements of the unread messages of an inbox in memory, by arrival.
    pending: Mutex<HashMap<i64, Acknowledgement>>,
    capacity_freed: Notify,
}

impl MessageStore {
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self {
            inbox: Inbox::new(database.clone()),
            tasks: Tasks::new(database.clone()),
            changes: ChangeFeed::default(),
            database,
            pending: Mutex::default(),
            capacity_freed: Notify::new(),
        }
    }

    /// Returns when the inbox has capacity for one more unread message.
    pub async fn wait_for_capacity(&self) {
        loop {
            let freed = self.capacity_freed.notified();
            match self.inbox.has_capacity().await {
                Ok(true) => return,
                Ok(false) => freed.await,
                Err(error) => log_and_pause(&error).await,
            }
        }
    }

    /// Stores a message, and acknowledges it as soon as the rule of this module allows. Repeats
    /// until the database accepts it.
    pub async fn receive(&self, message: ReceivedMessage, acknowledgement: Acknowledgement) {
        while let Err(error) = self.insert(&message).await {
            log_and_pause(&error).await;
        }
        self.acknowledge_or_defer(&message, acknowledgement).await;
    }

    async fn insert(&self, message: &ReceivedMessage) -> Result<(), DatabaseError> {
        let (id, from) = (message.head.id, message.head.from.clone());
        match self.offer_to_tasks(message).await? {
            TaskReceiveOutcome::Changed(task) if task.id == id => {
                self.changes.publish(Change::TaskAdded { id });
            }
            TaskReceiveOutcome::Changed(task) => self.changes.publish(Change::TaskChanged { id: task.id }),
            TaskReceiveOutcome::Duplicate => {}
            TaskReceiveOutcome::NotATask => {
                if let InsertOutcome::Inserted(_) = self.inbox.insert(message).await? {
                    self.changes.publish(Change::MessageArrived { id, from });
                }
            }
        }
        Ok(())
    }

    async fn offer_to_tasks(&self, message: &ReceivedMessage) -> Result<TaskReceiveOutcome, DatabaseError> {
        let head = &message.head;
        match (TaskMessage::from_content(&message.content), head.kind, head.re) {
            (Some(Ok(body)), ..) => self.tasks.receive(&head.from, head.id, &body, clock::now()).await,
            // A malformed task message goes to the inbox unchanged.
            (Some(Err(_)), ..) => Ok(TaskReceiveOutcome::NotATask),
            (None, MessageType::Response | MessageType::Error, Some(re)) => {
                let answer = (head.kind == MessageType::Error, message.content.content.clone());
                self.tasks.receive_answer(&head.from, head.id, re, answer, clock::now()).await
            }
            (None, ..) => Ok(TaskReceiveOutcome::NotATask),
        }
    }

    /// Ends the task that this message submitted, because nobody will process it. Another message
    /// changes nothing.
    ///
    /// # Errors
    /// The database cannot be written.
    pub async fn fail_task(&self, to: &Did, id: MessageId, why: &str) -> Result<(), DatabaseError> {
        let answer = (true, serde_json::Value::from(why));
        let failed = self.tasks.receive_answer(to, clock::new_message_id(), id, answer, clock::now()).await?;
        if let TaskReceiveOutcome::Changed(task) = failed {
            self.changes.publish(Change::TaskChanged { id: task.id });
        }
        Ok(())
    }

    async fn acknowledge_or_defer(&self, message: &ReceivedMessage, acknowledgement: Acknowledgement) {
        if !self.inbox.is_durable() {
            let stored = self.inbox.find(message.head.id, Some(&message.head.from)).await;
            if let Ok(stored) = stored
                && stored.unread
            {
                self.pending().insert(stored.arrival, acknowledgement);
                return;
            }
        }
        acknowledge(acknowledgement).await;
    }

    /// Marks a message as read. Idempotent.
    ///
    /// # Errors
    /// The database cannot be written.
    pub async fn mark_read(&self, message: &StoredMessage) -> Result<(), DatabaseError> {
        if message.unread {
            self.inbox.mark_read(message.arrival).await?;
            self.finish_unread(message).await;
        }
        Ok(())
    }

    /// Deletes a message; `false` when there was none.
    ///
    /// # Errors
    /// Messages of several senders have the id, or the database cannot be used.
    pub async fn delete(&self, id: MessageId, from: Option<&Did>) -> Result<bool, FindMessageError> {
        let message = match self.inbox.find(id, from).await {
            Ok(message) => message,
            Err(FindMessageError::Absent) => return Ok(false),
            Err(error) => return Err(error),
        };
        self.inbox.delete(message.arrival).await.map_err(FindMessageError::Database)?;
        self.finish_unread(&message).await;
        Ok(true)
    }

    /// Counts for the metrics; zero when the database cannot be read.
    pub async fn totals(&self) -> InboxTotals {
        self.inbox.totals().await.unwrap_or_else(|error| {
            tracing::error!(error = daemon::error_chain(&error), "failed to count the inbox");
            InboxTotals::default()
        })
    }

    /// Closes the database after the statements that are running.
    pub async fn close(&self) {
        self.database.close().await;
    }

    /// Sends a deferred acknowledgement, and publishes that the message was read or deleted.
    async fn finish_unread(&self, message: &StoredMessage) {
        let pending = self.pending().remove(&message.arrival);
        if let Some(acknowledgement) = pending {
            acknowledge(acknowledgement).await;
        }
        self.capacity_freed.notify_one();
        self.changes.publish(Change::MessageReadOrDeleted { id: message.message.head.id });
    }

    // A panic under the lock leaves a consistent map behind: every change is one insert or remove.
    fn pending(&self) -> MutexGuard<'_, HashMap<i64, Acknowledgement>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// After a failure the SDK repeats it while it runs, or the relay delivers the message again to the
/// next process, which acknowledges it then.
async fn acknowledge(acknowledgement: Acknowledgement) {
    if let Err(error) = acknowledgement.acknowledge().await {
        tracing::info!(reason = error.reason(), "failed to acknowledge a message");
    }
}

async fn log_and_pause(error: &DatabaseError) {
    tracing::error!(error = daemon::error_chain(error), "a message cannot be stored and waits; retrying");
    tokio::time::sleep(RETRY_INTERVAL).await;
}

#[cfg(test)]
mod tests;
