//! What every request of the gateway passes: names, a credential, the agent it speaks for, and room. Then it is forwarded.

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

use super::directory::Directory;
use super::forward::forward;
use super::metrics::Metrics;
use super::names::Names;
use crate::http::bearer::bearer;
use crate::http::outbound::Outbound;
use crate::http::refused::Refused;
use crate::http::{metadata, server_card, small_body};
use crate::scope::Scope;

/// Requests at a time whose answer has not begun; each may wait for a reply for a minute, and takes about 30 kB meanwhile.
const REQUESTS_MAX: usize = 4_096;

/// Cheap to clone; clones share what they know.
#[derive(Clone)]
pub struct Door {
    names: Arc<Names>,
    directory: Directory,
    outbound: Outbound,
    metrics: Metrics,
    metadata_url: Arc<str>,
    room: Arc<Semaphore>,
    shutdown: Shutdown,
    leaving: Shutdown,
}

/// What a door is made of.
pub struct Parts {
    pub names: Names,
    pub directory: Directory,
    pub outbound: Outbound,
    pub metrics: Metrics,
    pub public_url: String,
    /// Begins when clients should go elsewhere.
    pub shutdown: Shutdown,
    /// Begins when streams must end.
    pub leaving: Shutdown,
}

impl Door {
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self {
            names: Arc::new(parts.names),
            directory: parts.directory,
            outbound: parts.outbound,
            metrics: parts.metrics,
            metadata_url: metadata::url(&parts.public_url).into(),
            room: Arc::new(Semaphore::new(REQUESTS_MAX)),
            shutdown: parts.shutdown,
            leaving: parts.leaving,
        }
    }

    async fn pass(&self, request: Request) -> Result<Response, Refused> {
        self.names.check(request.headers())?;
        let credential = bearer(request.headers()).ok_or(Refused::KeyMissing)?;
        let _room = self.room.try_acquire().map_err(|_| Refused::Overloaded)?;
        let route = self.directory.route(credential).await?;
        let started = Instant::now();
        let response = forward(&route, request, &self.outbound, self.leaving.clone()).await?;
        self.metrics.forwarded(response.status(), started.elapsed());
        Ok(response)
    }
}

/// The public routes.
pub fn router(door: Door, public_url: &str, issuer: &str, name: &str) -> Router {
    Router::new()
        .route("/mcp", any(enter))
        .route_layer(from_fn(small_body::read_first))
        .with_state(door)
        .merge(metadata::routes(public_url, issuer, name))
        .merge(server_card::routes(public_url, name))
}

async fn enter(State(door): State<Door>, request: Request) -> Response {
    let mut response = door.pass(request).await.unwrap_or_else(|refused| {
        door.metrics.refused(refused.reason());
        tracing::info!(reason = refused.reason(), "request refused");
        refused.to_response(Some(&door.metadata_url), &Scope::ALL.map(Scope::word).join(" "))
    });
    if door.shutdown.has_begun() {
        // The client's next request goes to another gateway.
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}
