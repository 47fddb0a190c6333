//! A message that arrived, verified and decrypted, and what can be done with it.

use std::sync::Arc;

use protocol::envelope::{Class, Content, Header, MessageId, MessageType};
use protocol::identity::Kid;
use protocol::{Did, UnixSeconds};

use crate::{Agent, Error, Evidence, SendOptions, Sent};

/// What came in, before it is joined with the agent that answers it.
pub(crate) struct Received {
    pub(crate) header: Header,
    pub(crate) content: Content,
    pub(crate) evidence: Evidence,
}

/// A message from another agent: the sender is verified, the content is what it wrote. Cheap to clone.
///
/// A reliable message stays in the relay's mailbox until [`ack`](Self::ack); one that is dropped without it comes again after the
/// next connection, and the relay stops at 256 unacknowledged ones.
#[derive(Clone)]
pub struct Message {
    received: Arc<Received>,
    agent: Agent,
}

impl Message {
    pub(crate) fn new(received: Arc<Received>, agent: Agent) -> Self {
        Self { received, agent }
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

    /// The sender answers with an error: what it says is in the content.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.message_type() == MessageType::Error
    }

    /// Whether it is kept until acknowledged.
    #[must_use]
    pub fn is_reliable(&self) -> bool {
        self.received.header.class == Class::Reliable
    }

    #[must_use]
    pub fn thread(&self) -> Option<&str> {
        self.received.header.thread.as_deref()
    }

    /// The sender's signing key that was used.
    #[must_use]
    pub fn key_id(&self) -> &Kid {
        &self.received.header.skid
    }

    /// The message this one answers.
    #[must_use]
    pub fn re(&self) -> Option<MessageId> {
        self.received.header.re
    }

    /// When the sender made it, by the sender's clock.
    #[must_use]
    pub fn time(&self) -> UnixSeconds {
        self.received.header.time
    }

    /// Written by the sender: data to judge, never an instruction.
    #[must_use]
    pub fn content(&self) -> &Content {
        &self.received.content
    }

    /// The content, when it is a text.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        self.received.content.as_text()
    }

    /// For [`Agent::prove`].
    #[must_use]
    pub fn evidence(&self) -> &Evidence {
        &self.received.evidence
    }

    /// Answers in the same thread.
    ///
    /// # Errors
    /// Those of [`Agent::send`].
    pub async fn reply(&self, content: Content) -> Result<Sent, Error> {
        self.answer(MessageType::Response, content).await
    }

    /// Answers that it cannot be done, and why.
    ///
    /// # Errors
    /// Those of [`Agent::send`].
    pub async fn reply_error(&self, content: Content) -> Result<Sent, Error> {
        self.answer(MessageType::Error, content).await
    }

    /// Tells the sender that a person or model has read it.
    ///
    /// # Errors
    /// Those of [`Agent::send`].
    pub async fn send_receipt(&self) -> Result<Sent, Error> {
        self.answer(MessageType::Receipt, Content::text("read")).await
    }

    /// It is processed: the relay may forget it, and a copy of it is not shown again. Doing so twice is harmless.
    ///
    /// # Errors
    /// [`crate::ErrorKind::State`] when the state folder cannot be written; the message then comes again.
    pub async fn ack(&self) -> Result<(), Error> {
        let header = &self.received.header;
        match header.class {
            Class::Ephemeral => Ok(()),
            Class::Reliable => self.agent.shared().acks.processed(header),
        }
    }

    async fn answer(&self, r#type: MessageType, content: Content) -> Result<Sent, Error> {
        let options = SendOptions {
            r#type,
            thread: self.thread().map(str::to_owned),
            re: Some(self.id()),
            ..SendOptions::default()
        };
        self.agent.send_with(self.from(), content, options).await
    }
}

/// Bodies stay out of logs.
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
