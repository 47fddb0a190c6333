//! The public routes: DID documents, and WebSocket connections, which go to the hub as plain byte
//! streams once they are authenticated.

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use protocol::Reason;
use tokio_util::task::TaskTracker;

use crate::directory::Directory;
use crate::hub::Hub;
use crate::problem::ProblemResponse;
use crate::stream_wrapper::StreamWrapper;

mod documents;
mod handshake;
mod metrics;
mod upgrade;

pub use metrics::HttpMetrics;

/// The state that the public routes share.
#[derive(Debug, Clone)]
pub struct PublicState {
    pub directory: Arc<Directory>,
    pub hub: Arc<Hub>,
    /// The DID document of the relay's domain, as JSON.
    pub domain_document: Arc<str>,
    pub metrics: HttpMetrics,
    pub draining: daemon::Shutdown,
    /// Connections and sessions, which shutdown waits for.
    pub sessions: TaskTracker,
    /// Set by tests only.
    pub stream_wrapper: Option<StreamWrapper>,
}

/// The public routes, together with those of the authorization server.
pub fn router(public: PublicState, authorization: Router) -> Router {
    Router::new()
        .route("/ws", get(upgrade::handle))
        .route("/.well-known/did.json", get(documents::domain))
        .route("/agent/{*path}", get(documents::agent))
        .method_not_allowed_fallback(|| async { ProblemResponse::from(Reason::MethodNotAllowed) })
        .fallback(|| async { ProblemResponse::new(Reason::NotFound, "this listener has no such path") })
        .with_state(public)
        .merge(authorization)
}
