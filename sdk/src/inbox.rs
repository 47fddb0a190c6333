//! Messages that wait for the application, and the promises about them.
//!
//! A message is verified before it is seen here, shown once, and acknowledged by the application ([`Message::ack`]). The window
//! of the dedup behind "once" is the message's own lifetime, for the last 65,536 messages; it survives a restart when a state
//! folder is configured. A response nobody waits for any more comes here too.
//!
//! A message that does not verify is acknowledged to the relay, counted and told ([`crate::Refusals`]), so that it does not stand in
//! the way of the next; its sender sees it as delivered.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use crate::message::Received;
use crate::{Agent, Message};

pub(crate) mod acks;
pub(crate) mod admit;
mod journal;
mod ledger;
mod seen;

/// Ephemeral messages that may wait; more are refused with `no_room`. Reliable ones are bounded by the ledger.
const EPHEMERAL_MAX: usize = 256;

/// The application's end. Several may be open; each message goes to one of them.
pub struct Inbox {
    agent: Agent,
}

impl Inbox {
    pub(crate) fn new(agent: Agent) -> Self {
        Self { agent }
    }

    /// The next message in the order of arrival; `None` once the agent has ended and everything was taken. Cancel safe.
    pub async fn next(&mut self) -> Option<Message> {
        let received = self.agent.shared().queue.next().await?;
        Some(Message::new(received, self.agent.clone()))
    }

    /// A message that is there already.
    pub fn try_next(&mut self) -> Option<Message> {
        let received = self.agent.shared().queue.pop()?;
        Some(Message::new(received, self.agent.clone()))
    }

    /// How many messages wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.agent.shared().queue.lock().messages.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The queue between the connection and the inbox.
#[derive(Default)]
pub(crate) struct InboxQueue {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    messages: VecDeque<Arc<Received>>,
    ephemeral: usize,
    ended: bool,
}

impl InboxQueue {
    /// Whether it was taken: an ephemeral message needs room.
    pub(crate) fn push(&self, received: Arc<Received>) -> bool {
        let ephemeral = is_ephemeral(&received);
        let mut state = self.lock();
        if ephemeral && state.ephemeral >= EPHEMERAL_MAX {
            return false;
        }
        state.ephemeral += usize::from(ephemeral);
        state.messages.push_back(received);
        drop(state);
        self.changed.notify_one();
        true
    }

    pub(crate) fn end(&self) {
        self.lock().ended = true;
        self.changed.notify_waiters();
    }

    fn pop(&self) -> Option<Arc<Received>> {
        let mut state = self.lock();
        let received = state.messages.pop_front()?;
        state.ephemeral -= usize::from(is_ephemeral(&received));
        let more = !state.messages.is_empty();
        drop(state);
        if more {
            // Another reader may have slept through the notification that this one used.
            self.changed.notify_one();
        }
        Some(received)
    }

    async fn next(&self) -> Option<Arc<Received>> {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // Listens before looking, so that nothing between the two is missed.
            changed.as_mut().enable();
            if let Some(received) = self.pop() {
                return Some(received);
            }
            if self.lock().ended {
                return None;
            }
            changed.await;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_ephemeral(received: &Received) -> bool {
    received.header.class == protocol::envelope::Class::Ephemeral
}
