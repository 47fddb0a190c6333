//! Checks that the URL of an MCP endpoint has its only accepted form.
//!
//! Clients send the URL back, and it is compared byte for byte (RFC 8707). Only the form that a URL
//! parser writes is therefore accepted.

use url::Url;

use super::is_secure;
use crate::admin::MCP_URL_BYTES_MAX;

/// Whether the text is a [secure](is_secure) URL in its normal form, without query, fragment and
/// credentials, of at most [`MCP_URL_BYTES_MAX`] bytes.
#[must_use]
pub fn is_endpoint_url(text: &str) -> bool {
    let Ok(url) = Url::parse(text) else { return false };
    let plain = url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    plain && is_secure(&url) && text.len() <= MCP_URL_BYTES_MAX && url.as_str() == text
}

/// Whether the text can be the URL of a relay's MCP gateway: an endpoint URL whose path ends in
/// `/mcp`.
#[must_use]
pub fn is_gateway_url(text: &str) -> bool {
    is_endpoint_url(text) && text.ends_with("/mcp")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_normal_spelling_of_a_secure_url_is_taken() {
        for good in [
            "https://a.example/mcp",
            "https://a.example:8443/",
            "http://localhost:1/mcp",
            "http://127.0.0.1/",
        ] {
            assert!(is_endpoint_url(good), "{good}");
        }
        for bad in [
            "https://A.example/mcp",
            "https://a.example",
            "https://a.example:443/mcp",
            "http://a.example/mcp",
            "https://a.example/mcp?x=1",
            "https://a.example/mcp#x",
            "https://user@a.example/mcp",
            "mcp",
        ] {
            assert!(!is_endpoint_url(bad), "{bad}");
        }
    }

    #[test]
    fn a_gateway_is_an_endpoint_called_mcp() {
        assert!(is_gateway_url("https://mcp.example.com/mcp") && is_gateway_url("https://a.example/x/mcp"));
        for bad in
            ["https://a.example/", "https://a.example/mcp/", "https://a.example/mcp?", "http://a.example/mcp"]
        {
            assert!(!is_gateway_url(bad), "{bad}");
        }
    }
}
