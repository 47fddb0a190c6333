//! Requests that wait for another agent's answer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use protocol::Did;
use protocol::envelope::{Header, MessageId, MessageType};
use tokio::sync::oneshot;

use crate::message::Received;

/// Who waits for which answer. Bounded by the callers: an entry lives as long as their future.
#[derive(Default)]
pub(crate) struct Waiters(Mutex<HashMap<MessageId, Waiter>>);

struct Waiter {
    /// Only this agent may answer.
    asked: Did,
    answer: oneshot::Sender<Arc<Received>>,
}

/// Where a message belongs.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// Somebody waits for it.
    Answer,
    /// It is for the inbox.
    Inbox,
    /// It answers a request that was asked of another agent.
    WrongResponder,
}

impl Waiters {
    /// Registers before the request is sent, so that no answer can be faster.
    pub(crate) fn expect(&self, id: MessageId, asked: Did) -> Expectation<'_> {
        let (answer, answered) = oneshot::channel();
        self.lock().insert(id, Waiter { asked, answer });
        Expectation { waiters: self, id, answered }
    }

    pub(crate) fn claim(&self, header: &Header) -> Claim {
        let answers = matches!(header.r#type, MessageType::Response | MessageType::Error);
        let Some(re) = header.re.filter(|_| answers) else {
            return Claim::Inbox;
        };
        match self.lock().get(&re) {
            Some(waiter) if waiter.asked != header.from => Claim::WrongResponder,
            Some(_) => Claim::Answer,
            None => Claim::Inbox,
        }
    }

    /// Hands an answer over; gives it back when the waiter has just left.
    pub(crate) fn hand_over(&self, received: Arc<Received>) -> Result<(), Arc<Received>> {
        let waiter = received.header.re.and_then(|re| self.lock().remove(&re));
        match waiter {
            Some(waiter) => waiter.answer.send(received),
            None => Err(received),
        }
    }

    /// No answer will come any more.
    pub(crate) fn end(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<MessageId, Waiter>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in the table; leaving gives it up.
pub(crate) struct Expectation<'a> {
    waiters: &'a Waiters,
    id: MessageId,
    answered: oneshot::Receiver<Arc<Received>>,
}

impl Expectation<'_> {
    /// `None` when the agent ended first.
    pub(crate) async fn answer(&mut self) -> Option<Arc<Received>> {
        (&mut self.answered).await.ok()
    }
}

impl Drop for Expectation<'_> {
    fn drop(&mut self) {
        self.waiters.lock().remove(&self.id);
    }
}
