//! Reads small bodies before anything is decided about a request. A refusal that leaves a body unread makes the connection end behind
//! its answer, and a client that sends its next request there loses that one.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::header::{CONNECTION, CONTENT_LENGTH};
use axum::http::{HeaderMap, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;

use super::refused::Refused;

/// Bytes that a stranger may make us hold on each connection; what clients send while they sign in has a few hundred.
const SMALL_BYTES: usize = 16 * 1024;
/// Time for a small body to arrive.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The middleware. Longer bodies, and those of unknown length, go on as they come.
pub async fn read_first(request: Request, next: Next) -> Response {
    if !is_small(request.headers()) {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    match tokio::time::timeout(TIMEOUT, to_bytes(body, SMALL_BYTES)).await {
        Ok(Ok(bytes)) => next.run(Request::from_parts(parts, Body::from(bytes))).await,
        Ok(Err(_)) | Err(_) => {
            let mut response = Refused::BodyTimeout.to_response(None, "");
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            response
        }
    }
}

fn is_small(headers: &HeaderMap) -> bool {
    let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    length.is_some_and(|length| length <= SMALL_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_body_of_a_known_small_length_is_read_first() {
        let with = |length: &'static str| {
            is_small(&HeaderMap::from_iter([(CONTENT_LENGTH, HeaderValue::from_static(length))]))
        };
        assert!(with("0") && with("16384"));
        assert!(!with("16385") && !with("-1") && !with("1e3"));
        assert!(!is_small(&HeaderMap::new()));
    }
}
