//! Reads small bodies before a request is checked. A rejection that leaves the body unread closes
//! the connection after the response, and a client that reuses the connection loses its next
//! request.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::header::{CONNECTION, CONTENT_LENGTH};
use axum::http::{HeaderMap, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;

use super::rejection::HttpRejection;

/// Bytes that a stranger can make this server buffer for each connection. Requests that clients
/// send while they sign in have a few hundred.
const SMALL_BODY_BYTES_MAX: usize = 16 * 1024;
/// Time for a small body to arrive; on a slow link one takes a second.
const SMALL_BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// The middleware. Longer bodies, and those of unknown length, are streamed as they arrive.
pub async fn read_before_handling(request: Request, next: Next) -> Response {
    if !is_small(request.headers()) {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    match tokio::time::timeout(SMALL_BODY_TIMEOUT, to_bytes(body, SMALL_BODY_BYTES_MAX)).await {
        Ok(Ok(bytes)) => next.run(Request::from_parts(parts, Body::from(bytes))).await,
        Ok(Err(_)) | Err(_) => {
            let mut response = HttpRejection::BodyTimeout.problem().to_response(None, "");
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            response
        }
    }
}

fn is_small(headers: &HeaderMap) -> bool {
    let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    length.is_some_and(|length| length <= SMALL_BODY_BYTES_MAX)
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
