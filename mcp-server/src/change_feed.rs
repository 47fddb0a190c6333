//! Broadcasts changes of the inbox and the tasks to subscribers. A change carries ids and never
//! content.

use protocol::Did;
use protocol::envelope::MessageId;
use tokio::sync::broadcast;

/// Changes that a subscriber may lag behind. One that lags further gets `None` from
/// [`ChangeSubscription::next`] and has to look at everything.
const LAG_MAX: usize = 256;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A message has arrived.
    MessageArrived {
        id: MessageId,
        from: Did,
    },
    MessageReadOrDeleted {
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
pub struct ChangeFeed(broadcast::Sender<Change>);

impl Default for ChangeFeed {
    fn default() -> Self {
        Self(broadcast::Sender::new(LAG_MAX))
    }
}

impl ChangeFeed {
    pub fn publish(&self, change: Change) {
        // Fails only when nobody has subscribed.
        let _ = self.0.send(change);
    }

    /// Subscribes to the changes from now on.
    #[must_use]
    pub fn subscribe(&self) -> ChangeSubscription {
        ChangeSubscription(self.0.subscribe())
    }
}

pub struct ChangeSubscription(broadcast::Receiver<Change>);

impl ChangeSubscription {
    /// The next change; `None` when some were missed, so that anything may have changed.
    pub async fn next(&mut self) -> Option<Change> {
        match self.0.recv().await {
            Ok(change) => Some(change),
            Err(broadcast::error::RecvError::Lagged(_)) => None,
            // The sender lives as long as the process: nothing will change after this.
            Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }
}
