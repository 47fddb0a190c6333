//! Queues verified messages until the application takes them.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

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
    /// Messages that the application dropped, by the time when they are shown again. Bounded by the
    /// messages that are held.
    later: BTreeMap<(Instant, u64), Arc<Received>>,
    /// How many messages were ever shown again; makes the keys of `later` unique.
    shown_again: u64,
    ephemeral: usize,
    ended: bool,
}

impl Contents {
    /// Moves the messages whose time has come to the queue.
    fn collect_due(&mut self, now: Instant) {
        while self.later.first_key_value().is_some_and(|((due, _), _)| *due <= now) {
            self.messages.extend(self.later.pop_first().map(|(_, received)| received));
        }
    }
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

    /// Shows a message again after this delay, unless the agent ends before.
    pub(crate) fn push_later(&self, received: Arc<Received>, delay: Duration) {
        let mut contents = self.lock();
        if contents.ended {
            return;
        }
        contents.shown_again += 1;
        let key = (Instant::now() + delay, contents.shown_again);
        contents.later.insert(key, received);
        drop(contents);
        self.changed.notify_one();
    }

    pub(crate) fn end(&self) {
        let mut contents = self.lock();
        contents.ended = true;
        contents.later.clear();
        drop(contents);
        self.changed.notify_waiters();
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().messages.len()
    }

    pub(crate) fn pop(&self) -> Option<Arc<Received>> {
        let mut contents = self.lock();
        contents.collect_due(Instant::now());
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
            let due = {
                let contents = self.lock();
                if contents.ended {
                    return None;
                }
                contents.later.first_key_value().map(|((due, _), _)| *due)
            };
            let is_due = async {
                match due {
                    Some(due) => sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = changed => {}
                () = is_due => {}
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Contents> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
