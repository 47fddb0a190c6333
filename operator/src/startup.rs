//! Puts the process together: watches and probes in every replica, workers in the one that leads.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use daemon::{Readiness, Shutdown, Tasks};
use kube::Client;
use kube::client::ConfigExt as _;
use kube::runtime::events::{Recorder, Reporter};
use tokio::sync::watch;

use crate::apply::Applier;
use crate::context::Context;
use crate::controller::{self, Failures};
use crate::fleet::Fleet;
use crate::lease::{Election, Gate, GateLayer};
use crate::metrics::Metrics;
use crate::queue::Queue;
use crate::relay_client::RelayClient;
use crate::settings::{LogFormat, Settings};
use crate::world;

/// How long work under way may take after SIGTERM, before the lease is given back.
const DRAIN: Duration = Duration::from_secs(5);

/// Runs the operator until SIGTERM or SIGINT.
///
/// # Errors
/// A setting that cannot be used, no way to the API server, or a task that ended early.
pub async fn run(settings: Settings) -> anyhow::Result<()> {
    let build = daemon::build_info!();
    let _telemetry = daemon::telemetry::install(&daemon::telemetry::Settings {
        build,
        format: match settings.log_format {
            LogFormat::Text => daemon::telemetry::Format::Text,
            LogFormat::Json => daemon::telemetry::Format::Json,
        },
        filter: settings.log_filter.clone(),
        otlp_endpoint: settings.otlp_endpoint.clone(),
    })?;
    tracing::info!(version = build.version, "msg2agent-operator starts");
    let registry = prometheus::Registry::new();
    build.register(&registry)?;
    let metrics = Metrics::register(&registry)?;
    let shutdown = Shutdown::on_signals()?;
    let (tasks, readiness) = (Tasks::new(shutdown.clone()), Readiness::default());
    serve_admin(&settings, &readiness, registry, &tasks).await?;

    let config = kube::Config::infer().await.context("find the cluster's configuration")?;
    let gate = Gate::default();
    let free = Client::try_from(config.clone()).context("make a client")?;
    let fenced = fenced_client(config, GateLayer { gate: gate.clone(), metrics: metrics.clone() })?;
    let queue = Arc::new(Queue::default());
    let world = Arc::new(world::start(&free, &tasks, &queue, &readiness));
    let reporter =
        Reporter { controller: "msg2agent-operator".into(), instance: Some(settings.pod_name.clone()) };
    let context = Context {
        client: fenced.clone(),
        applier: Arc::new(Applier::new(Arc::clone(&world.marks))),
        world,
        queue,
        fleet: Arc::new(Fleet::new(RelayClient::new()?)),
        recorder: Recorder::new(fenced, reporter),
        metrics,
        settings: Arc::new(settings),
    };
    lead(free, context, gate, &tasks);

    tokio::select! {
        () = shutdown.begun() => {}
        failed = tasks.failed() => return Err(failed.into()),
    }
    tasks.finished(DRAIN + Duration::from_secs(5)).await;
    Ok(())
}

/// Probes come up before the cluster is reached and do not depend on leading.
async fn serve_admin(
    settings: &Settings,
    readiness: &Readiness,
    registry: prometheus::Registry,
    tasks: &Tasks,
) -> anyhow::Result<()> {
    let listener = tokio::net::TcpListener::bind(settings.admin_listen)
        .await
        .with_context(|| format!("listen on {}", settings.admin_listen))?;
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
fn fenced_client(config: kube::Config, gate: GateLayer) -> anyhow::Result<Client> {
    let namespace = config.default_namespace.clone();
    let connector = config.rustls_https_connector().context("set up TLS to the API server")?;
    let transport =
        hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new()).build(connector);
    let service = tower::ServiceBuilder::new()
        .layer(gate)
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer().context("read the cluster credentials")?)
        .map_err(tower::BoxError::from)
        .service(transport);
    Ok(Client::new(service, namespace))
}

/// Starts the election and the workers, which work only while this replica leads.
fn lead(free: Client, context: Context, gate: Gate, tasks: &Tasks) {
    let election = Arc::new(Election::new(free, &context.settings, gate));
    let leading = election.leading();
    let shutdown = tasks.shutdown().clone();
    let (stopped, all_stopped) = watch::channel(());
    let failures = Arc::new(Failures::default());
    for _ in 0..context.settings.concurrency {
        let worker = worker(context.clone(), Arc::clone(&failures), leading.clone(), shutdown.clone());
        // Held until the worker ends: the election gives the lease back when the last one is dropped.
        let running = all_stopped.clone();
        tasks.spawn("worker", async move {
            worker.await;
            drop(running);
        });
    }
    drop(all_stopped);
    tasks.spawn_vital("lease", async move {
        let drained = async move {
            daemon::shutdown::within(DRAIN, "workers", stopped.closed()).await.unwrap_or_default()
        };
        election.run(shutdown, drained).await;
    });
    let (metrics, mut leads) = (context.metrics.clone(), leading);
    tasks.spawn("leader-metric", async move {
        while leads.changed().await.is_ok() {
            metrics.is_leader.set(i64::from(*leads.borrow_and_update()));
        }
    });
}

/// Works while this replica leads. A pass under way when the lease is lost is dropped; the gate refuses its writes anyway.
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
