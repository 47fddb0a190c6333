//! Sends messages and events.

use protocol::Did;
use protocol::envelope::{Class, Content, MessageType};

use super::handle::Agent;
use crate::error::Error;
use crate::sender::SendOptions;
use crate::sent::Sent;

impl Agent {
    /// Sends a message, and waits until the relay has stored it or the recipient has acknowledged
    /// it.
    ///
    /// # Errors
    /// - [`ErrorKind::Rejected`](crate::ErrorKind::Rejected) with the relay's reason,
    /// - [`ErrorKind::Timeout`](crate::ErrorKind::Timeout) if the relay did not answer,
    /// - [`ErrorKind::KeyChanged`](crate::ErrorKind::KeyChanged) or
    ///   [`ErrorKind::Unverified`](crate::ErrorKind::Unverified) if the recipient's keys cannot be
    ///   trusted,
    /// - [`ErrorKind::Message`](crate::ErrorKind::Message) for a content beyond the limits.
    ///
    /// # Examples
    /// ```no_run
    /// # async fn example(agent: msg2agent::Agent) -> Result<(), msg2agent::Error> {
    /// use msg2agent::{Content, SendStatus};
    ///
    /// let bob = "did:wba:relay.example:agent:acme:bob".parse()?;
    /// let sent = agent.send(&bob, Content::text("hi")).await?;
    /// match sent.status {
    ///     SendStatus::Stored => println!("bob gets it when he connects"),
    ///     SendStatus::Delivered => println!("bob has acknowledged it"),
    ///     SendStatus::Forwarded => println!("only for ephemeral messages"),
    /// }
    /// # Ok(()) }
    /// ```
    pub async fn send(&self, to: &Did, content: Content) -> Result<Sent, Error> {
        self.send_with(to, content, SendOptions::default()).await
    }

    /// Like [`send`](Self::send), with options.
    ///
    /// # Errors
    /// Those of [`send`](Self::send).
    pub async fn send_with(&self, to: &Did, content: Content, options: SendOptions) -> Result<Sent, Error> {
        self.sender.send(to, content, options).await
    }

    /// Sends an ephemeral event: at most once, and only to an agent that is connected now.
    ///
    /// # Errors
    /// Those of [`send`](Self::send), and
    /// [`RecipientOffline`](protocol::Reason::RecipientOffline) if the agent is not connected.
    pub async fn send_event(&self, to: &Did, content: Content) -> Result<Sent, Error> {
        let options = SendOptions { class: Class::Ephemeral, ..SendOptions::default() };
        self.send_with(to, content, options).await
    }

    /// Sends a typing indicator. It is ephemeral like [`send_event`](Self::send_event).
    ///
    /// # Errors
    /// Those of [`send_event`](Self::send_event).
    pub async fn send_typing(&self, to: &Did, thread: Option<String>) -> Result<Sent, Error> {
        let (class, r#type) = (Class::Ephemeral, MessageType::Typing);
        let options = SendOptions { class, r#type, thread, ..SendOptions::default() };
        self.send_with(to, Content::json(serde_json::Value::Null), options).await
    }
}
