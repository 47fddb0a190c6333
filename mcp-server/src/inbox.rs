//! The inbox: received messages, unread and read, as rows of the database.
//! [`crate::message_store`] decides when a message is acknowledged to the relay.

use protocol::Did;
use protocol::envelope::MessageId;
use protocol::limits::WINDOW_MESSAGES;

use crate::database::{Database, DatabaseError};

mod listing;
mod message;
mod query;
mod row;

pub use listing::{InboxLimits, InboxTotals, ListOrder, MessageFilter, MessagePage};
pub use message::{
    FindMessageError, InsertOutcome, ListedMessage, MessageHeader, ReceivedMessage, StoredMessage,
};

use row::MessageRow;

/// On disk: more messages than a person or a model works through in a week, and a quarter of the
/// smallest usual volume.
pub const DURABLE_LIMITS: InboxLimits =
    InboxLimits { unread: 50_000, unread_bytes: 256 << 20, read: 10_000, read_bytes: 64 << 20 };

/// In memory: as many unread messages as the relay sends without an acknowledgement.
pub const IN_MEMORY_LIMITS: InboxLimits =
    InboxLimits { unread: WINDOW_MESSAGES, unread_bytes: 16 << 20, read: 256, read_bytes: 4 << 20 };

/// Cheap to clone.
#[derive(Debug, Clone)]
pub struct Inbox {
    database: Database,
    limits: InboxLimits,
}

impl Inbox {
    #[must_use]
    pub fn new(database: Database) -> Self {
        let limits = if database.is_durable() { DURABLE_LIMITS } else { IN_MEMORY_LIMITS };
        Self { database, limits }
    }

    #[must_use]
    pub const fn is_durable(&self) -> bool {
        self.database.is_durable()
    }

    /// Whether the limits allow one more unread message. Otherwise further messages wait at the
    /// relay.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn has_capacity(&self) -> Result<bool, DatabaseError> {
        let InboxTotals { unread, unread_bytes, .. } = self.totals().await?;
        Ok(unread < self.limits.unread && unread_bytes < self.limits.unread_bytes)
    }

    /// Stores a message as unread and deletes the oldest read ones beyond the limits.
    ///
    /// # Errors
    /// The database cannot be written.
    pub async fn insert(&self, message: &ReceivedMessage) -> Result<InsertOutcome, DatabaseError> {
        let row = MessageRow::from_message(message);
        let mut transaction = self.database.pool().begin().await.map_err(DatabaseError::Write)?;
        let outcome = match query::insert(&mut transaction, &row).await? {
            Some(arrival) => InsertOutcome::Inserted(arrival),
            None => query::existing(&mut transaction, &row.sender, &row.id).await?,
        };
        query::delete_oldest_read(&mut transaction, self.limits).await?;
        transaction.commit().await.map_err(DatabaseError::Write)?;
        Ok(outcome)
    }

    /// At most `limit` messages after `cursor` in the given order.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn list(
        &self,
        filter: &MessageFilter,
        order: ListOrder,
        cursor: Option<i64>,
        limit: usize,
    ) -> Result<MessagePage, DatabaseError> {
        let pool = self.database.pool();
        let mut rows = query::page(pool, filter, order, cursor, limit.saturating_add(1)).await?;
        let has_more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| has_more).map(|row| row.arrival);
        let items = rows.into_iter().map(row::ListedRow::into_listed_message).collect::<Result<_, _>>()?;
        Ok(MessagePage { items, next })
    }

    /// # Errors
    /// No message has the id, or messages of several senders have it.
    pub async fn find(&self, id: MessageId, from: Option<&Did>) -> Result<StoredMessage, FindMessageError> {
        let found = query::find(self.database.pool(), id, from).await;
        let mut found = found.map_err(FindMessageError::Database)?;
        match (found.pop(), found.pop()) {
            (Some(row), None) => row.into_stored_message().map_err(FindMessageError::Database),
            (Some(_), Some(_)) => Err(FindMessageError::Ambiguous),
            (None, _) => Err(FindMessageError::Absent),
        }
    }

    /// Idempotent.
    ///
    /// # Errors
    /// The database cannot be written.
    pub async fn mark_read(&self, arrival: i64) -> Result<(), DatabaseError> {
        let mut transaction = self.database.pool().begin().await.map_err(DatabaseError::Write)?;
        query::mark_read(&mut transaction, arrival).await?;
        query::delete_oldest_read(&mut transaction, self.limits).await?;
        transaction.commit().await.map_err(DatabaseError::Write)
    }

    /// Idempotent.
    ///
    /// # Errors
    /// The database cannot be written.
    pub async fn delete(&self, arrival: i64) -> Result<(), DatabaseError> {
        query::delete(self.database.pool(), arrival).await
    }

    /// # Errors
    /// The database cannot be read.
    pub async fn totals(&self) -> Result<InboxTotals, DatabaseError> {
        query::totals(self.database.pool()).await
    }

    /// How many messages match the filter, and how many of them are unread.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn count(&self, filter: &MessageFilter) -> Result<(u64, u64), DatabaseError> {
        query::count(self.database.pool(), filter).await
    }
}

#[cfg(test)]
mod tests;
