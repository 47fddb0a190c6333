//! Under which names clients may call, and which web pages may: a page that made a name of its own point here (DNS rebinding) has
//! neither. Pure.

use axum::http::HeaderMap;
use axum::http::header::{HOST, ORIGIN};

use crate::http::refused::Refused;

/// What `Host` and `Origin` may say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// With or without port; without, any port goes.
    pub hosts: Vec<String>,
    /// `scheme://host[:port]`, where the port may be `*`.
    pub origins: Vec<String>,
}

impl Names {
    /// # Errors
    /// A name that is not configured.
    pub fn check(&self, headers: &HeaderMap) -> Result<(), Refused> {
        let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or_default());
        if !text(HOST).is_some_and(|host| self.knows_host(host)) {
            return Err(Refused::ForeignHost);
        }
        if text(ORIGIN).is_some_and(|origin| !self.knows_origin(origin)) {
            return Err(Refused::ForeignOrigin);
        }
        Ok(())
    }

    fn knows_host(&self, host: &str) -> bool {
        let name = without_port(host).trim_matches(['[', ']']);
        self.hosts.iter().any(|known| known.eq_ignore_ascii_case(host) || known.eq_ignore_ascii_case(name))
    }

    fn knows_origin(&self, origin: &str) -> bool {
        self.origins.iter().any(|known| match known.strip_suffix(":*") {
            Some(any_port) => without_port(origin) == any_port,
            None => known == origin,
        })
    }
}

/// A port is digits after the last colon; an address in brackets has colons of its own.
fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => authority,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(host: &str, origin: Option<&str>) -> Result<(), Refused> {
        let names = Names {
            hosts: vec!["mcp.example.com".into(), "127.0.0.1".into(), "::1".into()],
            origins: vec!["https://app.example.com".into(), "http://[::1]:*".into()],
        };
        let mut headers = HeaderMap::new();
        headers.insert(HOST, host.parse().unwrap());
        if let Some(origin) = origin {
            headers.insert(ORIGIN, origin.parse().unwrap());
        }
        names.check(&headers)
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
            assert_eq!(check(host, None), Err(Refused::ForeignHost), "{host}");
        }
        for origin in
            ["null", "https://evil.example", "https://app.example.com:444", "http://[::1].evil.example:1"]
        {
            assert_eq!(check("127.0.0.1", Some(origin)), Err(Refused::ForeignOrigin), "{origin}");
        }
        assert_eq!(Names::default().check(&HeaderMap::new()), Err(Refused::ForeignHost));
    }
}
