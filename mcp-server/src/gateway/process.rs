//! The gateway's process: what is started, in which order, and how it ends.

use std::sync::Arc;

use anyhow::Context as _;
use daemon::{Readiness, Shutdown, Tasks};
use prometheus::Registry;
use tokio::net::TcpListener;

use super::directory::Directory;
use super::door::{self, Door};
use super::introspector::Introspector;
use super::metrics::Metrics;
use super::settings::Settings;
use crate::http::outbound::Outbound;
use crate::http::tls::Certificate;
use crate::http::{listener, reload};
use crate::process::{start_admin, start_tls};

/// Open connections: a thousand clients with a stream and a call each, twice. About 40 kB each with TLS.
const CONNECTIONS_MAX: usize = 4_096;

/// Runs until a signal, or a failure that a restart may cure. After the signal it takes new connections for a while: those who send
/// clients here learn only then that it goes.
///
/// # Errors
/// Settings that cannot be used, addresses that cannot be bound, tasks that ended early.
pub async fn run(settings: Settings, shutdown: Shutdown) -> anyhow::Result<()> {
    settings.check()?;
    let tasks = Tasks::new(shutdown.clone());
    let (registry, readiness) = (Registry::new(), Readiness::default());
    daemon::build_info!().register(&registry)?;
    let metrics = Metrics::register(&registry)?;
    if let Some(address) = settings.admin_listen {
        start_admin(address, readiness.clone(), registry, &tasks).await?;
    }
    let ready = readiness.check("process", "starting");
    let outbound = Outbound::open(settings.ca_file.clone())?;
    let introspector =
        Introspector::open(&settings.introspection_url(), outbound.clone(), &settings.token_file)?;
    follow(&outbound, &introspector, &tasks);
    let leaving = Shutdown::new();
    let names = settings.names();
    let name = names_itself(&settings.public_url);
    let door = Door::new(door::Parts {
        names,
        directory: Directory::new(introspector, metrics.clone()),
        outbound,
        metrics,
        public_url: settings.public_url.clone(),
        shutdown: shutdown.clone(),
        leaving: leaving.clone(),
    });
    let router = door::router(door, &settings.public_url, &settings.issuer, &name);
    let tls = match settings.tls() {
        Some(files) => Some(start_tls(Certificate::load(files).await?, &tasks)?),
        None => None,
    };
    let bound = TcpListener::bind(settings.listen)
        .await
        .with_context(|| format!("failed to listen on {}", settings.listen))?;
    tracing::info!(address = %bound.local_addr()?, tls = tls.is_some(), "serving MCP for all agents at /mcp");
    ready.pass();
    let served =
        listener::serve(bound, tls, router, leaving.clone(), settings.drain_grace(), CONNECTIONS_MAX);
    let leave = async {
        shutdown.begun().await;
        ready.fail("shutting down");
        tokio::time::sleep(settings.drain_delay()).await;
        leaving.begin();
    };
    let result = tokio::select! {
        ((), ()) = async { tokio::join!(served, leave) } => Ok(()),
        failed = tasks.failed() => Err(failed.into()),
    };
    shutdown.begin();
    tasks.finished(settings.drain_grace()).await;
    result
}

/// Files that others replace while this process runs.
fn follow(outbound: &Outbound, introspector: &Introspector, tasks: &Tasks) {
    let until = tasks.shutdown().clone();
    tasks.spawn_vital("authority", reload::follow_authority(outbound.clone(), until.clone()));
    let introspector = Arc::new(introspector.clone());
    tasks.spawn_vital("token", async move {
        reload::follow("the gateway's token", || introspector.reload(), until).await;
    });
}

/// What clients show: the host.
fn names_itself(public_url: &str) -> String {
    let url = public_url.parse::<axum::http::Uri>().ok();
    url.as_ref().and_then(|url| url.host()).unwrap_or("gateway").to_owned()
}
