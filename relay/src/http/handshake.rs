//! Checks the WebSocket opening handshake of a client (RFC 6455, section 4.2).

use axum::http::{HeaderMap, HeaderName, Method, header};
use protocol::Reason;
use protocol::frame::SUBPROTOCOL;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::problem::ProblemResponse;

/// The value of `Sec-WebSocket-Accept`, for a request that asks for our subprotocol.
pub(super) fn accept(method: &Method, headers: &HeaderMap) -> Result<String, ProblemResponse> {
    let upgrades = has_token(headers, &header::CONNECTION, "upgrade")
        && has_token(headers, &header::UPGRADE, "websocket");
    if method != Method::GET || !upgrades {
        return Err(invalid("this path is a WebSocket endpoint; send an upgrade request"));
    }
    if header_text(headers, &header::SEC_WEBSOCKET_VERSION) != Some("13") {
        return Err(invalid("send Sec-WebSocket-Version: 13"));
    }
    let key = header_text(headers, &header::SEC_WEBSOCKET_KEY).filter(|key| is_key(key));
    let key = key.ok_or_else(|| invalid("send a Sec-WebSocket-Key of 16 bytes in base64"))?;
    if !offers_subprotocol(headers) {
        return Err(Reason::SubprotocolMissing.into());
    }
    Ok(derive_accept_key(key.as_bytes()))
}

fn invalid(detail: &str) -> ProblemResponse {
    ProblemResponse::new(Reason::BadRequest, detail)
}

fn header_text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim)
}

fn has_token(headers: &HeaderMap, name: &HeaderName, wanted: &str) -> bool {
    tokens(headers, name).any(|token| token.eq_ignore_ascii_case(wanted))
}

/// Subprotocol names compare with case.
fn offers_subprotocol(headers: &HeaderMap) -> bool {
    tokens(headers, &header::SEC_WEBSOCKET_PROTOCOL).any(|token| token == SUBPROTOCOL)
}

/// 16 bytes in padded base64: 22 characters and `==`.
fn is_key(key: &str) -> bool {
    let body = key.strip_suffix("==").unwrap_or_default();
    body.len() == 22 && body.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'+' || b == b'/')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(changes: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let good = [
            ("connection", "keep-alive, Upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("sec-websocket-protocol", "other, msg2agent.v1"),
        ];
        for (name, value) in good.iter().chain(changes) {
            headers.insert(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn the_example_of_the_rfc_is_accepted() {
        let answer = accept(&Method::GET, &headers(&[])).unwrap();
        assert_eq!(answer, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn a_handshake_with_a_missing_part_is_refused_with_its_reason() {
        for (change, reason) in [
            (("connection", "close"), Reason::BadRequest),
            (("upgrade", "h2c"), Reason::BadRequest),
            (("sec-websocket-version", "8"), Reason::BadRequest),
            (("sec-websocket-key", "short"), Reason::BadRequest),
            (("sec-websocket-protocol", "msg2agent.v2"), Reason::SubprotocolMissing),
        ] {
            assert_eq!(accept(&Method::GET, &headers(&[change])).unwrap_err().reason, reason, "{change:?}");
        }
        assert_eq!(accept(&Method::POST, &headers(&[])).unwrap_err().reason, Reason::BadRequest);
    }
}
