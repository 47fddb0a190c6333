//! What has arrived: unread messages, which the relay still keeps because they are not acknowledged, and the last ones
//! read. Pure; [`crate::mailbox`] fills it. `T` is what acknowledges a message.

use std::collections::BTreeMap;

use protocol::envelope::{Content, MessageId, MessageType};
use protocol::identity::Kid;
use protocol::limits::WINDOW_MESSAGES;
use protocol::{Did, UnixSeconds};

/// Unread messages held: as many as the relay sends without an acknowledgement.
pub const UNREAD_MAX: u64 = WINDOW_MESSAGES;
/// Read messages kept for a second look; older ones are forgotten.
pub const READ_MAX: usize = 256;
/// Bytes of content held, read and unread. An unread byte costs about three more, for what proves and acknowledges it.
pub const BYTES_MAX: usize = 16 << 20;

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

#[derive(Debug)]
pub struct Inbox<T> {
    /// By arrival, counting up from 1: the order of listings and their cursor.
    entries: BTreeMap<u64, Entry<T>>,
    arrivals: u64,
    bytes: usize,
}

#[derive(Debug)]
struct Entry<T> {
    message: Received,
    bytes: usize,
    /// Present until read.
    token: Option<T>,
}

/// What became of a message that was put in.
#[derive(Debug, PartialEq, Eq)]
pub enum Put<T> {
    Kept,
    /// It has been read before; the caller acknowledges it once more.
    ReadBefore(T),
}

/// Which messages a listing is about. The default is all of them.
#[derive(Debug, Default)]
pub struct Filter {
    pub from: Option<Did>,
    pub thread: Option<String>,
    pub unread: bool,
}

/// One page, newest first.
#[derive(Debug)]
pub struct Page<'a> {
    pub items: Vec<Item<'a>>,
    /// Where the next page starts; absent on the last one.
    pub next: Option<u64>,
}

#[derive(Debug)]
pub struct Item<'a> {
    pub message: &'a Received,
    pub unread: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FindError {
    #[error("the inbox holds no such message")]
    Absent,
    #[error("several senders used this id; name one in `from`")]
    Ambiguous,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Totals {
    pub unread: u64,
    pub read: u64,
    pub bytes: usize,
}

impl<T> Default for Inbox<T> {
    fn default() -> Self {
        Self { entries: BTreeMap::new(), arrivals: 0, bytes: 0 }
    }
}

impl<T> Inbox<T> {
    /// Whether one more unread message may come. When not, the rest waits at the relay.
    #[must_use]
    pub fn has_room(&self) -> bool {
        let unread = self.entries.values().filter(|entry| entry.token.is_some());
        let (count, bytes) = unread.fold((0, 0), |(count, bytes), entry| (count + 1, bytes + entry.bytes));
        count < UNREAD_MAX && bytes < BYTES_MAX
    }

    /// Keeps a message as unread. One that is here already, delivered again after a reconnect, only gets the new token.
    pub fn put(&mut self, message: Received, token: T) -> Put<T> {
        let known = self.entries.values_mut().find(|entry| same(&entry.message, &message));
        if let Some(entry) = known {
            return match &mut entry.token {
                Some(old) => {
                    *old = token;
                    Put::Kept
                }
                None => Put::ReadBefore(token),
            };
        }
        let bytes = size(&message.content);
        self.bytes += bytes;
        self.arrivals += 1;
        self.entries.insert(self.arrivals, Entry { message, bytes, token: Some(token) });
        self.forget_old();
        Put::Kept
    }

    /// Messages that arrived before `cursor`, newest first, at most `limit`.
    #[must_use]
    pub fn list(&self, filter: &Filter, cursor: Option<u64>, limit: usize) -> Page<'_> {
        let older = self.entries.range(..cursor.unwrap_or(u64::MAX)).rev();
        let mut matching = older.filter(|(_, entry)| filter.matches(entry));
        let page: Vec<_> = matching.by_ref().take(limit).collect();
        let next = matching.next().and_then(|_| page.last().map(|(arrival, _)| **arrival));
        let items = page.into_iter().map(|(_, entry)| entry.item()).collect();
        Page { items, next }
    }

    /// # Errors
    /// No message has the id, or messages of several senders have it.
    pub fn find(&self, id: MessageId, from: Option<&Did>) -> Result<Item<'_>, FindError> {
        self.locate(id, from).and_then(|at| self.entries.get(&at).ok_or(FindError::Absent)).map(Entry::item)
    }

    /// Marks a message as read and hands out what acknowledges it; nothing when it was read before.
    ///
    /// # Errors
    /// As [`Self::find`].
    pub fn mark_read(&mut self, id: MessageId, from: Option<&Did>) -> Result<Option<T>, FindError> {
        let at = self.locate(id, from)?;
        let token = self.entries.get_mut(&at).and_then(|entry| entry.token.take());
        self.forget_old();
        Ok(token)
    }

    #[must_use]
    pub fn totals(&self) -> Totals {
        let (mut unread, mut read) = (0, 0);
        for entry in self.entries.values() {
            if entry.token.is_some() { unread += 1 } else { read += 1 }
        }
        Totals { unread, read, bytes: self.bytes }
    }

    fn locate(&self, id: MessageId, from: Option<&Did>) -> Result<u64, FindError> {
        let fits = |entry: &Entry<T>| {
            let head = &entry.message.head;
            head.id == id && from.is_none_or(|from| *from == head.from)
        };
        let mut found = self.entries.iter().filter(|(_, entry)| fits(entry)).map(|(arrival, _)| *arrival);
        match (found.next(), found.next()) {
            (Some(arrival), None) => Ok(arrival),
            (Some(_), Some(_)) => Err(FindError::Ambiguous),
            (None, _) => Err(FindError::Absent),
        }
    }

    /// Unread messages are never forgotten: their bound is [`Self::has_room`].
    fn forget_old(&mut self) {
        let read: Vec<u64> =
            self.entries.iter().filter(|(_, e)| e.token.is_none()).map(|(at, _)| *at).collect();
        let surplus = read.len().saturating_sub(READ_MAX);
        for (index, at) in read.into_iter().enumerate() {
            if index >= surplus && self.bytes <= BYTES_MAX {
                return;
            }
            self.bytes -= self.entries.remove(&at).map_or(0, |entry| entry.bytes);
        }
    }
}

impl<T> Entry<T> {
    fn item(&self) -> Item<'_> {
        Item { message: &self.message, unread: self.token.is_some() }
    }
}

impl Filter {
    fn matches<T>(&self, entry: &Entry<T>) -> bool {
        let head = &entry.message.head;
        self.from.as_ref().is_none_or(|from| *from == head.from)
            && self.thread.as_ref().is_none_or(|thread| Some(thread) == head.thread.as_ref())
            && (!self.unread || entry.token.is_some())
    }
}

/// An id belongs to its sender: another one may use the same.
fn same(a: &Received, b: &Received) -> bool {
    a.head.id == b.head.id && a.head.from == b.head.from
}

/// Bytes of the content as JSON, near enough to what it takes in memory.
fn size(content: &Content) -> usize {
    serde_json::to_vec(&content.content).map_or(0, |json| json.len())
}

#[cfg(test)]
mod tests;
