//! Starts the parts of the operator: watches, workers and the election.
//!
//! Everything outside the process is an argument, so that a simulator starts the same code against
//! a model of a cluster.

use std::sync::Arc;
use std::time::Duration;

use daemon::{Readiness, Shutdown, Tasks};
use kube::Client;
use kube::runtime::events::{Recorder, Reporter};
use tokio::sync::watch;

use crate::apply::Applier;
use crate::clock::Clock;
use crate::context::Context;
use crate::controller::{self, Failures};
use crate::lease::{Election, Leadership, WriteFence};
use crate::metrics::Metrics;
use crate::queue::Queue;
use crate::relay_api::RelayApi;
use crate::relay_replicas::RelayReplicas;
use crate::settings::Settings;
use crate::watches;

/// Time for running reconciles after SIGTERM, before the lease is released.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// Everything outside the process that the operator works with.
pub struct Environment {
    /// Reads, watches, and writes the lease.
    pub unfenced: Client,
    /// Writes everything else. Its requests pass a [`crate::lease::WriteFenceLayer`] with `fence`.
    pub fenced: Client,
    pub fence: WriteFence,
    pub relay_api: Arc<dyn RelayApi>,
    pub clock: Clock,
}

/// Starts the watches, the workers and the election as tasks that run until shutdown.
pub fn start(
    environment: Environment,
    settings: Settings,
    metrics: Metrics,
    readiness: &Readiness,
    tasks: &Tasks,
) -> Context {
    let Environment { unfenced, fenced, fence, relay_api, clock } = environment;
    let queue = Arc::new(Queue::default());
    let caches = Arc::new(watches::start(&unfenced, &settings.watch_namespaces, tasks, &queue, readiness));
    let reporter =
        Reporter { controller: "msg2agent-operator".into(), instance: Some(settings.pod_name.clone()) };
    let leadership = Arc::new(Leadership::default());
    let context = Context {
        client: fenced.clone(),
        applier: Arc::new(Applier::new(Arc::clone(&caches.fingerprints))),
        caches,
        queue,
        relay_replicas: Arc::new(RelayReplicas::new(relay_api, Arc::clone(&leadership))),
        leadership,
        clock,
        recorder: Recorder::new(fenced, reporter),
        metrics,
        settings: Arc::new(settings),
        rollouts: Arc::default(),
        sent_statuses: Arc::default(),
        first_attempts: Arc::default(),
    };
    spawn_election(unfenced, &context, fence, tasks);
    context
}

/// Spawns the election and the workers. Workers reconcile only while this replica leads.
fn spawn_election(client: Client, context: &Context, fence: WriteFence, tasks: &Tasks) {
    let election = Arc::new(Election::new(client, &context.settings, fence));
    let leading = election.leading();
    let shutdown = tasks.shutdown().clone();
    let (stopped, all_stopped) = watch::channel(());
    let failures = Arc::new(Failures::default());
    for _ in 0..context.settings.concurrency {
        let worker = worker(context.clone(), Arc::clone(&failures), leading.clone(), shutdown.clone());
        // Dropped when the worker ends. The election releases the lease when no clone is left.
        let running = all_stopped.clone();
        tasks.spawn_vital("worker", async move {
            worker.await;
            drop(running);
        });
    }
    drop(all_stopped);
    tasks.spawn_vital("lease", async move {
        let drained = async move {
            daemon::shutdown::within(DRAIN_TIMEOUT, "workers", stopped.closed()).await.unwrap_or_default()
        };
        election.run(shutdown, drained).await;
    });
    let (metrics, mut leading) = (context.metrics.clone(), leading);
    tasks.spawn("leader-metric", async move {
        while leading.changed().await.is_ok() {
            metrics.is_leader.set(i64::from(*leading.borrow_and_update()));
        }
    });
}

/// Runs a worker while this replica leads. A reconcile is dropped when the lease is lost; the fence
/// refuses its writes anyway.
async fn worker(
    context: Context,
    failures: Arc<Failures>,
    mut leading: watch::Receiver<bool>,
    shutdown: Shutdown,
) {
    loop {
        tokio::select! {
            () = shutdown.begun() => return,
            leads = leading.wait_for(|leads| *leads) => if leads.is_err() { return },
        }
        let mut watched = leading.clone();
        tokio::select! {
            () = controller::work(context.clone(), Arc::clone(&failures), &shutdown) => return,
            _ = watched.wait_for(|leads| !*leads), if !shutdown.has_begun() => {}
        }
    }
}
