//! Proxies HTTP between a client and its server and changes one thing.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_LENGTH, TRANSFER_ENCODING};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use devtools::http_client;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Longest body.
const BODY_BYTES_MAX: usize = 8 << 20;

/// Serves until dropped.
pub(crate) struct Proxy {
    port: u16,
    serving: JoinHandle<()>,
}

struct Upstream {
    /// Such as `http://127.0.0.1:8443`.
    base: String,
    change: Change,
    client: reqwest::Client,
}

enum Change {
    /// Puts this on each request of a client that cannot.
    Authorization(HeaderValue),
    /// Takes a member out of every metadata document.
    Without(&'static str),
}

impl Proxy {
    pub(crate) async fn with_key(base: &str, key: &str) -> Self {
        let authorization = HeaderValue::from_str(&format!("Bearer {key}")).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::serve(listener, base, Change::Authorization(authorization))
    }

    /// In front of an authorization server, which then looks as if it did not know this feature.
    pub(crate) fn without(member: &'static str, listener: TcpListener, base: &str) -> Self {
        Self::serve(listener, base, Change::Without(member))
    }

    fn serve(listener: TcpListener, base: &str, change: Change) -> Self {
        let client = http_client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let upstream = Arc::new(Upstream { base: base.to_owned(), change, client });
        let port = listener.local_addr().unwrap().port();
        let router = Router::new().fallback(forward).with_state(upstream);
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { port, serving }
    }

    /// The MCP endpoint behind it.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/mcp", self.port)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// `Host` goes through as it came, since the server checks it.
async fn forward(State(upstream): State<Arc<Upstream>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, BODY_BYTES_MAX).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let is_metadata = parts.uri.path().starts_with("/.well-known/");
    let mut headers = parts.headers;
    if let Change::Authorization(authorization) = &upstream.change {
        headers.insert(AUTHORIZATION, authorization.clone());
    }
    headers.remove(CONTENT_LENGTH);
    let url = format!("{}{}", upstream.base, parts.uri);
    let sent = upstream.client.request(parts.method, url).headers(headers).body(body).send().await;
    let Ok(answer) = sent else { return StatusCode::BAD_GATEWAY.into_response() };
    let (status, mut headers) = (answer.status(), answer.headers().clone());
    headers.remove(CONTENT_LENGTH);
    headers.remove(TRANSFER_ENCODING);
    let body = match upstream.change {
        Change::Without(member) if is_metadata && status.is_success() => without(member, answer).await,
        _ => Body::from_stream(answer.bytes_stream()),
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

async fn without(member: &str, answer: reqwest::Response) -> Body {
    let mut document: Value = answer.json().await.unwrap();
    document.as_object_mut().unwrap().remove(member);
    Body::from(document.to_string())
}
