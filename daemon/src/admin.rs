//! The admin listener: `/livez`, `/readyz`, `/metrics`, and the routes that the caller adds. It
//! serves plaintext and must not be public. Routes that change something need TLS and their own
//! authentication: the relay serves them on another listener.

use std::future::Future;
use std::time::Duration;

use axum::Json;
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::serve::ListenerExt as _;
use prometheus::{Registry, TextEncoder};
use tokio::net::TcpListener;

use crate::readiness::{Readiness, Report};
use crate::shutdown::Shutdown;

/// How long requests under way at shutdown may take. A scrape or an admin change takes far less.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(5);

/// The routes that every process has. Add more with [`Router::merge`].
pub fn router(readiness: Readiness, registry: Registry) -> Router {
    let probes = Router::new().route("/readyz", get(readyz)).with_state(readiness);
    let metrics = Router::new().route("/metrics", get(metrics)).with_state(registry);
    Router::new().route("/livez", get(livez)).merge(probes).merge(metrics)
}

/// Serves until `shutdown` begins and requests under way have ended.
///
/// # Errors
/// The listener fails.
pub async fn serve(listener: TcpListener, router: Router, shutdown: Shutdown) -> std::io::Result<()> {
    let listener = listener.tap_io(|stream| {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "failed to set TCP_NODELAY on an admin connection");
        }
    });
    let begun = shutdown.clone();
    let serving = axum::serve(listener, router).with_graceful_shutdown(async move { begun.begun().await });
    bounded(serving.into_future(), shutdown).await
}

/// Ends `serving` at the latest [`SHUTDOWN_GRACE`] after shutdown began: an idle keep-alive
/// connection must not keep the process alive.
async fn bounded(
    serving: impl Future<Output = std::io::Result<()>>,
    shutdown: Shutdown,
) -> std::io::Result<()> {
    tokio::select! {
        result = serving => result,
        () = async { shutdown.begun().await; tokio::time::sleep(SHUTDOWN_GRACE).await } => Ok(()),
    }
}

/// A process that answers is alive.
async fn livez() -> &'static str {
    "ok\n"
}

async fn readyz(State(readiness): State<Readiness>) -> (StatusCode, Json<Report>) {
    let report = readiness.report();
    let status = if report.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(report))
}

async fn metrics(State(registry): State<Registry>) -> Response {
    match TextEncoder::new().encode_to_string(&registry.gather()) {
        Ok(text) => ([(header::CONTENT_TYPE, HeaderValue::from_static(prometheus::TEXT_FORMAT))], text)
            .into_response(),
        Err(error) => {
            tracing::error!(%error, "failed to encode the metrics");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
