//! The mark of the relay's gateway on what it forwards (RFC 9110 section 7.6.3). It opens nothing: it tells an endpoint under which
//! name its client knows it.

use axum::http::header::VIA;
use axum::http::{HeaderMap, HeaderValue};

const GATEWAY: &str = "1.1 msg2agent-gateway";

pub fn mark(headers: &mut HeaderMap) {
    headers.insert(VIA, HeaderValue::from_static(GATEWAY));
}

#[must_use]
pub fn is_through_gateway(headers: &HeaderMap) -> bool {
    headers.get(VIA).is_some_and(|via| via == GATEWAY)
}
