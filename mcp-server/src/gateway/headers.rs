//! Selects the headers of a forwarded request and response (RFC 9110 section 7.6.1). Pure.

use axum::http::header::{
    CONNECTION, FORWARDED, HOST, HeaderName, ORIGIN, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE,
};
use axum::http::{HeaderMap, HeaderValue};

use crate::http::via;

/// Headers that apply to a single connection and must not be forwarded.
const HOP_BY_HOP: [HeaderName; 9] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Headers of the request to this gateway, which it has checked or which describe the path to it.
const OWN_REQUEST_HEADERS: [HeaderName; 6] = [
    HOST,
    ORIGIN,
    FORWARDED,
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-forwarded-proto"),
];

/// The headers of a client that the endpoint gets, including the credential.
#[must_use]
pub fn for_endpoint(mut headers: HeaderMap) -> HeaderMap {
    strip_hop_by_hop(&mut headers);
    for name in OWN_REQUEST_HEADERS {
        headers.remove(name);
    }
    via::set_via_gateway(&mut headers);
    headers
}

/// The headers of an endpoint that the client gets.
#[must_use]
pub fn for_client(mut headers: HeaderMap) -> HeaderMap {
    strip_hop_by_hop(&mut headers);
    headers
}

fn strip_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value: &HeaderValue| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in HOP_BY_HOP.into_iter().chain(named) {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use axum::http::header::{AUTHORIZATION, VIA};

    use super::*;

    #[test]
    fn the_credential_goes_on_and_the_connections_own_headers_stay() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("host", "mcp.example.com"),
            ("origin", "https://app.example.com"),
            ("connection", "keep-alive, x-hop"),
            ("x-hop", "1"),
            ("transfer-encoding", "chunked"),
            ("x-forwarded-for", "192.0.2.1"),
            ("via", "1.1 somebody"),
            ("authorization", "Bearer secret"),
            ("mcp-session-id", "s1"),
        ] {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        let sent = for_endpoint(headers);
        let names: Vec<_> = sent.keys().map(HeaderName::as_str).collect();
        assert_eq!(names.len(), 3, "{names:?}");
        assert_eq!(sent[AUTHORIZATION], "Bearer secret");
        assert_eq!(sent["mcp-session-id"], "s1");
        assert_eq!(sent[VIA], "1.1 msg2agent-gateway");
    }
}
