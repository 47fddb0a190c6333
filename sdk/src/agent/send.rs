//! Sending: messages, requests with their answers, events.

use std::time::Duration;

use protocol::Did;
use protocol::envelope::{Class, Content, Draft, MessageId, MessageType, seal};
use protocol::frame::{SendResult, method};
use protocol::record::VerifiedRecord;

use crate::contacts::Freshness;
use crate::{Agent, Error, ErrorKind, Evidence, Message, Sent, clock};

/// What may be said about a message besides its content. The default is a reliable event with a new id.
#[derive(Debug, Clone)]
pub struct SendOptions {
    /// A message's own id, to send it again: `duplicate_id` then means that the relay had taken the first; absent means a
    /// new one.
    pub id: Option<MessageId>,
    pub r#type: MessageType,
    /// A label of at most 64 bytes that joins messages of one conversation.
    pub thread: Option<String>,
    /// The message this one answers.
    pub re: Option<MessageId>,
    /// How long the relay keeps it, in seconds; at most, and by default, 7 days.
    pub ttl: Option<u64>,
    /// Whether it is stored for an agent that is away.
    pub class: Class,
}

impl Default for SendOptions {
    fn default() -> Self {
        Self {
            id: None,
            r#type: MessageType::Event,
            thread: None,
            re: None,
            ttl: None,
            class: Class::Reliable,
        }
    }
}

/// A request and its answer.
#[derive(Debug, Clone)]
pub struct Exchange {
    pub sent: Sent,
    /// Acknowledged already. May be an error of the other agent, see [`Message::is_error`].
    pub answer: Message,
}

/// A request that the relay took, and its answer if one came in time.
#[derive(Debug, Clone)]
pub struct Asked {
    pub sent: Sent,
    /// Acknowledged already, as in [`Exchange`]. A late one comes to the inbox.
    pub answer: Option<Message>,
}

impl Agent {
    /// Sends a message and waits until the relay has stored it or the recipient has acknowledged it.
    ///
    /// # Errors
    /// [`ErrorKind::Rejected`] with the relay's reason, [`ErrorKind::Timeout`] when it did not answer,
    /// [`ErrorKind::KeyChanged`] or [`ErrorKind::Unverified`] when the recipient is not who it was, and
    /// [`ErrorKind::Message`] for a content beyond the limits.
    pub async fn send(&self, to: &Did, content: Content) -> Result<Sent, Error> {
        self.send_with(to, content, SendOptions::default()).await
    }

    /// Sends with options.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn send_with(&self, to: &Did, content: Content, options: SendOptions) -> Result<Sent, Error> {
        let id = options.id.unwrap_or_else(new_id);
        self.transmit(to, content, id, options).await.map_err(|e| e.about(id))
    }

    /// Asks, and waits for the answer of that agent, and of no other, at most `deadline`.
    ///
    /// # Errors
    /// As [`send`](Self::send), and [`ErrorKind::Timeout`] when no answer came in time; a late one then comes to the inbox.
    pub async fn request(&self, to: &Did, content: Content, deadline: Duration) -> Result<Message, Error> {
        self.request_with(to, content, deadline, SendOptions::default()).await.map(|exchange| exchange.answer)
    }

    /// As [`request`](Self::request), with options (their `type` is always `request`), and returns both messages.
    ///
    /// # Errors
    /// As [`request`](Self::request).
    pub async fn request_with(
        &self,
        to: &Did,
        content: Content,
        deadline: Duration,
        options: SendOptions,
    ) -> Result<Exchange, Error> {
        let id = options.id.unwrap_or_else(new_id);
        let options = SendOptions { id: Some(id), ..options };
        let asked = tokio::time::timeout(deadline, self.ask_with(to, content, deadline, options)).await;
        match asked.ok().transpose()? {
            Some(Asked { sent, answer: Some(answer) }) => Ok(Exchange { sent, answer }),
            _ => Err(no_answer(to, deadline, id)),
        }
    }

    /// As [`request_with`](Self::request_with), for a caller to whom no answer is no failure: `deadline` counts from the
    /// relay's word for the request.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn ask_with(
        &self,
        to: &Did,
        content: Content,
        deadline: Duration,
        options: SendOptions,
    ) -> Result<Asked, Error> {
        let id = options.id.unwrap_or_else(new_id);
        let options = SendOptions { r#type: MessageType::Request, id: Some(id), ..options };
        let mut expectation = self.shared().waiters.expect(id, to.clone());
        let sent = self.send_with(to, content, options).await?;
        let Ok(received) = tokio::time::timeout(deadline, expectation.answer()).await else {
            return Ok(Asked { sent, answer: None });
        };
        let closed = || Error::new(ErrorKind::Closed, format!("the agent ended before {to} answered"));
        let answer = received.map(|received| Message::new(received, self.clone())).ok_or_else(closed)?;
        Ok(Asked { sent, answer: Some(answer) })
    }

    /// Sends an ephemeral event: at most once, only to an agent that is connected now.
    ///
    /// # Errors
    /// As [`send`](Self::send); [`protocol::Reason::RecipientOffline`] when the agent is away.
    pub async fn event(&self, to: &Did, content: Content) -> Result<Sent, Error> {
        let options = SendOptions { class: Class::Ephemeral, ..SendOptions::default() };
        self.send_with(to, content, options).await
    }

    /// Tells an agent that an answer is being written. Ephemeral, as [`event`](Self::event).
    ///
    /// # Errors
    /// As [`event`](Self::event).
    pub async fn typing(&self, to: &Did, thread: Option<String>) -> Result<Sent, Error> {
        let (class, r#type) = (Class::Ephemeral, MessageType::Typing);
        let options = SendOptions { class, r#type, thread, ..SendOptions::default() };
        self.send_with(to, Content::json(serde_json::Value::Null), options).await
    }

    async fn transmit(
        &self,
        to: &Did,
        content: Content,
        id: MessageId,
        options: SendOptions,
    ) -> Result<Sent, Error> {
        let recipient = self.shared().contacts.resolve(&self.caller, to, Freshness::Recent).await?;
        let draft = Draft {
            to: to.clone(),
            id,
            class: options.class,
            r#type: options.r#type,
            thread: options.thread,
            re: options.re,
            ttl: options.ttl,
            content,
        };
        let sealed = self.seal(draft, &recipient)?;
        let attempt = format!("cannot send to {to}");
        let SendResult { status } = self.caller.call(method::SEND, &sealed.envelope, &attempt).await?;
        let evidence = Evidence::new(sealed.envelope, sealed.prk, recipient.document.clone());
        Ok(Sent { id, to: to.clone(), status, evidence })
    }

    fn seal(&self, draft: Draft, recipient: &VerifiedRecord) -> Result<seal::Sealed, Error> {
        let to = draft.to.clone();
        let keyless =
            || Error::new(ErrorKind::Unverified, format!("the record of {to} names no encryption key"));
        let key = recipient.keys.current_encryption().ok_or_else(keyless)?;
        seal(draft, &self.shared().identity(), key, clock::now(), &mut rand::rng()).map_err(|e| {
            Error::new(ErrorKind::Message, format!("cannot seal a message to {to}")).caused_by(e)
        })
    }
}

fn new_id() -> MessageId {
    MessageId::new(clock::now(), rand::random())
}

fn no_answer(to: &Did, deadline: Duration, id: MessageId) -> Error {
    Error::new(ErrorKind::Timeout, format!("{to} did not answer"))
        .caused_by(format!("no answer came within {} s", deadline.as_secs_f32()))
        .advising("check that the agent runs and answers requests; a late answer comes to the inbox")
        .about(id)
}
