//! The default command: runs the operator.
//!
//! Every replica answers probes and runs the watches. Only the replica that leads runs workers.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use daemon::{Readiness, Shutdown, Tasks, telemetry};
use kube::Client;

use crate::clock::Clock;
use crate::fenced_client;
use crate::jitter::Jitter;
use crate::lease::{WriteFence, WriteFenceLayer};
use crate::metrics::Metrics;
use crate::preconditions;
use crate::relay_client::RelayClient;
use crate::settings::{LogFormat, Settings};
use crate::startup::{self, DRAIN_TIMEOUT, Environment};

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
    // Before the probe is served: a process without checks is ready.
    let may_run = readiness.check("installation", "the installation has not been checked yet");
    serve_admin(&settings, &readiness, registry, &tasks).await?;

    let config = kube::Config::infer().await.context("failed to find the cluster's configuration")?;
    preconditions::wait(&Client::try_from(config.clone())?, &settings, &shutdown).await?;
    let fence = WriteFence::default();
    let unfenced = Client::try_from(config.clone()).context("failed to create a Kubernetes client")?;
    let layer = WriteFenceLayer { fence: fence.clone(), metrics: metrics.clone() };
    let fenced = fenced_client::create(config, &layer)?;
    let relay_api = Arc::new(RelayClient::new());
    let environment =
        Environment { unfenced, fenced, fence, relay_api, clock: Clock::system(), jitter: Jitter::random() };
    let _context = startup::start(environment, settings, metrics, &readiness, &tasks);
    may_run.pass();

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
    let listener = daemon::listen::bind(settings.admin_listen)
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
