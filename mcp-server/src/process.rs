//! The parts that both processes share, the endpoint's and the gateway's: metrics, readiness, the
//! admin listener, and the certificate and socket of the public listener.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use daemon::{Readiness, Shutdown, Tasks};
use prometheus::Registry;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::http::reload;
use crate::http::tls::Certificate;
use crate::settings::TlsFiles;

/// The parts of a process that exist before its listeners.
pub(crate) struct ProcessParts {
    pub(crate) tasks: Tasks,
    pub(crate) registry: Registry,
    pub(crate) readiness: Readiness,
}

impl ProcessParts {
    pub(crate) fn new(shutdown: Shutdown) -> anyhow::Result<Self> {
        let registry = Registry::new();
        daemon::build_info!().register(&registry)?;
        Ok(Self { tasks: Tasks::new(shutdown), registry, readiness: Readiness::default() })
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
    TcpListener::bind(address).await.with_context(|| format!("failed to listen on {address}"))
}

/// Loads the certificate and follows its files. `None` without files: the listener is plaintext.
pub(crate) async fn start_tls(files: Option<TlsFiles>, tasks: &Tasks) -> anyhow::Result<Option<TlsAcceptor>> {
    let Some(files) = files else { return Ok(None) };
    let certificate = Certificate::load(files).await?;
    let config = certificate.server_config()?;
    let shutdown = tasks.shutdown().clone();
    tasks.spawn_vital("certificate", reload::follow_certificate(certificate, shutdown));
    Ok(Some(TlsAcceptor::from(Arc::new(config))))
}
