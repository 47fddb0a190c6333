//! Which headers go on with a request or an answer (RFC 9110 section 7.6.1). Pure.

use axum::http::header::{
    CONNECTION, FORWARDED, HOST, HeaderName, ORIGIN, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE,
};
use axum::http::{HeaderMap, HeaderValue};

use crate::http::via;

/// Of one connection, and nobody else's business.
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

/// Checked here, or about the way to here.
const OURS: [HeaderName; 6] = [
    HOST,
    ORIGIN,
    FORWARDED,
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-forwarded-proto"),
];

/// What an endpoint gets of a client's headers: the credential among them.
#[must_use]
pub fn of_request(mut headers: HeaderMap) -> HeaderMap {
    strip(&mut headers);
    for name in OURS {
        headers.remove(name);
    }
    via::mark(&mut headers);
    headers
}

/// What a client gets of an endpoint's headers.
#[must_use]
pub fn of_answer(mut headers: HeaderMap) -> HeaderMap {
    strip(&mut headers);
    headers
}

fn strip(headers: &mut HeaderMap) {
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
        let sent = of_request(headers);
        let names: Vec<_> = sent.keys().map(HeaderName::as_str).collect();
        assert_eq!(names.len(), 3, "{names:?}");
        assert_eq!(sent[AUTHORIZATION], "Bearer secret");
        assert_eq!(sent["mcp-session-id"], "s1");
        assert_eq!(sent[VIA], "1.1 msg2agent-gateway");
    }
}
