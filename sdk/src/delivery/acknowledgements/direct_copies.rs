//! Copies of messages that direct connections brought, and that wait for the application.

use std::collections::HashMap;
use std::sync::Arc;

use protocol::refusal::RefusalReason;
use tokio::sync::oneshot;

use super::{Acknowledgements, Inner};
use crate::delivery::received::Received;
use crate::line_file::UnsyncedLines;
use crate::state_machine::{DeliveryState, DirectHold, MessageKey};

/// How the wait for the application ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Settlement {
    /// It acknowledged the message, and that is on disk.
    Processed,
    Refused(RefusalReason),
}

/// What became of a copy that a direct connection brought.
pub(crate) enum DirectAdmission {
    /// The application is shown the message next.
    New(oneshot::Receiver<Settlement>),
    /// The application has it, or will be shown it again.
    Held(oneshot::Receiver<Settlement>),
    Processed,
    /// Too many messages are held.
    Full,
}

/// Processed messages that must be on disk before their direct connections are told.
pub(crate) struct DirectSync {
    keys: Vec<MessageKey>,
    file: Option<UnsyncedLines>,
}

impl DirectSync {
    /// Blocks for as long as the disk needs.
    pub(crate) fn run(&self) -> std::io::Result<()> {
        self.file.as_ref().map_or(Ok(()), UnsyncedLines::sync)
    }
}

/// The direct connections that wait for each message. Bounded by the messages that are held, and by
/// the windows of the connections.
#[derive(Default)]
pub(super) struct DirectCopies {
    waiting: HashMap<MessageKey, Vec<oneshot::Sender<Settlement>>>,
    /// Processed, and perhaps not on disk.
    unsynced: Vec<MessageKey>,
    /// How many processed messages are being synced.
    syncing: usize,
}

impl DirectCopies {
    fn wait(&mut self, key: &MessageKey) -> oneshot::Receiver<Settlement> {
        let (sender, receiver) = oneshot::channel();
        self.waiting.entry(key.clone()).or_default().push(sender);
        receiver
    }

    pub(super) fn on_processed(&mut self, key: MessageKey) {
        if self.waiting.contains_key(&key) {
            self.unsynced.push(key);
        }
    }

    pub(super) fn refuse(&mut self, key: &MessageKey, reason: RefusalReason) {
        self.settle(key, Settlement::Refused(reason));
    }

    fn settle(&mut self, key: &MessageKey, settlement: Settlement) {
        for sender in self.waiting.remove(key).into_iter().flatten() {
            // The connection may have ended.
            let _ = sender.send(settlement);
        }
    }

    fn prune(&mut self, key: &MessageKey) {
        if let Some(senders) = self.waiting.get_mut(key) {
            senders.retain(|sender| !sender.is_closed());
            if senders.is_empty() {
                self.waiting.remove(key);
            }
        }
    }

    pub(super) fn end(&mut self) {
        self.waiting.clear();
        self.unsynced.clear();
    }
}

impl Acknowledgements {
    /// The state of a message, before a copy of it is verified.
    pub(crate) fn state_of(&self, key: &MessageKey) -> DeliveryState {
        self.lock().tracker.state_of(key)
    }

    /// Holds a verified copy. Its connection calls [`end_direct`](Self::end_direct) when it ends
    /// before the wait does.
    pub(crate) fn hold_direct(&self, received: &Arc<Received>) -> DirectAdmission {
        let key = received.key();
        let mut inner = self.lock();
        let Inner { tracker, direct, .. } = &mut *inner;
        match tracker.hold_direct(&key, Arc::clone(received), received.until()) {
            DirectHold::New => DirectAdmission::New(direct.wait(&key)),
            DirectHold::Held => DirectAdmission::Held(direct.wait(&key)),
            DirectHold::Processed => DirectAdmission::Processed,
            DirectHold::Full => DirectAdmission::Full,
        }
    }

    /// Accepts an ephemeral message. Returns `false` for a duplicate.
    pub(crate) fn accept_direct_ephemeral(&self, received: &Received) -> bool {
        let (key, until, now) = (received.key(), received.until(), self.clock.now());
        self.lock().tracker.accept_direct_ephemeral(key, until, now)
    }

    /// Notes that a connection has ended that waited for this message.
    pub(crate) fn end_direct(&self, key: &MessageKey) {
        let mut inner = self.lock();
        inner.tracker.end_direct(key);
        inner.direct.prune(key);
    }

    /// What must be synced before the connections are told; `None` if nothing waits, or while the
    /// file is being written again.
    pub(crate) fn begin_direct_sync(&self) -> std::io::Result<Option<DirectSync>> {
        let mut inner = self.lock();
        let Inner { file, direct, .. } = &mut *inner;
        if direct.unsynced.is_empty() || file.as_ref().is_some_and(|file| !file.can_sync()) {
            return Ok(None);
        }
        let file = file.as_ref().map(|file| file.to_sync()).transpose()?;
        let keys = std::mem::take(&mut direct.unsynced);
        direct.syncing += keys.len();
        Ok(Some(DirectSync { keys, file }))
    }

    /// Tells the connections. What could not be synced is tried again.
    pub(crate) fn finish_direct_sync(&self, sync: DirectSync, synced: &std::io::Result<()>) {
        let mut inner = self.lock();
        inner.direct.syncing = inner.direct.syncing.saturating_sub(sync.keys.len());
        match synced {
            Ok(()) => {
                for key in &sync.keys {
                    inner.direct.settle(key, Settlement::Processed);
                }
            }
            Err(_) => {
                inner.direct.unsynced.extend(sync.keys);
                if let Some(file) = &mut inner.file {
                    file.on_sync_failed();
                }
            }
        }
    }

    /// Whether a processed message is not yet told to the connection that brought it.
    pub(crate) fn has_untold_direct(&self) -> bool {
        let inner = self.lock();
        inner.direct.syncing > 0 || !inner.direct.unsynced.is_empty()
    }

    /// Returns when [`begin_direct_sync`](Self::begin_direct_sync) may have something to do.
    pub(crate) async fn direct_changed(&self) {
        self.direct_changed.notified().await;
    }
}
