//! What every reconcile is given. No domain logic.

use std::sync::Arc;

use kube::Client;
use kube::runtime::events::Recorder;

use crate::apply::Applier;
use crate::fleet::Fleet;
use crate::metrics::Metrics;
use crate::queue::Queue;
use crate::settings::Settings;
use crate::world::World;

#[derive(Clone)]
pub struct Context {
    /// Refuses to write without a valid lease.
    pub client: Client,
    pub world: Arc<World>,
    pub queue: Arc<Queue>,
    pub fleet: Arc<Fleet>,
    pub applier: Arc<Applier>,
    pub recorder: Recorder,
    pub metrics: Metrics,
    pub settings: Arc<Settings>,
}

impl Context {
    /// The one place that reads the clock.
    #[must_use]
    pub fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::now()
    }
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Context")
    }
}
