//! The admin and health listeners. They serve probes while the mailboxes are still being restored,
//! and the admin API after that; requests to it wait until then.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use daemon::https::{Listener, ListenerLimits, ListenerMetrics};
use daemon::{LateRouter, Readiness, Shutdown, Tasks};
use prometheus::Registry;
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio_util::task::TaskTracker;

/// Connections to the admin listener. An operator keeps some twenty, and each person one.
const ADMIN_CONNECTIONS_MAX: usize = 256;
/// Time for requests to the admin API under way at shutdown, which end after one commit.
const ADMIN_GRACE: Duration = Duration::from_secs(3);

pub(super) struct AdminListeners {
    pub(super) admin: TcpListener,
    pub(super) tls: Option<Arc<ServerConfig>>,
    /// Without one, the admin listener serves probes and metrics.
    pub(super) health: Option<TcpListener>,
}

impl AdminListeners {
    /// Starts both until `end`. The routes of the admin API are set later, in the result.
    pub(super) fn start(
        self,
        readiness: Readiness,
        registry: &Registry,
        tasks: &Tasks,
        end: &Shutdown,
    ) -> Result<LateRouter> {
        let metrics = ListenerMetrics::register(registry, "msg2agent_relay_admin")?;
        let probes = daemon::admin::router(readiness, registry.clone());
        let operations = LateRouter::default();
        let router = operations.clone().into_router();
        let router = match self.health {
            Some(socket) => {
                let serving = daemon::admin::serve(socket, probes, end.clone());
                tasks.spawn_vital("health-listener", async {
                    if let Err(error) = serving.await {
                        tracing::error!(%error, "the health listener failed");
                    }
                });
                router
            }
            None => router.merge(probes),
        };
        let limits = ListenerLimits::new(ADMIN_CONNECTIONS_MAX).with_address_share(100);
        let connections = TaskTracker::new();
        let listener = Listener { socket: self.admin, tls: self.tls, router, metrics, limits, connections };
        tasks.spawn_vital("admin-listener", listener.serve(end.clone(), ADMIN_GRACE));
        Ok(operations)
    }
}
