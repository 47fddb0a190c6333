//! Reads the body of a request, within bounds of size, time, nesting and content type.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use protocol::limits::{CONTENT_BYTES_MAX, JSON_DEPTH_MAX};
use protocol::strict_json;
use serde_json::Value;

use crate::error::{A2aError, ErrorKind};

/// Bytes of the body of a request. A longer message fits no envelope to its agent.
pub const REQUEST_BYTES_MAX: usize = CONTENT_BYTES_MAX;
/// Time for the body of a request to arrive: the largest one at 25 KiB/s.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// The media type of HTTP+JSON.
pub(crate) const A2A_JSON: &str = "application/a2a+json";

/// Reads the whole body.
pub(crate) async fn read(headers: &HeaderMap, body: Body) -> Result<Vec<u8>, A2aError> {
    let announced = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced
        .is_some_and(|length| usize::try_from(length).map_or(true, |length| length > REQUEST_BYTES_MAX))
    {
        return Err(too_large());
    }
    match tokio::time::timeout(BODY_TIMEOUT, to_bytes(body, REQUEST_BYTES_MAX)).await {
        Ok(Ok(bytes)) => Ok(bytes.into()),
        Ok(Err(error)) if is_length_limit(&error) => Err(too_large()),
        // The client closed the connection, so that nobody reads this.
        Ok(Err(_)) => Err(A2aError::new(ErrorKind::Parse, "the body ended early")),
        Err(_) => Err(A2aError::new(ErrorKind::RequestTimeout, "the body did not arrive in time")),
    }
}

fn is_length_limit(error: &axum::Error) -> bool {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    std::iter::from_fn(|| {
        let current = cause?;
        cause = current.source();
        Some(current)
    })
    .any(|error| error.is::<http_body_util::LengthLimitError>())
}

fn too_large() -> A2aError {
    let message = format!("the body has more than {REQUEST_BYTES_MAX} bytes");
    A2aError::new(ErrorKind::PayloadTooLarge, message)
        .with_metadata("bytesMax", REQUEST_BYTES_MAX.to_string())
}

/// Parses any JSON without duplicate members.
pub(crate) fn parse(bytes: &[u8]) -> Result<Value, A2aError> {
    if strict_json::nesting(bytes) > JSON_DEPTH_MAX {
        let message = format!("Invalid JSON payload: nested deeper than {JSON_DEPTH_MAX}");
        return Err(A2aError::new(ErrorKind::Parse, message));
    }
    let mut from = serde_json::Deserializer::from_slice(bytes);
    let value = strict_json::value(&mut from).and_then(|value| from.end().map(|()| value));
    value.map_err(|error| A2aError::new(ErrorKind::Parse, format!("Invalid JSON payload: {error}")))
}

/// Checks that the content is said to be one of these media types.
pub(crate) fn check_media_type(headers: &HeaderMap, accepted: &[&str]) -> Result<(), A2aError> {
    let said = headers.get(CONTENT_TYPE).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let said = said.unwrap_or_default();
    let media_type = said.split(';').next().unwrap_or_default().trim();
    if accepted.iter().any(|accepted| media_type.eq_ignore_ascii_case(accepted)) {
        return Ok(());
    }
    let accepted = accepted.join(" or ");
    let message = format!("the Content-Type \"{media_type}\" is not supported; {accepted} is");
    Err(A2aError::new(ErrorKind::ContentTypeNotSupported, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duplicate_members_deep_nesting_and_trailing_text_are_refused_by_reason() {
        for (text, problem) in [
            (r#"{"a":[{"b":1,"b":2}]}"#.to_owned(), "duplicate member `b`"),
            ("[".repeat(100_000), "nested deeper than 64"),
            ("{} x".to_owned(), "trailing characters"),
            ("{".to_owned(), "EOF"),
        ] {
            let error = parse(text.as_bytes()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Parse);
            assert!(error.message().contains(problem), "{error}");
        }
        assert_eq!(parse(b"[1]").unwrap(), serde_json::json!([1]));
    }

    #[test]
    fn a_media_type_counts_without_its_parameters_and_case() {
        let check = |value: &str| {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, value.parse().unwrap())]);
            check_media_type(&headers, &["application/json"]).map_err(|error| error.kind())
        };
        assert_eq!(check("Application/JSON; charset=utf-8"), Ok(()));
        assert_eq!(check("text/plain"), Err(ErrorKind::ContentTypeNotSupported));
        assert_eq!(check("application/json5"), Err(ErrorKind::ContentTypeNotSupported));
    }

    #[tokio::test]
    async fn a_body_beyond_the_limit_is_refused_whether_or_not_its_length_is_announced() {
        let long = || Body::from(vec![b' '; REQUEST_BYTES_MAX + 1]);
        let announced = HeaderMap::from_iter([(CONTENT_LENGTH, (REQUEST_BYTES_MAX + 1).into())]);
        for headers in [announced, HeaderMap::new()] {
            let error = read(&headers, long()).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::PayloadTooLarge);
        }
        let fits = read(&HeaderMap::new(), Body::from(vec![b' '; REQUEST_BYTES_MAX])).await.unwrap();
        assert_eq!(fits.len(), REQUEST_BYTES_MAX);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_arrive_is_given_up() {
        let never = Body::from_stream(futures::stream::pending::<Result<Vec<u8>, std::io::Error>>());
        assert_eq!(read(&HeaderMap::new(), never).await.unwrap_err().kind(), ErrorKind::RequestTimeout);
    }
}
