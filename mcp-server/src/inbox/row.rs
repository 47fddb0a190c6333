//! A message as a row, and back. What cannot be read back was not written by this program.

use protocol::envelope::{Content, MessageType};
use serde_json::Value;
use sqlx::FromRow;

use super::{Entry, Head, Item, Received};
use crate::store::StoreError;
use crate::view::{PREVIEW_BYTES_MAX, part};

/// The columns that both shapes have.
#[derive(Debug, FromRow)]
pub(super) struct Row {
    pub(super) arrival: i64,
    pub(super) sender: String,
    pub(super) id: String,
    pub(super) key_id: String,
    pub(super) kind: String,
    pub(super) thread: Option<String>,
    pub(super) re: Option<String>,
    pub(super) sent_at: i64,
    pub(super) unread: bool,
    pub(super) method: Option<String>,
    pub(super) content_type: String,
    pub(super) is_text: bool,
    pub(super) body: String,
}

/// A row of a listing: `preview` is cut by the database, in characters.
#[derive(Debug, FromRow)]
pub(super) struct Listed {
    pub(super) arrival: i64,
    sender: String,
    id: String,
    key_id: String,
    kind: String,
    thread: Option<String>,
    re: Option<String>,
    sent_at: i64,
    unread: bool,
    bytes: i64,
    preview: String,
}

impl Row {
    pub(super) fn of(message: &Received) -> Self {
        let Received { head, content } = message;
        let text = content.as_text();
        Self {
            arrival: 0,
            sender: head.from.to_string(),
            id: head.id.to_string(),
            key_id: head.key_id.to_string(),
            kind: kind_word(head.kind).to_owned(),
            thread: head.thread.clone(),
            re: head.re.map(|id| id.to_string()),
            sent_at: head.time.cast_signed(),
            unread: true,
            method: content.method.clone(),
            content_type: content.content_type.clone(),
            is_text: text.is_some(),
            body: text.map_or_else(|| content.content.to_string(), str::to_owned),
        }
    }

    pub(super) fn into_entry(self) -> Result<Entry, StoreError> {
        let Self { method, content_type, body, .. } = &self;
        let content = if self.is_text {
            Value::String(body.clone())
        } else {
            serde_json::from_str(body).map_err(|_| StoreError::Row("content"))?
        };
        let content = Content { method: method.clone(), content_type: content_type.clone(), content };
        let (arrival, unread) = (self.arrival, self.unread);
        let head = head(self.sender, self.id, self.key_id, &self.kind, self.thread, self.re, self.sent_at)?;
        Ok(Entry { arrival, message: Received { head, content }, unread })
    }
}

impl Listed {
    pub(super) fn into_item(self) -> Result<Item, StoreError> {
        Ok(Item {
            unread: self.unread,
            bytes: self.bytes.cast_unsigned(),
            preview: part(&self.preview, 0, PREVIEW_BYTES_MAX).to_owned(),
            head: head(self.sender, self.id, self.key_id, &self.kind, self.thread, self.re, self.sent_at)?,
        })
    }
}

fn head(
    sender: String,
    id: String,
    key_id: String,
    kind: &str,
    thread: Option<String>,
    re: Option<String>,
    sent_at: i64,
) -> Result<Head, StoreError> {
    Ok(Head {
        id: id.parse().map_err(|_| StoreError::Row("message id"))?,
        from: sender.parse().map_err(|_| StoreError::Row("sender"))?,
        key_id: key_id.parse().map_err(|_| StoreError::Row("key id"))?,
        kind: kind_of(kind).ok_or(StoreError::Row("kind"))?,
        thread,
        re: re.map(|id| id.parse()).transpose().map_err(|_| StoreError::Row("answered message id"))?,
        time: sent_at.cast_unsigned(),
    })
}

const KINDS: [(MessageType, &str); 6] = [
    (MessageType::Request, "request"),
    (MessageType::Response, "response"),
    (MessageType::Error, "error"),
    (MessageType::Event, "event"),
    (MessageType::Receipt, "receipt"),
    (MessageType::Typing, "typing"),
];

fn kind_word(kind: MessageType) -> &'static str {
    KINDS.iter().find(|(known, _)| *known == kind).map_or("event", |(_, word)| word)
}

fn kind_of(word: &str) -> Option<MessageType> {
    KINDS.iter().find(|(_, known)| *known == word).map(|(kind, _)| *kind)
}
