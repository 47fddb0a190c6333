//! The parts that both processes share, the endpoint's and the gateway's: metrics, readiness, the
//! admin listener, and the public listener.

use std::net::SocketAddr;

use anyhow::Context as _;
use axum::Router;
use daemon::https::{self, Listener, ListenerLimits, ListenerMetrics, ReloadingCertificate, TlsFiles};
use daemon::{Readiness, Shutdown, Tasks};
use prometheus::Registry;
use tokio::net::TcpListener;
use tokio_util::task::TaskTracker;

/// The parts of a process that exist before its listeners.
pub(crate) struct ProcessParts {
    pub(crate) tasks: Tasks,
    pub(crate) registry: Registry,
    pub(crate) readiness: Readiness,
    listener_metrics: ListenerMetrics,
}

impl ProcessParts {
    /// `metrics_prefix` is that of the metrics of the public listener.
    pub(crate) fn new(shutdown: Shutdown, metrics_prefix: &str) -> anyhow::Result<Self> {
        let registry = Registry::new();
        daemon::build_info!().register(&registry)?;
        let listener_metrics = ListenerMetrics::register(&registry, metrics_prefix)?;
        let readiness = Readiness::default();
        Ok(Self { tasks: Tasks::new(shutdown), registry, readiness, listener_metrics })
    }

    /// Serves probes and metrics, if there is an address. Metrics must be registered before.
    pub(crate) async fn start_admin(&self, address: Option<SocketAddr>) -> anyhow::Result<()> {
        let Some(address) = address else { return Ok(()) };
        let listener = bind(address).await?;
        tracing::info!(address = %listener.local_addr()?, "admin listener open");
        let router = daemon::admin::router(self.readiness.clone(), self.registry.clone());
        let shutdown = self.tasks.shutdown().clone();
        self.tasks.spawn_vital("admin", async move {
            if let Err(error) = daemon::admin::serve(listener, router, shutdown).await {
                tracing::error!(error = daemon::error_chain(&error), "admin listener failed");
            }
        });
        Ok(())
    }
}

pub(crate) async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    daemon::listen::bind(address).await.with_context(|| format!("failed to listen on {address}"))
}

/// Opens the public listener, and follows the files of its certificate. Without files it serves
/// plaintext.
pub(crate) async fn open_listener(
    address: SocketAddr,
    tls: Option<TlsFiles>,
    limits: ListenerLimits,
    router: Router,
    process: &ProcessParts,
) -> anyhow::Result<Listener> {
    let metrics = process.listener_metrics.clone();
    let tls = match tls {
        Some(files) => {
            let certificate = ReloadingCertificate::load(files).await?;
            let config = https::server_config(&certificate)?;
            let watch = certificate.watch(metrics.clone(), process.tasks.shutdown().clone());
            process.tasks.spawn_vital("certificate", watch);
            Some(config)
        }
        None => None,
    };
    let socket = bind(address).await?;
    Ok(Listener { socket, tls, router, metrics, limits, connections: TaskTracker::new() })
}
