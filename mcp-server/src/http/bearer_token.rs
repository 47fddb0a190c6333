//! Reads the bearer token from the Authorization header.

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;

/// The bearer token of a request (RFC 6750 section 2.1). `None` without one, and also with two: it
/// would be ambiguous which one counts.
pub(crate) fn bearer_token(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("Bearer").then(|| token.trim_start())
}
