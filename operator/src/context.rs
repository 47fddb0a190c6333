//! The shared parts that every reconcile uses.

use std::sync::Arc;

use kube::Client;

use crate::apply::Applier;
use crate::caches::Caches;
use crate::clock::Clock;
use crate::clock_steps::ClockSteps;
use crate::deleted_objects::DeletedObjects;
use crate::event_queue::EventQueue;
use crate::first_attempts::FirstAttempts;
use crate::jitter::Jitter;
use crate::lease::Leadership;
use crate::metrics::Metrics;
use crate::queue::Queue;
use crate::relay_replicas::RelayReplicas;
use crate::rollout::Rollouts;
use crate::sent_statuses::SentStatuses;
use crate::settings::Settings;
use crate::settled_secrets::SettledSecrets;

/// What every reconcile gets. Cheap to clone.
#[derive(Clone)]
pub struct Context {
    /// Refuses to write without a valid lease.
    pub client: Client,
    pub caches: Arc<Caches>,
    pub queue: Arc<Queue>,
    pub relay_replicas: Arc<RelayReplicas>,
    pub applier: Arc<Applier>,
    pub leadership: Arc<Leadership>,
    pub clock: Clock,
    pub clock_steps: Arc<ClockSteps>,
    pub jitter: Jitter,
    pub events: EventQueue,
    pub metrics: Metrics,
    pub settings: Arc<Settings>,
    /// The turns of workloads that the operator itself changes.
    pub rollouts: Arc<Rollouts>,
    /// The last status that was sent for each object.
    pub sent_statuses: Arc<SentStatuses>,
    /// What the Secrets of Agents contained when they were last read.
    pub settled_secrets: Arc<SettledSecrets>,
    /// When deletions were first asked for.
    pub first_attempts: Arc<FirstAttempts>,
    /// Uids of deleted objects whose entries at relays may remain.
    pub deleted: Arc<DeletedObjects>,
}

impl Context {
    /// The current time. Reconciles read the clock only here.
    #[must_use]
    pub fn now(&self) -> jiff::Timestamp {
        self.clock.now()
    }
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Context")
    }
}
