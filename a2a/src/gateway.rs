//! The gateway: requests of A2A become tasks of agents, and what agents report becomes events.
//!
//! [`service`] implements the operations, [`incoming`] takes messages of agents, [`outbox_sender`]
//! sends what is stored to agents, and [`push_sender`] posts changes to webhooks. All of them work
//! on the store alone; a [`TaskFeed`] tells who waits that a task has changed.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, Semaphore};

use crate::network::Network;
use crate::store::{TaskRecord, TaskStore};

pub mod agent_directory;
pub mod incoming;
pub mod outbox_sender;
pub mod push_sender;
mod send;
mod service;
mod task_feed;
mod task_stream;
mod waits;

use agent_directory::AgentDirectory;
pub use agent_directory::AgentModes;
use task_feed::TaskFeed;

/// Requests that wait for an agent, and open streams. Each costs a few kilobytes and one change of
/// a task at a time.
pub const WAITS_MAX: usize = 2_048;
/// Those of one caller.
pub const CALLER_WAITS_MAX: usize = 128;
/// How long a request without a stream waits for an agent by default: below the 60 s of common
/// proxies and clients. Then it gets the task as it is.
pub const DEFAULT_ANSWER_TIMEOUT: Duration = Duration::from_secs(50);
/// How long a stream waits for a first word of the agent, which decides whether it begins with a
/// message or a task.
pub const FIRST_EVENT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a cancellation waits for the agent's answer.
pub const CANCEL_TIMEOUT: Duration = Duration::from_secs(10);

/// Cheap to clone; clones are the same gateway.
#[derive(Clone)]
pub struct TaskGateway(Arc<Inner>);

struct Inner {
    store: TaskStore,
    network: Arc<dyn Network>,
    directory: AgentDirectory,
    feed: TaskFeed,
    waits: waits::Waits,
    /// Notified when the outbox has a new message.
    outgoing: Notify,
    /// Notified when a change waits for a webhook.
    notifications: Notify,
    answer_timeout: Duration,
    webhook_policy: crate::webhook::WebhookPolicy,
}

impl TaskGateway {
    #[must_use]
    pub fn new(
        store: TaskStore,
        network: Arc<dyn Network>,
        modes: AgentModes,
        answer_timeout: Duration,
        webhook_policy: crate::webhook::WebhookPolicy,
    ) -> Self {
        Self(Arc::new(Inner {
            store,
            directory: AgentDirectory::new(Arc::clone(&network), modes),
            network,
            feed: TaskFeed::default(),
            waits: waits::Waits::new(Arc::new(Semaphore::new(WAITS_MAX))),
            outgoing: Notify::new(),
            notifications: Notify::new(),
            answer_timeout,
            webhook_policy,
        }))
    }

    #[must_use]
    pub fn store(&self) -> &TaskStore {
        &self.0.store
    }

    /// Tells everybody who waits that a task has changed.
    fn publish(&self, task: &TaskRecord) {
        self.0.feed.publish(task.number);
        self.0.outgoing.notify_one();
        self.0.notifications.notify_one();
    }
}

#[cfg(test)]
mod tests;
