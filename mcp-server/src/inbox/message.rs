//! A message of the inbox: as it was received, as it is stored, and as it appears in a listing.

use protocol::envelope::{Content, MessageId, MessageType};
use protocol::identity::Kid;
use protocol::{Did, UnixSeconds};

use crate::database::DatabaseError;

/// A message that was decrypted and whose signature was verified.
#[derive(Debug, Clone, PartialEq)]
pub struct ReceivedMessage {
    pub head: MessageHeader,
    pub content: Content,
}

/// The signed header of a message.
#[derive(Debug, Clone, PartialEq)]
pub struct MessageHeader {
    pub id: MessageId,
    pub from: Did,
    /// The sender's key that signed the message.
    pub key_id: Kid,
    pub kind: MessageType,
    pub thread: Option<String>,
    /// The message that this one answers.
    pub re: Option<MessageId>,
    /// By the sender's clock.
    pub time: UnixSeconds,
}

/// A message of a listing, with the beginning of its content.
#[derive(Debug, Clone, PartialEq)]
pub struct ListedMessage {
    pub head: MessageHeader,
    pub unread: bool,
    /// Bytes of the whole content as text.
    pub bytes: u64,
    pub preview: String,
}

/// A whole message of the inbox.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredMessage {
    /// Counts arrivals, and identifies the row.
    pub arrival: i64,
    pub message: ReceivedMessage,
    pub unread: bool,
}

/// What happened to a message that was inserted. The numbers are arrivals.
#[derive(Debug, PartialEq, Eq)]
pub enum InsertOutcome {
    Inserted(i64),
    /// The inbox already holds the message, unread.
    AlreadyUnread(i64),
    /// The inbox already holds the message, and it was read.
    AlreadyRead,
}

#[derive(Debug, thiserror::Error)]
pub enum FindMessageError {
    #[error("the inbox holds no such message")]
    Absent,
    #[error("several senders used this id; name one in `from`")]
    Ambiguous,
    #[error("failed to look into the inbox")]
    Database(#[source] DatabaseError),
}
