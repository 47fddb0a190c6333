//! Queues verified messages until the application takes them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::received::Received;

/// Ephemeral messages in the queue; more are refused with `no_room`. The acknowledgement tracker
/// bounds the reliable ones.
const EPHEMERAL_MAX: usize = 256;

/// The queue between the connection task and the inboxes.
#[derive(Default)]
pub(crate) struct InboxQueue {
    contents: Mutex<Contents>,
    changed: Notify,
}

#[derive(Default)]
struct Contents {
    messages: VecDeque<Arc<Received>>,
    ephemeral: usize,
    ended: bool,
}

impl InboxQueue {
    /// Returns `false` for an ephemeral message when the queue holds too many of them.
    pub(crate) fn push(&self, received: Arc<Received>) -> bool {
        let ephemeral = !received.is_reliable();
        let mut contents = self.lock();
        if ephemeral && contents.ephemeral >= EPHEMERAL_MAX {
            return false;
        }
        contents.ephemeral += usize::from(ephemeral);
        contents.messages.push_back(received);
        drop(contents);
        self.changed.notify_one();
        true
    }

    pub(crate) fn end(&self) {
        self.lock().ended = true;
        self.changed.notify_waiters();
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().messages.len()
    }

    pub(crate) fn pop(&self) -> Option<Arc<Received>> {
        let mut contents = self.lock();
        let received = contents.messages.pop_front()?;
        contents.ephemeral -= usize::from(!received.is_reliable());
        let more = !contents.messages.is_empty();
        drop(contents);
        if more {
            // Another reader may have missed its notification, because this one consumed it.
            self.changed.notify_one();
        }
        Some(received)
    }

    /// Waits for a message; `None` once the agent has ended and the queue is empty. Cancel safe.
    pub(crate) async fn next(&self) -> Option<Arc<Received>> {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // Subscribe before looking, so that no change in between is missed.
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

    fn lock(&self) -> MutexGuard<'_, Contents> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
