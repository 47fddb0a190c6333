//! The application's end of the message queue.
//!
//! A message is verified before it appears here, appears once, and stays unacknowledged until the
//! application calls [`Message::ack`]. Duplicates are recognized for the message's lifetime, among
//! the last 65,536 messages, and across restarts if a state folder is configured
//! ([`Config::with_state_dir`](crate::Config::with_state_dir)). A response that no request waits
//! for appears here too.
//!
//! A message that does not verify is refused, so that it does not block the next one. It is counted
//! and reported through [`Agent::refusals`](crate::Agent::refusals), and its sender is told why. To
//! a relay that takes no refusals it is acknowledged, and the sender sees it as delivered.

use crate::message::Message;
use crate::sender::Sender;

/// Receives messages. Several inboxes may be open; each message goes to one of them.
///
/// ```no_run
/// # async fn example(agent: &msg2agent::Agent) -> Result<(), msg2agent::Error> {
/// let mut inbox = agent.inbox();
/// while let Some(message) = inbox.next().await {
///     println!("{} wrote {:?}", message.from(), message.text());
///     message.ack().await?;
/// }
/// # Ok(()) }
/// ```
///
/// The program `sdk/examples/receive_and_acknowledge.rs` receives and acknowledges.
pub struct Inbox {
    sender: Sender,
}

impl Inbox {
    pub(crate) fn new(sender: Sender) -> Self {
        Self { sender }
    }

    /// Waits for the next message, in the order of arrival. `None` once the agent has ended and
    /// every message was taken. Cancel safe.
    pub async fn next(&mut self) -> Option<Message> {
        let received = self.sender.state().queue.next().await?;
        Some(Message::new(received, self.sender.clone()))
    }

    /// The next message if one is queued already.
    pub fn try_next(&mut self) -> Option<Message> {
        let received = self.sender.state().queue.pop()?;
        Some(Message::new(received, self.sender.clone()))
    }

    /// The number of queued messages.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sender.state().queue.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
