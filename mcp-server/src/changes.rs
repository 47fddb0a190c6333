//! Tells those who wait that the inbox or a task has changed. Says what, never what is in it.

use protocol::Did;
use protocol::envelope::MessageId;
use tokio::sync::broadcast;

/// Changes a listener may be behind; beyond that it is told that it missed some, and looks at everything.
const BEHIND_MAX: usize = 256;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A message came.
    Arrived {
        id: MessageId,
        from: Did,
    },
    /// A message was read or deleted.
    Gone {
        id: MessageId,
    },
    /// A task is new.
    TaskAdded {
        id: MessageId,
    },
    TaskChanged {
        id: MessageId,
    },
}

/// Cheap to clone.
#[derive(Debug, Clone)]
pub struct Changes(broadcast::Sender<Change>);

impl Default for Changes {
    fn default() -> Self {
        Self(broadcast::Sender::new(BEHIND_MAX))
    }
}

impl Changes {
    pub fn tell(&self, change: Change) {
        // Nobody may be listening.
        let _ = self.0.send(change);
    }

    /// Changes from now on.
    #[must_use]
    pub fn listen(&self) -> Listener {
        Listener(self.0.subscribe())
    }
}

pub struct Listener(broadcast::Receiver<Change>);

impl Listener {
    /// The next change; `None` when some were missed, so that anything may have changed.
    pub async fn next(&mut self) -> Option<Change> {
        match self.0.recv().await {
            Ok(change) => Some(change),
            Err(broadcast::error::RecvError::Lagged(_)) => None,
            // The sender lives as long as the process; nothing will change any more.
            Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }
}
