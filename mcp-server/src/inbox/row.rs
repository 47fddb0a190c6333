//! Converts messages to rows and back. A row that cannot be converted back was not written by this
//! program.

use protocol::envelope::{Content, MessageType};
use serde_json::Value;
use sqlx::FromRow;

use super::message::{ListedMessage, MessageHeader, ReceivedMessage, StoredMessage};
use crate::database::DatabaseError;
use crate::text_part::text_part;

/// Bytes of content shown in a listing: enough to recognise a message.
pub(super) const PREVIEW_BYTES_MAX: usize = 160;

/// A whole row.
#[derive(Debug, FromRow)]
pub(super) struct MessageRow {
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

/// A row of a listing. The database cuts `preview` by characters, so it may exceed
/// [`PREVIEW_BYTES_MAX`] bytes.
#[derive(Debug, FromRow)]
pub(super) struct ListedRow {
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

impl MessageRow {
    pub(super) fn from_message(message: &ReceivedMessage) -> Self {
        let ReceivedMessage { head, content } = message;
        let text = content.as_text();
        Self {
            arrival: 0,
            sender: head.from.to_string(),
            id: head.id.to_string(),
            key_id: head.key_id.to_string(),
            kind: head.kind.as_str().to_owned(),
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

    pub(super) fn into_stored_message(self) -> Result<StoredMessage, DatabaseError> {
        let Self { method, content_type, body, .. } = &self;
        let content = if self.is_text {
            Value::String(body.clone())
        } else {
            serde_json::from_str(body).map_err(|_| DatabaseError::Row("content"))?
        };
        let content = Content { method: method.clone(), content_type: content_type.clone(), content };
        let (arrival, unread) = (self.arrival, self.unread);
        let head = header(self.sender, self.id, self.key_id, &self.kind, self.thread, self.re, self.sent_at)?;
        Ok(StoredMessage { arrival, message: ReceivedMessage { head, content }, unread })
    }
}

impl ListedRow {
    pub(super) fn into_listed_message(self) -> Result<ListedMessage, DatabaseError> {
        Ok(ListedMessage {
            unread: self.unread,
            bytes: self.bytes.cast_unsigned(),
            preview: text_part(&self.preview, 0, PREVIEW_BYTES_MAX).to_owned(),
            head: header(self.sender, self.id, self.key_id, &self.kind, self.thread, self.re, self.sent_at)?,
        })
    }
}

fn header(
    sender: String,
    id: String,
    key_id: String,
    kind: &str,
    thread: Option<String>,
    re: Option<String>,
    sent_at: i64,
) -> Result<MessageHeader, DatabaseError> {
    Ok(MessageHeader {
        id: id.parse().map_err(|_| DatabaseError::Row("message id"))?,
        from: sender.parse().map_err(|_| DatabaseError::Row("sender"))?,
        key_id: key_id.parse().map_err(|_| DatabaseError::Row("key id"))?,
        kind: message_type(kind).ok_or(DatabaseError::Row("message type"))?,
        thread,
        re: re.map(|id| id.parse()).transpose().map_err(|_| DatabaseError::Row("answered message id"))?,
        time: sent_at.cast_unsigned(),
    })
}

fn message_type(name: &str) -> Option<MessageType> {
    MessageType::ALL.into_iter().find(|kind| kind.as_str() == name)
}
