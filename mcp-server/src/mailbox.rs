//! Inbox and tasks as the tools share them. Rule: the relay is told that a message arrived when it is on disk; without a state
//! folder, when it has been read to its end. So a restart loses nothing; the price of having no folder is at most one window
//! of unread messages here, the rest waits at the relay.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use protocol::Did;
use protocol::envelope::{MessageId, MessageType};
use protocol::task::TaskMessage;
use tokio::sync::Notify;

use crate::changes::{Change, Changes};
use crate::clock;
use crate::inbox::{self, FindError, Inbox, Put, Received};
use crate::network::Acknowledge;
use crate::store::{Store, StoreError};
use crate::tasks::{self, Tasks};
use crate::view::Reading;

type Token = Box<dyn Acknowledge>;

/// Pause before a message that could not be written is tried again; nothing else is taken from the relay meanwhile.
const RETRY_PAUSE: Duration = Duration::from_secs(5);

pub struct Mailbox {
    pub inbox: Inbox,
    pub tasks: Tasks,
    pub changes: Changes,
    store: Store,
    /// What acknowledges the unread messages of an inbox in memory, by arrival.
    tokens: Mutex<HashMap<i64, Token>>,
    room: Notify,
}

impl Mailbox {
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self {
            inbox: Inbox::new(store.clone()),
            tasks: Tasks::new(store.clone()),
            changes: Changes::default(),
            store,
            tokens: Mutex::default(),
            room: Notify::new(),
        }
    }

    /// Returns when one more unread message may be put in.
    pub async fn has_room(&self) {
        loop {
            let room = self.room.notified();
            match self.inbox.has_room().await {
                Ok(true) => return,
                Ok(false) => room.await,
                Err(error) => pause_after(&error).await,
            }
        }
    }

    /// Takes in a message. Returns when it is kept; while the file cannot be written, that is not.
    pub async fn take(&self, message: Received, token: Token) {
        while let Err(error) = self.keep(&message).await {
            pause_after(&error).await;
        }
        self.acknowledge_or_hold(&message, token).await;
    }

    async fn keep(&self, message: &Received) -> Result<(), StoreError> {
        let (id, from) = (message.head.id, message.head.from.clone());
        match self.offer_to_tasks(message).await? {
            tasks::Received::Changed(task) if task.id == id => self.changes.tell(Change::TaskAdded { id }),
            tasks::Received::Changed(task) => self.changes.tell(Change::TaskChanged { id: task.id }),
            tasks::Received::Known => {}
            tasks::Received::NotATask => {
                if let Put::New(_) = self.inbox.put(message).await? {
                    self.changes.tell(Change::Arrived { id, from });
                }
            }
        }
        Ok(())
    }

    async fn offer_to_tasks(&self, message: &Received) -> Result<tasks::Received, StoreError> {
        let head = &message.head;
        match (TaskMessage::from_content(&message.content), head.kind, head.re) {
            (Some(Ok(body)), ..) => self.tasks.receive(&head.from, head.id, &body, clock::now()).await,
            // It is shown as it came.
            (Some(Err(_)), ..) => Ok(tasks::Received::NotATask),
            (None, MessageType::Response | MessageType::Error, Some(re)) => {
                let answer = (head.kind == MessageType::Error, message.content.content.clone());
                self.tasks.receive_answer(&head.from, head.id, re, answer, clock::now()).await
            }
            (None, ..) => Ok(tasks::Received::NotATask),
        }
    }

    async fn acknowledge_or_hold(&self, message: &Received, token: Token) {
        if !self.inbox.is_durable() {
            let held = self.inbox.find(message.head.id, Some(&message.head.from)).await;
            if let Ok(entry) = held
                && entry.unread
            {
                self.tokens().insert(entry.arrival, token);
                return;
            }
        }
        acknowledge(token).await;
    }

    /// One part of a message; the part that reaches the end marks it as read.
    ///
    /// # Errors
    /// No message has the id, messages of several senders have it, or the file cannot be used.
    pub async fn read(&self, id: MessageId, from: Option<&Did>, offset: usize) -> Result<Reading, FindError> {
        let entry = self.inbox.find(id, from).await?;
        let reading = Reading::of(&entry.message, offset);
        if entry.unread && !reading.truncated {
            self.inbox.mark_read(entry.arrival).await.map_err(FindError::Store)?;
            self.settle(entry.arrival, id).await;
        }
        Ok(reading)
    }

    /// Whether there was such a message.
    ///
    /// # Errors
    /// Messages of several senders have the id, or the file cannot be used.
    pub async fn delete(&self, id: MessageId, from: Option<&Did>) -> Result<bool, FindError> {
        let entry = match self.inbox.find(id, from).await {
            Ok(entry) => entry,
            Err(FindError::Absent) => return Ok(false),
            Err(error) => return Err(error),
        };
        self.inbox.delete(entry.arrival).await.map_err(FindError::Store)?;
        self.settle(entry.arrival, id).await;
        Ok(true)
    }

    /// Counts for metrics; as they were when the file cannot be read.
    pub async fn totals(&self) -> inbox::Totals {
        self.inbox.totals().await.unwrap_or_else(|error| {
            tracing::error!(%error, "failed to count the inbox");
            inbox::Totals::default()
        })
    }

    /// Closes the file in order.
    pub async fn close(&self) {
        self.store.close().await;
    }

    /// A message is unread no more.
    async fn settle(&self, arrival: i64, id: MessageId) {
        let token = self.tokens().remove(&arrival);
        if let Some(token) = token {
            acknowledge(token).await;
        }
        self.room.notify_one();
        self.changes.tell(Change::Gone { id });
    }

    // A panic under the lock leaves a consistent map behind: every change is one insert or remove.
    fn tokens(&self) -> MutexGuard<'_, HashMap<i64, Token>> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An acknowledgement that fails is made good by the next delivery of the same message.
async fn acknowledge(token: Token) {
    if let Err(refusal) = token.acknowledge().await {
        tracing::info!(reason = refusal.reason(), "failed to acknowledge a message");
    }
}

async fn pause_after(error: &StoreError) {
    let source = std::error::Error::source(error).map(ToString::to_string);
    tracing::error!(%error, source, "messages wait at the relay");
    tokio::time::sleep(RETRY_PAUSE).await;
}

#[cfg(test)]
mod tests;
