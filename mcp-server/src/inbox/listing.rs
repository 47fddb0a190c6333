//! Filters, order, pages and totals of the inbox, and its limits.

use protocol::Did;

use super::message::ListedMessage;

/// Which messages a listing includes. The default includes all of them.
#[derive(Debug, Clone, Default)]
pub struct MessageFilter {
    pub from: Option<Did>,
    pub thread: Option<String>,
    /// Only unread ones.
    pub unread: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ListOrder {
    #[default]
    NewestFirst,
    OldestFirst,
}

#[derive(Debug)]
pub struct MessagePage {
    pub items: Vec<ListedMessage>,
    /// Cursor of the next page; absent on the last one.
    pub next: Option<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct InboxTotals {
    pub unread: u64,
    pub unread_bytes: u64,
    pub read: u64,
    pub read_bytes: u64,
}

/// Upper bounds of the inbox. Unread messages are never deleted: when they reach their limit,
/// further messages wait at the relay. Beyond the limit of read messages, the oldest are deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InboxLimits {
    pub unread: u64,
    pub unread_bytes: u64,
    pub read: u64,
    pub read_bytes: u64,
}
