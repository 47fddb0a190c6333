//! Starts the parts of the operator: watches, workers and the election.
//!
//! Everything outside the process is an argument, so that a simulator starts the same code against
//! a model of a cluster.

use std::sync::Arc;
use std::time::Duration;

use daemon::{Readiness, Shutdown, Tasks};
use kube::Client;
use protocol::admin::Term;
use tokio::sync::watch;

use crate::apply::Applier;
use crate::caches::Caches;
use crate::clock::Clock;
use crate::clock_steps::ClockSteps;
use crate::context::Context;
use crate::controller::{self, Failures};
use crate::deleted_objects::DeletedObjects;
use crate::event_queue::EventQueue;
use crate::fenced_relay_api::FencedRelayApi;
use crate::jitter::Jitter;
use crate::lease::{BeginTerm, Election, Leadership, WriteFence};
use crate::metrics::Metrics;
use crate::queue::{Queue, WorkerKind};
use crate::relay_api::RelayApi;
use crate::relay_replicas::RelayReplicas;
use crate::settings::Settings;
use crate::watches::{SyncState, Watches};

/// Time for running reconciles after SIGTERM, before the lease is released.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// Number of workers that take urgent objects only.
const RESERVED_WORKERS: usize = 2;
/// Interval between two updates of the metrics of the queue.
const METRICS_INTERVAL: Duration = Duration::from_secs(5);

/// Everything outside the process that the operator works with.
pub struct Environment {
    /// Reads, watches, and writes the lease.
    pub unfenced: Client,
    /// Writes everything else. Its requests pass a [`crate::lease::WriteFenceLayer`] with `fence`.
    pub fenced: Client,
    pub fence: WriteFence,
    pub relay_api: Arc<dyn RelayApi>,
    pub clock: Clock,
    pub jitter: Jitter,
}

/// Starts the watches, the workers and the election as tasks that run until shutdown.
pub fn start(
    environment: Environment,
    settings: Settings,
    metrics: Metrics,
    readiness: &Readiness,
    tasks: &Tasks,
) -> Context {
    let Environment { unfenced, fenced, fence, relay_api, clock, jitter } = environment;
    let queue = Arc::new(Queue::default());
    let caches = Arc::new(Caches::new(Arc::clone(&queue)));
    let leadership = Arc::new(Leadership::new(fence.clone()));
    let relay_api = Arc::new(FencedRelayApi::new(relay_api, Arc::clone(&leadership)));
    let relay_replicas = RelayReplicas::new(relay_api, Arc::clone(&leadership), Arc::clone(&queue));
    let context = Context {
        client: fenced,
        applier: Arc::new(Applier::new(Arc::clone(&caches))),
        caches,
        clock_steps: Arc::new(ClockSteps::new(clock.clone(), Arc::clone(&queue))),
        queue,
        relay_replicas: Arc::new(relay_replicas),
        leadership,
        events: EventQueue::new(clock.clone(), metrics.clone()),
        clock,
        jitter,
        metrics,
        settings: Arc::new(settings),
        rollouts: Arc::default(),
        sent_statuses: Arc::default(),
        settled_secrets: Arc::default(),
        first_attempts: Arc::default(),
        deleted: Arc::new(DeletedObjects::default()),
    };
    let watches = watches(&context, unfenced.clone(), readiness, tasks);
    watches.start(&context.settings.watch_namespaces);
    spawn_workers(unfenced, &context, fence, &watches, tasks);
    spawn_events(&context, tasks);
    spawn_metrics(&context, tasks);
    spawn_clock_steps(&context, tasks);
    context
}

fn watches(context: &Context, client: Client, readiness: &Readiness, tasks: &Tasks) -> Watches {
    Watches {
        client,
        tasks: tasks.clone(),
        readiness: readiness.clone(),
        queue: Arc::clone(&context.queue),
        caches: Arc::clone(&context.caches),
        deleted: Arc::clone(&context.deleted),
        metrics: context.metrics.clone(),
        jitter: context.jitter.clone(),
        sync: SyncState::default(),
    }
}

