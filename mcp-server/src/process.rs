//! The process: what is started, in which order, and how it ends.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use daemon::readiness::Check;
use daemon::{Readiness, Shutdown, Tasks};
use msg2agent::Config;
use prometheus::Registry;
use rmcp::ServiceExt as _;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

use crate::http::bearer::Bearer;
use crate::http::guard::Guard;
use crate::http::outbound::Outbound;
use crate::http::sessions::Sessions;
use crate::http::tls::Certificate;
use crate::http::{self, listener, reload};
use crate::mailbox::Mailbox;
use crate::metrics::Metrics;
use crate::network::link::Link;
use crate::server::Server;
use crate::settings::{Http, Settings};
use crate::store::Store;
use crate::tool::Toolbox;

mod sign_in;

/// Open connections. One agent's clients need a few each, and its gateway one for each request under way.
const CONNECTIONS_MAX: usize = 512;

/// Runs until a signal, the end of standard input (stdio), or a failure that a restart may cure.
///
/// # Errors
/// Settings that cannot be used, addresses that cannot be bound, tasks that ended early.
pub async fn run(settings: Settings, shutdown: Shutdown) -> anyhow::Result<()> {
    let http = settings.http()?;
    let tasks = Tasks::new(shutdown.clone());
    let (registry, readiness) = (Registry::new(), Readiness::default());
    daemon::build_info!().register(&registry)?;
    let metrics = Metrics::register(&registry)?;
    if let Some(address) = settings.admin_listen {
        start_admin(address, readiness.clone(), registry, &tasks).await?;
    }
    let relay = readiness.check("relay", "connecting to the relay for the first time");
    let draining = drain_check(&readiness);

    let config = config(&settings)?;
    let mailbox = Arc::new(Mailbox::new(open_store(&config).await?));
    let link = Arc::new(Link::new(config));
    let kept = keep_link(Arc::clone(&link), Arc::clone(&mailbox), metrics.clone(), relay, &tasks);
    let toolbox = Toolbox {
        network: Arc::clone(&link) as Arc<_>,
        mailbox: Arc::clone(&mailbox),
        metrics: metrics.clone(),
    };
    let server = Server::new(Arc::new(toolbox));

    let served = async {
        match http {
            Some(http) => serve_http(server, http, metrics, &settings, &tasks).await,
            None => serve_stdio(server, &shutdown).await,
        }
    };
    let result = tokio::select! {
        result = served => result,
        failed = tasks.failed() => Err(failed.into()),
        Ok(error) = kept => Err(anyhow::Error::new(error).context("failed to run the agent")),
    };
    shutdown.begin();
    draining.fail("shutting down");
    daemon::shutdown::within(settings.drain_grace(), "relay", link.close()).await;
    tasks.finished(settings.drain_grace()).await;
    mailbox.close().await;
    result
}

fn config(settings: &Settings) -> anyhow::Result<Config> {
    let found = settings.dir.as_ref().map_or_else(Config::find, Config::from_dir);
    let config =
        found.map_err(|error| anyhow::Error::new(error).context("failed to read the agent's settings"))?;
    Ok(match &settings.state_dir {
        Some(folder) => config.with_state_dir(folder),
        None => config,
    })
}

async fn open_store(config: &Config) -> anyhow::Result<Store> {
    let store = match config.state_dir() {
        Some(folder) => Store::open(folder).await,
        None => Store::in_memory().await,
    };
    store.context("failed to open the mailbox")
}

fn drain_check(readiness: &Readiness) -> Check {
    let check = readiness.check("process", "starting");
    check.pass();
    check
}

pub(crate) async fn start_admin(
    address: SocketAddr,
    readiness: Readiness,
    registry: Registry,
    tasks: &Tasks,
) -> anyhow::Result<()> {
    let listener =
        TcpListener::bind(address).await.with_context(|| format!("failed to listen on {address}"))?;
    tracing::info!(address = %listener.local_addr()?, "admin listener open");
    let router = daemon::admin::router(readiness, registry);
    let shutdown = tasks.shutdown().clone();
    tasks.spawn_vital("admin", async move {
        if let Err(error) = daemon::admin::serve(listener, router, shutdown).await {
            tracing::error!(%error, "admin listener failed");
        }
    });
    Ok(())
}

/// The task `link`; its error arrives when the agent cannot go on.
fn keep_link(
    link: Arc<Link>,
    mailbox: Arc<Mailbox>,
    metrics: Metrics,
    ready: Check,
    tasks: &Tasks,
) -> oneshot::Receiver<msg2agent::Error> {
    let (ended, kept) = oneshot::channel();
    let shutdown = tasks.shutdown().clone();
    tasks.spawn("link", async move {
        tokio::select! {
            error = link.keep(&mailbox, &metrics, &ready) => drop(ended.send(error)),
            () = shutdown.begun() => {}
        }
    });
    kept
}

async fn serve_http(
    server: Server,
    http: Http,
    metrics: Metrics,
    settings: &Settings,
    tasks: &Tasks,
) -> anyhow::Result<()> {
    let shutdown = tasks.shutdown().clone();
    let key = reload::token(&http.token).await.with_context(|| http.token.display().to_string())?;
    let agent = server.agent();
    let tokens = match &http.oauth {
        Some(oauth) => {
            let outbound = Outbound::open(oauth.ca.clone())?;
            tasks.spawn_vital("authority", reload::follow_authority(outbound.clone(), shutdown.clone()));
            Some(sign_in::tokens(oauth, agent.clone(), outbound))
        }
        None => None,
    };
    let guard = Guard::new(Bearer::new(key, tokens), Sessions::default(), metrics);
    let (token, follower, until) = (http.token.clone(), guard.clone(), shutdown.clone());
    tasks.spawn_vital("token", async move { reload::follow_token(&token, follower, until).await });
    let tls = match &http.tls {
        Some(files) => Some(start_tls(Certificate::load(files.clone()).await?, tasks)?),
        None => None,
    };
    let address = http.listen;
    let bound = TcpListener::bind(address).await.with_context(|| format!("failed to listen on {address}"))?;
    tracing::info!(address = %bound.local_addr()?, tls = tls.is_some(), "serving MCP at /mcp");
    let router = http::router(move || server.for_a_client(), &http, guard, agent.as_str());
    listener::serve(bound, tls, router, shutdown, settings.drain_grace(), CONNECTIONS_MAX).await;
    Ok(())
}

pub(crate) fn start_tls(certificate: Certificate, tasks: &Tasks) -> anyhow::Result<TlsAcceptor> {
    let config = certificate.server_config()?;
    let shutdown = tasks.shutdown().clone();
    tasks.spawn_vital("certificate", reload::follow_certificate(certificate, shutdown));
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Serves the client that started this process, until it closes standard input.
async fn serve_stdio(server: Server, shutdown: &Shutdown) -> anyhow::Result<()> {
    let serving = async {
        let service = server.for_a_client().serve(rmcp::transport::io::stdio_pipes()).await?;
        service.waiting().await?;
        anyhow::Ok(())
    };
    tokio::select! {
        result = serving => result.context("failed to serve over standard input and output"),
        () = shutdown.begun() => Ok(()),
    }
}
