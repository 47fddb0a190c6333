//! A client's side of the key: puts `Authorization` on each request of a client that cannot, and passes everything else through.

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_LENGTH, TRANSFER_ENCODING};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Longest request body.
const BODY_BYTES_MAX: usize = 8 << 20;

/// Serves until dropped.
pub(crate) struct KeyProxy {
    port: u16,
    serving: JoinHandle<()>,
}

#[derive(Clone)]
struct Upstream {
    /// Such as `http://127.0.0.1:8443`.
    base: String,
    authorization: HeaderValue,
    client: reqwest::Client,
}

impl KeyProxy {
    pub(crate) async fn start(base: &str, key: &str) -> Self {
        let authorization = HeaderValue::from_str(&format!("Bearer {key}")).unwrap();
        let upstream = Upstream { base: base.to_owned(), authorization, client: reqwest::Client::new() };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let router = Router::new().fallback(forward).with_state(upstream);
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { port, serving }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/mcp", self.port)
    }
}

impl Drop for KeyProxy {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// `Host` goes through as it came, since the server checks it.
async fn forward(State(upstream): State<Upstream>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, BODY_BYTES_MAX).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let mut headers = parts.headers;
    headers.insert(AUTHORIZATION, upstream.authorization);
    headers.remove(CONTENT_LENGTH);
    let url = format!("{}{}", upstream.base, parts.uri);
    let sent = upstream.client.request(parts.method, url).headers(headers).body(body).send().await;
    let Ok(answer) = sent else { return StatusCode::BAD_GATEWAY.into_response() };
    let (status, mut headers) = (answer.status(), answer.headers().clone());
    headers.remove(CONTENT_LENGTH);
    headers.remove(TRANSFER_ENCODING);
    let mut response = Response::new(Body::from_stream(answer.bytes_stream()));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}
