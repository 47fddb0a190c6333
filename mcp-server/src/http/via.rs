//! The Via header that the gateway sets on the requests it forwards (RFC 9110 section 7.6.3). It
//! grants nothing: it only tells an endpoint which URL its client uses.

use axum::http::header::VIA;
use axum::http::{HeaderMap, HeaderValue};

const GATEWAY: &str = "1.1 msg2agent-gateway";

pub fn set_via_gateway(headers: &mut HeaderMap) {
    headers.insert(VIA, HeaderValue::from_static(GATEWAY));
}

#[must_use]
pub fn is_via_gateway(headers: &HeaderMap) -> bool {
    headers.get(VIA).is_some_and(|via| via == GATEWAY)
}
