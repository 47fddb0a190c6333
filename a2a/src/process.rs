//! The process of the gateway: what it starts, in which order, and how it shuts down.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use daemon::https::{self, Listener, ListenerMetrics, ReloadingCertificate};
use daemon::token_file::{ReloadingToken, TokenFile};
use daemon::{Readiness, Shutdown, Tasks};
use msg2agent::Config;
use prometheus::Registry;
use rustls::pki_types::pem::PemObject as _;
use tokio_util::task::TaskTracker;

use crate::caller_check::{Callers, GatewayCallers, Introspector};
use crate::gateway::{TaskGateway, outbox_sender, push_sender};
use crate::network::Network as _;
use crate::relay_connection::RelayConnection;
use crate::settings::Settings;
use crate::store::TaskStore;
use crate::webhook::WebhookClient;

/// How often silent and old tasks are looked for.
const EXPIRY_INTERVAL: Duration = Duration::from_secs(60);

/// Runs until a signal, or a failure that a restart may cure. `router` makes the routes of the
/// public listener.
///
/// # Errors
/// Settings that cannot be used, addresses that cannot be bound, tasks that ended early.
pub async fn run(
    settings: Settings,
    shutdown: Shutdown,
    router: impl FnOnce(TaskGateway, Arc<GatewayCallers>, &Settings, &Config) -> anyhow::Result<Router>,
) -> anyhow::Result<()> {
    settings.check()?;
    let registry = Registry::new();
    daemon::build_info!().register(&registry)?;
    let metrics = ListenerMetrics::register(&registry, "msg2agent_a2a")?;
    let readiness = Readiness::default();
    let relay = readiness.check("relay", "connecting to the relay for the first time");
    let listening = readiness.check("process", "starting");
    let tasks = Tasks::new(shutdown.clone());
    start_admin(&settings, &readiness, registry, &tasks).await?;

    let config = Config::from_dir(&settings.dir).context("failed to read the agent's settings")?;
    let config = config.with_state_dir(&settings.state_dir);
    let store = TaskStore::open(&settings.state_dir).await.context("failed to open the store of tasks")?;
    let connection = Arc::new(RelayConnection::new(config.clone()));
    let (modes, policy) = (settings.modes(), settings.webhook_policy());
    let network = Arc::clone(&connection) as Arc<_>;
    let gateway = TaskGateway::new(store.clone(), network, modes, settings.answer_timeout(), policy);
    let tenant = connection.own_did().tenant().to_string();
    let callers = GatewayCallers::new(callers(&settings, &tasks).await?, tenant);
    let webhooks = WebhookClient::new(policy)?;
    tasks.spawn_vital("outbox", outbox_sender::run(gateway.clone(), shutdown.clone()));
    tasks.spawn_vital("webhooks", push_sender::run(gateway.clone(), webhooks, shutdown.clone()));
    tasks.spawn_vital("expiry", expire(gateway.clone(), shutdown.clone()));
    let router = router(gateway.clone(), callers, &settings, &config)?;
    let listener = open_listener(&settings, router, metrics, &tasks).await?;
    let (address, tls) = (listener.socket.local_addr()?, listener.tls.is_some());
    tracing::info!(%address, tls, "serving A2A");
    listening.pass();
    let grace = Duration::from_secs(settings.drain_grace_seconds);
    let result = tokio::select! {
        () = listener.serve(shutdown.clone(), grace) => Ok(()),
        failed = tasks.failed() => Err(failed.into()),
        error = connection.keep_connected(&gateway, &relay) => {
            Err(anyhow::Error::new(error).context("failed to run the gateway's agent"))
        }
    };
    shutdown.begin();
    listening.fail("shutting down");
    daemon::shutdown::within(grace, "relay", connection.close()).await;
    tasks.finished(grace).await;
    store.close().await;
    result
}

async fn start_admin(
    settings: &Settings,
    readiness: &Readiness,
    registry: Registry,
    tasks: &Tasks,
) -> anyhow::Result<()> {
    let Some(address) = settings.admin_listen else { return Ok(()) };
    let listener = daemon::listen::bind(address).await;
    let listener = listener.with_context(|| format!("failed to listen on {address}"))?;
    tracing::info!(address = %listener.local_addr()?, "admin listener open");
    let router = daemon::admin::router(readiness.clone(), registry);
    let shutdown = tasks.shutdown().clone();
    tasks.spawn_vital("admin", async move {
        if let Err(error) = daemon::admin::serve(listener, router, shutdown).await {
            tracing::error!(error = daemon::error_chain(&error), "admin listener failed");
        }
    });
    Ok(())
}

async fn open_listener(
    settings: &Settings,
    router: Router,
    metrics: ListenerMetrics,
    tasks: &Tasks,
) -> anyhow::Result<Listener> {
    let tls = match settings.tls()? {
        Some(files) => {
            let certificate = ReloadingCertificate::load(files).await?;
            let config = https::server_config(&certificate)?;
            tasks.spawn_vital("certificate", certificate.watch(metrics.clone(), tasks.shutdown().clone()));
            Some(config)
        }
        None => None,
    };
    let socket = daemon::listen::bind(settings.listen).await;
    let socket = socket.with_context(|| format!("failed to listen on {}", settings.listen))?;
    let limits = settings.limits();
    Ok(Listener { socket, tls, router, metrics, limits, connections: TaskTracker::new() })
}

/// Who may call. The gateway's own API key, which is reloaded, introspects those of callers.
async fn callers(settings: &Settings, tasks: &Tasks) -> anyhow::Result<Callers> {
    let url = settings.introspection_url.clone().filter(|_| !settings.open);
    let Some(url) = url else {
        tracing::warn!("everybody who reaches this gateway may call, as one caller");
        return Ok(Callers::Open);
    };
    let key = ReloadingToken::open(TokenFile::new(settings.dir.join("token"))).await?;
    let watched: ReloadingToken<protocol::api_key::ApiKey> = key.clone();
    tasks.spawn_vital("token", watched.watch("the API key", tasks.shutdown().clone(), |_| {}));
    let client = relay_client(&settings.dir.join("ca.crt"))?;
    Ok(Callers::ApiKeys(Introspector::new(client, url, key)))
}

/// A client that trusts the public CAs and that of the relay, if its file exists.
fn relay_client(ca_file: &Path) -> anyhow::Result<reqwest::Client> {
    let mut roots: rustls::RootCertStore = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
    if ca_file.exists() {
        let pem = std::fs::read(ca_file).context("failed to read the relay's CA")?;
        let certificates: Result<Vec<_>, _> =
            rustls::pki_types::CertificateDer::pem_slice_iter(&pem).collect();
        roots.add_parsable_certificates(certificates.context("failed to parse the relay's CA")?);
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .context("failed to set up TLS to the relay")?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none());
    client.build().context("failed to prepare requests to the relay")
}

async fn expire(gateway: TaskGateway, shutdown: Shutdown) {
    loop {
        if let Err(error) = gateway.expire().await {
            tracing::error!(error = daemon::error_chain(&error), "cannot look for old tasks");
        }
        tokio::select! {
            () = shutdown.begun() => return,
            () = tokio::time::sleep(EXPIRY_INTERVAL) => {}
        }
    }
}
