//! The process of an endpoint: what it starts, in which order, and how it shuts down.

use std::sync::Arc;

use anyhow::Context as _;
use daemon::readiness::Check;
use daemon::token_file::{ReloadingToken, TokenFile};
use daemon::{Shutdown, Tasks};
use msg2agent::Config;
use protocol::api_key::ApiKey;
use rmcp::ServiceExt as _;
use tokio::sync::oneshot;

use super::bearer::{BearerAuth, TokenVerifier};
use super::guard::Guard;
use super::router::router;
use super::sessions::Sessions;
use super::settings::{EndpointSettings, HttpSettings, OauthSettings};
use crate::database::Database;
use crate::http::outbound::Outbound;
use crate::message_store::MessageStore;
use crate::metrics::EndpointMetrics;
use crate::process::{ProcessParts, open_listener};
use crate::relay_connection::RelayConnection;
use crate::server::Server;
use crate::tool::{Toolbox, resend_unsent};

mod sign_in;

/// Open connections. The clients of one agent need a few each, and its gateway one for each request
/// in progress.
pub const ENDPOINT_CONNECTIONS_MAX: usize = 512;

/// Runs until a signal, the end of standard input (stdio), or a failure that a restart may cure.
///
/// # Errors
/// Settings that cannot be used, addresses that cannot be bound, tasks that ended early.
pub async fn run(settings: EndpointSettings, shutdown: Shutdown) -> anyhow::Result<()> {
    let http = settings.http()?;
    let process = ProcessParts::new(shutdown.clone(), "msg2agent_mcp")?;
    let metrics = EndpointMetrics::register(&process.registry)?;
    // Before the probe is served: a process without checks is ready.
    let relay = process.readiness.check("relay", "connecting to the relay for the first time");
    let listening = process.readiness.check("process", "starting");
    process.start_admin(settings.listen.admin_listen).await?;
    let tasks = &process.tasks;

    let config = config(&settings)?;
    let store = Arc::new(MessageStore::new(open_database(&config).await?));
    let connection = Arc::new(RelayConnection::new(config));
    let ended = keep_connected(Arc::clone(&connection), Arc::clone(&store), metrics.clone(), relay, tasks);
    let network = Arc::clone(&connection) as Arc<_>;
    let toolbox = Toolbox { network, store: Arc::clone(&store), metrics: metrics.clone() };
    tasks.spawn("task-outbox", resend_unsent(toolbox.clone(), shutdown.clone()));
    let server = Server::new(Arc::new(toolbox));

    let served = async {
        match http {
            Some(http) => serve_http(server, http, metrics, (&settings, &process), &listening).await,
            None => {
                listening.pass();
                serve_stdio(server, &shutdown).await
            }
        }
    };
    let result = tokio::select! {
        result = served => result,
        failed = tasks.failed() => Err(failed.into()),
        Ok(error) = ended => Err(anyhow::Error::new(error).context("failed to run the agent")),
    };
    shutdown.begin();
    listening.fail("shutting down");
    let grace = settings.listen.drain_grace();
    daemon::shutdown::within(grace, "relay", connection.close()).await;
    tasks.finished(grace).await;
    store.close().await;
    result
}

fn config(settings: &EndpointSettings) -> anyhow::Result<Config> {
    let found = settings.dir.as_ref().map_or_else(Config::find, Config::from_dir);
    let config =
        found.map_err(|error| anyhow::Error::new(error).context("failed to read the agent's settings"))?;
    Ok(match &settings.state_dir {
        Some(folder) => config.with_state_dir(folder),
        None => config,
    })
}

async fn open_database(config: &Config) -> anyhow::Result<Database> {
    let database = match config.state_dir() {
        Some(folder) => Database::open(folder).await,
        None => Database::in_memory().await,
    };
    database.context("failed to open the database of messages and tasks")
}

/// Starts the task that keeps the agent connected. Its error arrives when the agent cannot go on.
fn keep_connected(
    connection: Arc<RelayConnection>,
    store: Arc<MessageStore>,
    metrics: EndpointMetrics,
    ready: Check,
    tasks: &Tasks,
) -> oneshot::Receiver<msg2agent::Error> {
    let (sender, ended) = oneshot::channel();
    let shutdown = tasks.shutdown().clone();
    tasks.spawn("relay-connection", async move {
        tokio::select! {
            error = connection.keep_connected(&store, &metrics, &ready) => drop(sender.send(error)),
            () = shutdown.begun() => {}
        }
    });
    ended
}

async fn serve_http(
    server: Server,
    http: HttpSettings,
    metrics: EndpointMetrics,
    (settings, process): (&EndpointSettings, &ProcessParts),
    listening: &Check,
) -> anyhow::Result<()> {
    let tasks = &process.tasks;
    let agent = server.agent();
    let tokens = match &http.oauth {
        Some(oauth) => Some(sign_in::token_verifier(oauth, agent.clone(), start_outbound(oauth, tasks)?)),
        None => None,
    };
    let guard = start_guard(&http, tokens, metrics, tasks).await?;
    let router = router(move || server.for_new_client(), &http, guard, agent.as_str());
    let limits = settings.listen.limits(ENDPOINT_CONNECTIONS_MAX);
    let listener = open_listener(http.listen, http.tls, limits, router, process).await?;
    let (address, tls) = (listener.socket.local_addr()?, listener.tls.is_some());
    tracing::info!(%address, tls, "serving MCP at /mcp");
    // Not before, although the relay may be connected already: nobody could reach the endpoint.
    listening.pass();
    listener.serve(tasks.shutdown().clone(), settings.listen.drain_grace()).await;
    Ok(())
}

fn start_outbound(oauth: &OauthSettings, tasks: &Tasks) -> anyhow::Result<Outbound> {
    let outbound = Outbound::open(oauth.ca.clone())?;
    tasks.spawn_vital("ca", outbound.clone().watch(tasks.shutdown().clone()));
    Ok(outbound)
}

/// The guard, which follows the file of the API key.
async fn start_guard(
    http: &HttpSettings,
    tokens: Option<TokenVerifier>,
    metrics: EndpointMetrics,
    tasks: &Tasks,
) -> anyhow::Result<Guard> {
    let key = ReloadingToken::<ApiKey>::open(TokenFile::new(&http.token)).await?;
    let guard = Guard::new(BearerAuth::new(key.current().hash(), tokens), Sessions::default(), metrics);
    let rotated = guard.clone();
    let on_change = move |key: ApiKey| {
        let hash = key.hash();
        rotated.rotate(hash);
        tracing::info!(key_id = %hash.key_id().as_str(), "accepting the new API key");
    };
    tasks.spawn_vital("token", key.watch("the API key", tasks.shutdown().clone(), on_change));
    Ok(guard)
}

/// Serves the client that started this process, until it closes standard input.
async fn serve_stdio(server: Server, shutdown: &Shutdown) -> anyhow::Result<()> {
    let serving = async {
        let service = server.for_new_client().serve(rmcp::transport::io::stdio_pipes()).await?;
        service.waiting().await?;
        anyhow::Ok(())
    };
    tokio::select! {
        result = serving => result.context("failed to serve over standard input and output"),
        () = shutdown.begun() => Ok(()),
    }
}
