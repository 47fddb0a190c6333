//! The default command: runs the operator.
//!
//! Every replica answers probes and runs the watches. Only the replica that leads runs workers.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use daemon::{Readiness, Shutdown, Tasks, telemetry};
use kube::Client;
use kube::client::ConfigExt as _;
use kube::runtime::events::{Recorder, Reporter};
use tokio::sync::watch;

use crate::apply::Applier;
use crate::clock::Clock;
use crate::context::Context;
use crate::controller::{self, Failures};
use crate::lease::{Election, Leadership, WriteFence, WriteFenceLayer};
use crate::metrics::Metrics;
use crate::queue::Queue;
use crate::relay_client::RelayClient;
use crate::relay_replicas::RelayReplicas;
use crate::settings::{LogFormat, Settings};
use crate::watches;

/// Time for running reconciles after SIGTERM, before the lease is released.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);
/// Extra time for releasing the lease, and for the other tasks.
const RELEASE_GRACE: Duration = Duration::from_secs(5);

/// Runs the operator until SIGTERM or SIGINT.
///
/// # Errors
/// Invalid settings, no configuration for the API server, or a vital task that ended early.
pub async fn run(settings: Settings) -> anyhow::Result<()> {
    let build = daemon::build_info!();
    let _telemetry = telemetry::install(&telemetry_settings(&settings, build))?;
    tracing::info!(version = build.version, "msg2agent-operator is starting");
    daemon::open_files::raise_limit();
    let registry = prometheus::Registry::new();
    build.register(&registry)?;
    let metrics = Metrics::register(&registry)?;
    let shutdown = Shutdown::on_signals()?;
    let (tasks, readiness) = (Tasks::new(shutdown.clone()), Readiness::default());
    serve_admin(&settings, &readiness, registry, &tasks).await?;

    let config = kube::Config::infer().await.context("failed to find the cluster's configuration")?;
    let fence = WriteFence::default();
    let unfenced = Client::try_from(config.clone()).context("failed to create a Kubernetes client")?;
    let layer = WriteFenceLayer { fence: fence.clone(), metrics: metrics.clone() };
    let fenced = fenced_client(config, layer)?;
    let queue = Arc::new(Queue::default());
    let caches = Arc::new(watches::start(&unfenced, &tasks, &queue, &readiness));
    let reporter =
        Reporter { controller: "msg2agent-operator".into(), instance: Some(settings.pod_name.clone()) };
    let leadership = Arc::new(Leadership::default());
    let context = Context {
        client: fenced.clone(),
        applier: Arc::new(Applier::new(Arc::clone(&caches.fingerprints))),
        caches,
        queue,
        relay_replicas: Arc::new(RelayReplicas::new(Arc::new(RelayClient::new()?), Arc::clone(&leadership))),
        leadership,
        clock: Clock::system(),
        recorder: Recorder::new(fenced, reporter),
        metrics,
        settings: Arc::new(settings),
    };
    spawn_election(unfenced, context, fence, &tasks);

    tokio::select! {
        () = shutdown.begun() => {}
        failed = tasks.failed() => return Err(failed.into()),
    }
    tasks.finished(DRAIN_TIMEOUT + RELEASE_GRACE).await;
    Ok(())
}

fn telemetry_settings(settings: &Settings, build: daemon::BuildInfo) -> telemetry::Settings {
    telemetry::Settings {
        build,
        format: match settings.log_format {
            LogFormat::Text => telemetry::Format::Text,
            LogFormat::Json => telemetry::Format::Json,
        },
        filter: settings.log_filter.clone(),
        otlp_endpoint: settings.otlp_endpoint.clone(),
    }
}

/// Serves probes and metrics, before the cluster is reached and independent of leading.
async fn serve_admin(
    settings: &Settings,
    readiness: &Readiness,
    registry: prometheus::Registry,
    tasks: &Tasks,
) -> anyhow::Result<()> {
    let listener = tokio::net::TcpListener::bind(settings.admin_listen)
        .await
        .with_context(|| format!("failed to listen on {}", settings.admin_listen))?;
    let router = daemon::admin::router(readiness.clone(), registry);
    let shutdown = tasks.shutdown().clone();
    tasks.spawn_vital("admin", async move {
        if let Err(error) = daemon::admin::serve(listener, router, shutdown).await {
            tracing::error!(%error, "the admin listener failed");
        }
    });
    Ok(())
}

/// A client that refuses to write without a valid lease.
fn fenced_client(config: kube::Config, fence: WriteFenceLayer) -> anyhow::Result<Client> {
    let namespace = config.default_namespace.clone();
    let connector = config.rustls_https_connector().context("failed to set up TLS for the API server")?;
    let transport =
        hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new()).build(connector);
    let service = tower::ServiceBuilder::new()
        .layer(fence)
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer().context("failed to read the credentials for the API server")?)
        .map_err(tower::BoxError::from)
        .service(transport);
    Ok(Client::new(service, namespace))
}

/// Spawns the election and the workers. Workers reconcile only while this replica leads.
fn spawn_election(client: Client, context: Context, fence: WriteFence, tasks: &Tasks) {
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
    let (metrics, mut leading) = (context.metrics, leading);
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
