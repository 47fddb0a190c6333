//! What has arrived: messages, unread and read, as rows of the [`Store`]. [`crate::mailbox`] decides when the relay is told.

use protocol::envelope::{Content, MessageId, MessageType};
use protocol::identity::Kid;
use protocol::limits::WINDOW_MESSAGES;
use protocol::{Did, UnixSeconds};

use crate::store::{Store, StoreError};

mod query;
mod row;

use row::Row;

/// What is kept here. Unread messages are never forgotten: when there is no room, the rest waits at the relay. Read ones
/// make room for new ones, the oldest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    pub unread: u64,
    pub unread_bytes: u64,
    pub read: u64,
    pub read_bytes: u64,
}

impl Limits {
    /// On disk: more mail than a person or model works through in a week, and a quarter of the smallest usual volume.
    pub const DURABLE: Self =
        Self { unread: 50_000, unread_bytes: 256 << 20, read: 10_000, read_bytes: 64 << 20 };
    /// In memory: as many as the relay sends without an acknowledgement.
    pub const IN_MEMORY: Self =
        Self { unread: WINDOW_MESSAGES, unread_bytes: 16 << 20, read: 256, read_bytes: 4 << 20 };
}

/// A message that was decrypted and whose sender was verified.
#[derive(Debug, Clone, PartialEq)]
pub struct Received {
    pub head: Head,
    pub content: Content,
}

/// What its signed header says about a message.
#[derive(Debug, Clone, PartialEq)]
pub struct Head {
    pub id: MessageId,
    pub from: Did,
    /// The sender's signing key that was used.
    pub key_id: Kid,
    pub kind: MessageType,
    pub thread: Option<String>,
    pub re: Option<MessageId>,
    /// By the sender's clock.
    pub time: UnixSeconds,
}

/// Which messages a listing is about. The default is all of them.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub from: Option<Did>,
    pub thread: Option<String>,
    pub unread: bool,
}

/// In which order a listing goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    #[default]
    NewestFirst,
    OldestFirst,
}

#[derive(Debug)]
pub struct Page {
    pub items: Vec<Item>,
    /// Where the next page starts; absent on the last one.
    pub next: Option<i64>,
}

/// A message of a listing, with the beginning of its content.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    pub head: Head,
    pub unread: bool,
    /// Bytes of the whole content as text.
    pub bytes: u64,
    pub preview: String,
}

/// A whole message.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    pub arrival: i64,
    pub message: Received,
    pub unread: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum FindError {
    #[error("the inbox holds no such message")]
    Absent,
    #[error("several senders used this id; name one in `from`")]
    Ambiguous,
    #[error("failed to look into the inbox")]
    Store(#[source] StoreError),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    pub unread: u64,
    pub unread_bytes: u64,
    pub read: u64,
    pub read_bytes: u64,
}

/// What became of a message that was put in.
#[derive(Debug, PartialEq, Eq)]
pub enum Put {
    New(i64),
    /// It is here already, unread.
    Unread(i64),
    /// It is here already, and was read.
    Read,
}

/// Cheap to clone.
#[derive(Debug, Clone)]
pub struct Inbox {
    store: Store,
    limits: Limits,
}

impl Inbox {
    #[must_use]
    pub fn new(store: Store) -> Self {
        let limits = if store.is_durable() { Limits::DURABLE } else { Limits::IN_MEMORY };
        Self { store, limits }
    }

    #[must_use]
    pub const fn is_durable(&self) -> bool {
        self.store.is_durable()
    }

    /// Whether one more unread message may come. When not, the rest waits at the relay.
    ///
    /// # Errors
    /// The file cannot be read.
    pub async fn has_room(&self) -> Result<bool, StoreError> {
        let Totals { unread, unread_bytes, .. } = self.totals().await?;
        Ok(unread < self.limits.unread && unread_bytes < self.limits.unread_bytes)
    }

    /// Keeps a message as unread; on disk, when the store is a file.
    ///
    /// # Errors
    /// The file cannot be written.
    pub async fn put(&self, message: &Received) -> Result<Put, StoreError> {
        let row = Row::of(message);
        let mut transaction = self.store.pool().begin().await.map_err(StoreError::Write)?;
        let put = match query::insert(&mut transaction, &row).await? {
            Some(arrival) => Put::New(arrival),
            None => query::standing(&mut transaction, &row.sender, &row.id).await?,
        };
        query::forget_old(&mut transaction, self.limits).await?;
        transaction.commit().await.map_err(StoreError::Write)?;
        Ok(put)
    }

    /// Messages beyond `cursor` in the given order, at most `limit`.
    ///
    /// # Errors
    /// The file cannot be read.
    pub async fn list(
        &self,
        filter: &Filter,
        order: Order,
        cursor: Option<i64>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        let mut rows = query::page(self.store.pool(), filter, order, cursor, limit.saturating_add(1)).await?;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| more).map(|row| row.arrival);
        let items = rows.into_iter().map(row::Listed::into_item).collect::<Result<_, _>>()?;
        Ok(Page { items, next })
    }

    /// # Errors
    /// No message has the id, or messages of several senders have it.
    pub async fn find(&self, id: MessageId, from: Option<&Did>) -> Result<Entry, FindError> {
        let mut found = query::find(self.store.pool(), id, from).await.map_err(FindError::Store)?;
        match (found.pop(), found.pop()) {
            (Some(row), None) => row.into_entry().map_err(FindError::Store),
            (Some(_), Some(_)) => Err(FindError::Ambiguous),
            (None, _) => Err(FindError::Absent),
        }
    }

    /// Doing so twice is harmless.
    ///
    /// # Errors
    /// The file cannot be written.
    pub async fn mark_read(&self, arrival: i64) -> Result<(), StoreError> {
        let mut transaction = self.store.pool().begin().await.map_err(StoreError::Write)?;
        query::mark_read(&mut transaction, arrival).await?;
        query::forget_old(&mut transaction, self.limits).await?;
        transaction.commit().await.map_err(StoreError::Write)
    }

    /// # Errors
    /// The file cannot be written.
    pub async fn delete(&self, arrival: i64) -> Result<(), StoreError> {
        query::delete(self.store.pool(), arrival).await
    }

    /// # Errors
    /// The file cannot be read.
    pub async fn totals(&self) -> Result<Totals, StoreError> {
        query::totals(self.store.pool()).await
    }

    /// How many messages fit the filter, and how many of them are unread.
    ///
    /// # Errors
    /// The file cannot be read.
    pub async fn count(&self, filter: &Filter) -> Result<(u64, u64), StoreError> {
        query::count(self.store.pool(), filter).await
    }
}

#[cfg(test)]
mod tests;
