//! The reverse proxy. It checks the Host and Origin of each request, reads the credential, resolves
//! the endpoint of its agent, and forwards the request there.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::HeaderValue;
use axum::http::header::CONNECTION;
use axum::middleware::from_fn;
use axum::response::Response;
use axum::routing::any;
use daemon::Shutdown;
use tokio::sync::Semaphore;

use super::allowed_hosts::AllowedHosts;
use super::forward::forward;
use super::metrics::GatewayMetrics;
use super::rejection::GatewayRejection;
use super::resolver::EndpointResolver;
use crate::http::bearer_token::bearer_token;
use crate::http::outbound::Outbound;
use crate::http::rejection::HttpRejection;
use crate::http::{MCP_PATH, MCP_PATH_WITH_SLASH, metadata, server_card, small_body};
use crate::scope::Scope;

/// Requests whose response has not begun. Each may wait for a reply for a minute, and uses about
/// 30 kB for so long.
const REQUESTS_MAX: usize = 4_096;

/// Cheap to clone; clones share everything.
#[derive(Clone)]
pub struct Proxy {
    allowed_hosts: Arc<AllowedHosts>,
    resolver: EndpointResolver,
    outbound: Outbound,
    metrics: GatewayMetrics,
    metadata_url: Arc<str>,
    requests: Arc<Semaphore>,
    shutdown: Shutdown,
    closing_streams: Shutdown,
}

/// The parts of a [`Proxy`].
pub struct ProxyParts {
    pub allowed_hosts: AllowedHosts,
    pub resolver: EndpointResolver,
    pub outbound: Outbound,
    pub metrics: GatewayMetrics,
    pub public_url: String,
    /// Begins when clients should use another replica.
    pub shutdown: Shutdown,
    /// Begins when streams must end.
    pub closing_streams: Shutdown,
}

impl Proxy {
    #[must_use]
    pub fn new(parts: ProxyParts) -> Self {
        Self {
            allowed_hosts: Arc::new(parts.allowed_hosts),
            resolver: parts.resolver,
            outbound: parts.outbound,
            metrics: parts.metrics,
            metadata_url: metadata::url(&parts.public_url).into(),
            requests: Arc::new(Semaphore::new(REQUESTS_MAX)),
            shutdown: parts.shutdown,
            closing_streams: parts.closing_streams,
        }
    }

    async fn check_and_forward(&self, request: Request) -> Result<Response, GatewayRejection> {
        self.allowed_hosts.check(request.headers())?;
        let credential = bearer_token(request.headers()).ok_or(HttpRejection::KeyMissing)?;
        let _permit = self.requests.try_acquire().map_err(|_| HttpRejection::Overloaded)?;
        let route = self.resolver.resolve(credential).await?;
        let started = Instant::now();
        let response = forward(&route, request, &self.outbound, self.closing_streams.clone()).await?;
        self.metrics.count_forwarded(response.status(), started.elapsed());
        Ok(response)
    }
}

/// The public routes.
pub fn router(proxy: Proxy, public_url: &str, issuer: &str, display_name: &str) -> Router {
    Router::new()
        .route(MCP_PATH, any(handle))
        .route(MCP_PATH_WITH_SLASH, any(handle))
        .route_layer(from_fn(small_body::read_before_handling))
        .with_state(proxy)
        .merge(metadata::routes(public_url, issuer, display_name))
        .merge(server_card::routes(public_url, display_name))
}

async fn handle(State(proxy): State<Proxy>, request: Request) -> Response {
    let mut response = proxy.check_and_forward(request).await.unwrap_or_else(|rejection| {
        let problem = rejection.problem();
        proxy.metrics.count_rejection(problem.reason());
        tracing::info!(reason = problem.reason(), "request rejected");
        problem.to_response(Some(&proxy.metadata_url), &Scope::ALL.map(Scope::as_str).join(" "))
    });
    if proxy.shutdown.has_begun() {
        // The client's next request then opens a connection to another replica.
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}
