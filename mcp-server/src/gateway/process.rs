//! The process of a gateway: what it starts, in which order, and how it shuts down.

use anyhow::Context as _;
use daemon::token_file::{ReloadingToken, TokenFile};
use daemon::{Shutdown, Tasks};

use super::introspection_client::IntrospectionClient;
use super::metrics::GatewayMetrics;
use super::proxy::{self, Proxy, ProxyParts};
use super::resolver::EndpointResolver;
use super::settings::GatewaySettings;
use crate::http::outbound::Outbound;
use crate::process::{ProcessParts, open_listener};

/// Open connections: a thousand clients with a stream and a call each, twice. Each uses about 40 kB
/// with TLS.
pub const GATEWAY_CONNECTIONS_MAX: usize = 4_096;

/// Runs until a signal, or a failure that a restart may cure. After the signal it still accepts
/// connections for a while, because load balancers learn of the shutdown late.
///
/// # Errors
/// Settings that cannot be used, addresses that cannot be bound, tasks that ended early.
pub async fn run(settings: GatewaySettings, shutdown: Shutdown) -> anyhow::Result<()> {
    settings.check()?;
    let process = ProcessParts::new(shutdown.clone(), "msg2agent_gateway")?;
    let metrics = GatewayMetrics::register(&process.registry)?;
    // Before the probe is served: a process without checks is ready.
    let ready = process.readiness.check("process", "starting");
    process.start_admin(settings.listen.admin_listen).await?;
    let tasks = &process.tasks;
    let closing = Shutdown::new();
    let proxy = start_proxy(&settings, metrics, tasks, closing.clone()).await?;
    let display_name = display_name(&settings.public_url);
    let router = proxy::router(proxy, &settings.public_url, &settings.issuer, &display_name);
    let limits = settings.listen.limits(GATEWAY_CONNECTIONS_MAX);
    let tls = settings.listen.tls()?;
    let listener = open_listener(settings.listen.listen, tls, limits, router, &process).await?;
    let (address, tls) = (listener.socket.local_addr()?, listener.tls.is_some());
    tracing::info!(%address, tls, "serving MCP for all agents at /mcp");
    ready.pass();
    let grace = settings.listen.drain_grace();
    let served = listener.serve(closing.clone(), grace);
    let drain = async {
        shutdown.begun().await;
        ready.fail("shutting down");
        tokio::time::sleep(settings.drain_delay()).await;
        closing.begin();
    };
    let result = tokio::select! {
        ((), ()) = async { tokio::join!(served, drain) } => Ok(()),
        failed = tasks.failed() => Err(failed.into()),
    };
    shutdown.begin();
    tasks.finished(grace).await;
    result
}

/// The proxy, which follows the files of its token and of the relay's CA.
async fn start_proxy(
    settings: &GatewaySettings,
    metrics: GatewayMetrics,
    tasks: &Tasks,
    closing_streams: Shutdown,
) -> anyhow::Result<Proxy> {
    let shutdown = tasks.shutdown().clone();
    let outbound = Outbound::open(settings.ca_file.clone())?;
    tasks.spawn_vital("ca", outbound.clone().watch(shutdown.clone()));
    let endpoint_ca_file = settings.endpoint_ca_file.as_ref().unwrap_or(&settings.ca_file);
    let to_endpoints = Outbound::open(endpoint_ca_file.clone())?;
    tasks.spawn_vital("endpoint-ca", to_endpoints.clone().watch(shutdown.clone()));
    let token = ReloadingToken::open(TokenFile::new(&settings.token_file)).await;
    let token: ReloadingToken = token.context("failed to load the gateway's token")?;
    tasks.spawn_vital("token", token.clone().watch("the gateway's token", shutdown.clone(), |_| {}));
    let client = IntrospectionClient::new(&settings.introspection_url(), outbound, token);
    Ok(Proxy::new(ProxyParts {
        allowed_hosts: settings.allowed_hosts(),
        resolver: EndpointResolver::new(client, metrics.clone()),
        outbound: to_endpoints,
        metrics,
        public_url: settings.public_url.clone(),
        shutdown,
        closing_streams,
    }))
}

/// The name that clients display: the host.
fn display_name(public_url: &str) -> String {
    let url = public_url.parse::<axum::http::Uri>().ok();
    url.as_ref().and_then(|url| url.host()).unwrap_or("gateway").to_owned()
}
