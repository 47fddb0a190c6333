//! Host and Origin allow-lists. They stop DNS rebinding: a page that resolves its own host name to
//! this server matches neither. Pure.

use axum::http::HeaderMap;
use axum::http::header::{HOST, ORIGIN};

use super::rejection::GatewayRejection;

/// The allowed values of `Host` and `Origin`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowedHosts {
    /// With or without port. A host without port allows every port.
    pub hosts: Vec<String>,
    /// `scheme://host[:port]`; the port `*` allows every port.
    pub origins: Vec<String>,
}

impl AllowedHosts {
    /// # Errors
    /// A host or an origin that is not on its list.
    pub fn check(&self, headers: &HeaderMap) -> Result<(), GatewayRejection> {
        let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or_default());
        if !text(HOST).is_some_and(|host| self.allows_host(host)) {
            return Err(GatewayRejection::ForeignHost);
        }
        if text(ORIGIN).is_some_and(|origin| !self.allows_origin(origin)) {
            return Err(GatewayRejection::ForeignOrigin);
        }
        Ok(())
    }

    fn allows_host(&self, host: &str) -> bool {
        let name = without_port(host).trim_matches(['[', ']']);
        let matches = |known: &String| known.eq_ignore_ascii_case(host) || known.eq_ignore_ascii_case(name);
        self.hosts.iter().any(matches)
    }

    fn allows_origin(&self, origin: &str) -> bool {
        self.origins.iter().any(|known| match known.strip_suffix(":*") {
            Some(any_port) => without_port(origin) == any_port,
            None => known == origin,
        })
    }
}

/// A port is the digits after the last colon; an IPv6 address in brackets contains other colons.
fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => authority,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(host: &str, origin: Option<&str>) -> Result<(), GatewayRejection> {
        let allowed = AllowedHosts {
            hosts: vec!["mcp.example.com".into(), "127.0.0.1".into(), "::1".into()],
            origins: vec!["https://app.example.com".into(), "http://[::1]:*".into()],
        };
        let mut headers = HeaderMap::new();
        headers.insert(HOST, host.parse().unwrap());
        if let Some(origin) = origin {
            headers.insert(ORIGIN, origin.parse().unwrap());
        }
        allowed.check(&headers)
    }

    #[test]
    fn configured_names_pass_with_any_port() {
        for host in ["mcp.example.com", "MCP.example.com:8443", "127.0.0.1:1", "[::1]:8444"] {
            assert_eq!(check(host, None), Ok(()), "{host}");
        }
        assert_eq!(check("127.0.0.1", Some("http://[::1]:3000")), Ok(()));
        assert_eq!(check("127.0.0.1", Some("https://app.example.com")), Ok(()));
    }

    #[test]
    fn a_name_of_somebody_else_is_refused() {
        for host in
            ["", "evil.example", "mcp.example.com.evil.example", "evil.example:443", "mcp.example.com:x"]
        {
            assert_eq!(check(host, None), Err(GatewayRejection::ForeignHost), "{host}");
        }
        for origin in
            ["null", "https://evil.example", "https://app.example.com:444", "http://[::1].evil.example:1"]
        {
            assert_eq!(check("127.0.0.1", Some(origin)), Err(GatewayRejection::ForeignOrigin), "{origin}");
        }
        assert_eq!(AllowedHosts::default().check(&HeaderMap::new()), Err(GatewayRejection::ForeignHost));
    }
}
