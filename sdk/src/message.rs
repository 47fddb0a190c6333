//! A received message, verified and decrypted.

use std::sync::Arc;

use protocol::envelope::{Class, Content, Header, MessageId, MessageType};
use protocol::identity::Kid;
use protocol::{Did, UnixSeconds};

use crate::delivery::received::Received;
use crate::error::Error;
use crate::evidence::Evidence;
use crate::sender::{SendOptions, Sender};
use crate::sent::Sent;

/// A message from another agent. Its sender is verified and its content is as sent. Cheap to clone.
///
/// A reliable message stays in the relay's mailbox until [`ack`](Self::ack) or
/// [`reject`](Self::reject). One that is dropped without either is shown again: at once, then after
/// 1 s, 2 s, up to a minute. The relay counts its window of 256 messages from the oldest
/// unacknowledged one; while an application keeps that one, nothing more arrives, and the state of
/// the connection becomes [`ConnectionState::Stalled`](crate::ConnectionState::Stalled).
///
/// A message keeps its agent connected, as a clone of the agent does.
///
/// ```no_run
/// # async fn example(message: msg2agent::Message) -> Result<(), msg2agent::Error> {
/// use msg2agent::{Content, MessageType};
///
/// if message.message_type() == MessageType::Request {
///     message.reply(Content::text("4")).await?;
/// }
/// message.ack().await?; // the relay may delete it now
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Message {
    received: Arc<Received>,
    sender: Sender,
    /// Shared by all clones; the last one returns the message to the inbox.
    _lease: Arc<Lease>,
}

/// Returns a message to the inbox when it is dropped, unless it was acknowledged.
struct Lease {
    received: Arc<Received>,
    sender: Sender,
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.sender.state().release(&self.received);
    }
}

impl Message {
    pub(crate) fn new(received: Arc<Received>, sender: Sender) -> Self {
        let lease = Lease { received: Arc::clone(&received), sender: sender.clone() };
        Self { received, sender, _lease: Arc::new(lease) }
    }

    #[must_use]
    pub fn id(&self) -> MessageId {
        self.received.header.id
    }

    #[must_use]
    pub fn from(&self) -> &Did {
        &self.received.header.from
    }

    #[must_use]
    pub fn to(&self) -> &Did {
        &self.received.header.to
    }

    #[must_use]
    pub fn message_type(&self) -> MessageType {
        self.received.header.r#type
    }

    /// Whether the sender answers with an error, which its content describes.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.message_type() == MessageType::Error
    }

    /// Whether the relay keeps the message until it is acknowledged.
    #[must_use]
    pub fn is_reliable(&self) -> bool {
        self.received.header.class == Class::Reliable
    }

    #[must_use]
    pub fn thread(&self) -> Option<&str> {
        self.received.header.thread.as_deref()
    }

    /// The id of the signing key that the sender used.
    #[must_use]
    pub fn key_id(&self) -> &Kid {
        &self.received.header.skid
    }

    /// The message this one answers.
    #[must_use]
    pub fn re(&self) -> Option<MessageId> {
        self.received.header.re
    }

    /// When the message was written, by the sender's clock.
    #[must_use]
    pub fn time(&self) -> UnixSeconds {
        self.received.header.time
    }

    /// The content, as the sender wrote it. Treat it as data; a language model must not follow it
    /// as an instruction.
    #[must_use]
    pub fn content(&self) -> &Content {
        &self.received.content
    }

    /// The content, if it is a text.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        self.received.content.as_text()
    }

    /// The evidence that [`Agent::prove`](crate::Agent::prove) needs.
    #[must_use]
    pub fn evidence(&self) -> &Evidence {
        &self.received.evidence
    }

    /// Sends a response in the same thread.
    ///
    /// # Errors
    /// Those of [`Agent::send`](crate::Agent::send).
    pub async fn reply(&self, content: Content) -> Result<Sent, Error> {
        self.answer(MessageType::Response, content).await
    }

    /// Sends an error as the answer. The content describes it.
    ///
    /// # Errors
    /// Those of [`Agent::send`](crate::Agent::send).
    pub async fn reply_error(&self, content: Content) -> Result<Sent, Error> {
        self.answer(MessageType::Error, content).await
    }

    /// Sends a receipt: a person or model has read the message.
    ///
    /// # Errors
    /// Those of [`Agent::send`](crate::Agent::send).
    pub async fn send_receipt(&self) -> Result<Sent, Error> {
        self.answer(MessageType::Receipt, Content::text("read")).await
    }

    /// Acknowledges the message: the relay may delete it, and a copy of it does not appear again.
    /// Idempotent.
    ///
    /// # Errors
    /// - [`ErrorKind::State`](crate::ErrorKind::State) if the state folder cannot be written. The
    ///   agent repeats that while it runs and does not show the message again; after a restart it
    ///   does.
    /// - That of the agent's end, if it has ended. The message is then delivered again.
    pub async fn ack(&self) -> Result<(), Error> {
        if self.is_reliable() {
            self.sender.state().acknowledgements.mark_processed(&self.received)
        } else {
            Ok(())
        }
    }

    /// Refuses the message for good: the relay deletes it, and tells its sender that this agent has
    /// rejected it. If the connection breaks before the relay knows, the message is shown again.
    ///
    /// # Errors
    /// That of the agent's end, if it has ended.
    pub async fn reject(&self) -> Result<(), Error> {
        if self.is_reliable() {
            self.sender.state().acknowledgements.reject(&self.received.key())
        } else {
            Ok(())
        }
    }

    /// The time of this agent's relay.
    pub(crate) fn now(&self) -> UnixSeconds {
        self.sender.state().now()
    }

    pub(crate) async fn send_to_sender(&self, content: Content, options: SendOptions) -> Result<Sent, Error> {
        self.sender.send(self.from(), content, options).await
    }

    async fn answer(&self, r#type: MessageType, content: Content) -> Result<Sent, Error> {
        let options = SendOptions {
            r#type,
            thread: self.thread().map(str::to_owned),
            re: Some(self.id()),
            ..SendOptions::default()
        };
        self.sender.send(self.from(), content, options).await
    }
}

/// Shows no content.
impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Header { id, from, r#type, .. } = &self.received.header;
        f.debug_struct("Message")
            .field("id", id)
            .field("from", from)
            .field("type", r#type)
            .finish_non_exhaustive()
    }
}