/// Spawns the election and the workers. Workers reconcile only while this replica leads.
fn spawn_workers(client: Client, context: &Context, fence: WriteFence, watches: &Watches, tasks: &Tasks) {
    let failures = Arc::new(Failures::default());
    let begin_term = begin_term(context, watches, &failures);
    let leadership = (fence, Arc::clone(&context.leadership));
    let (sync, drawn) = (watches.sync.clone(), (context.clock.clone(), context.jitter.clone()));
    let election = Arc::new(Election::new(client, &context.settings, leadership, sync, drawn, begin_term));
    let shutdown = tasks.shutdown().clone();
    let (stopped, all_stopped) = watch::channel(());
    let general = (0..context.settings.concurrency).map(|_| WorkerKind::General);
    for kind in general.chain(std::iter::repeat_n(WorkerKind::Reserved, RESERVED_WORKERS)) {
        let worker = worker(context.clone(), kind, Arc::clone(&failures), shutdown.clone());
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
            daemon::shutdown::within(DRAIN_TIMEOUT, "workers", stopped.closed()).await.is_some()
        };
        election.run(shutdown, drained).await;
    });
}

/// Forgets what a former term knew, and enqueues every object. Another replica may have led in
/// between.
fn begin_term(context: &Context, watches: &Watches, failures: &Arc<Failures>) -> BeginTerm {
    let (context, watches, failures) = (context.clone(), watches.clone(), Arc::clone(failures));
    Box::new(move || {
        context.relay_replicas.clear();
        context.first_attempts.clear();
        context.sent_statuses.clear();
        context.settled_secrets.clear();
        context.queue.clear();
        context.rollouts.clear();
        failures.forget_all();
        watches.enqueue_all();
    })
}

/// Runs a worker in every term of this replica. A reconcile is dropped when the term ends; the
/// fence refuses its writes anyway.
async fn worker(context: Context, kind: WorkerKind, failures: Arc<Failures>, shutdown: Shutdown) {
    let mut terms = context.leadership.subscribe();
    loop {
        let term = tokio::select! {
            biased;
            () = shutdown.begun() => return,
            term = terms.wait_for(Option::is_some) => match term {
                Ok(term) => *term,
                Err(_) => return,
            },
        };
        let is_over = |current: &Option<Term>| *current != term;
        let mut watched = terms.clone();
        tokio::select! {
            biased;
            _ = watched.wait_for(is_over), if !shutdown.has_begun() => {}
            () = controller::work(context.clone(), kind, Arc::clone(&failures), &shutdown) => return,
        }
    }
}

fn spawn_events(context: &Context, tasks: &Tasks) {
    let (events, client, settings) =
        (context.events.clone(), context.client.clone(), Arc::clone(&context.settings));
    let shutdown = tasks.shutdown().clone();
    tasks.spawn_vital("events", async move {
        tokio::select! { biased; () = shutdown.begun() => {}, () = events.run(client, &settings.pod_name) => {} }
    });
}

fn spawn_clock_steps(context: &Context, tasks: &Tasks) {
    let (steps, shutdown) = (Arc::clone(&context.clock_steps), tasks.shutdown().clone());
    tasks.spawn_vital("clock-steps", async move {
        tokio::select! { biased; () = shutdown.begun() => {}, () = steps.follow() => {} }
    });
}

/// Keeps the gauges about leading and about the queue up to date.
fn spawn_metrics(context: &Context, tasks: &Tasks) {
    let (context, shutdown) = (context.clone(), tasks.shutdown().clone());
    tasks.spawn_vital("metrics", async move {
        let mut terms = context.leadership.subscribe();
        while !shutdown.has_begun() {
            context.metrics.is_leader.set(i64::from(terms.borrow_and_update().is_some()));
            context.metrics.queue_oldest.set(context.queue.age().as_secs_f64());
            tokio::select! {
                () = shutdown.begun() => {}
                _ = terms.changed() => {}
                () = tokio::time::sleep(METRICS_INTERVAL) => {}
            }
        }
    });
}
