//! The relay's URL and the certificates that vouch for it. Plaintext goes to this machine only, unless somebody insists.

use std::net::IpAddr;
use std::path::PathBuf;

use http::Uri;

use crate::{Error, ErrorKind};

/// A relay to connect to, checked.
#[derive(Debug, Clone)]
pub struct Endpoint {
    url: String,
    uri: Uri,
    host: String,
    port: u16,
    secure: bool,
    /// A private authority; none means the public ones of the web.
    ca: Option<Ca>,
}

/// PEM certificates, or the file that holds the current ones.
#[derive(Debug, Clone)]
pub(crate) enum Ca {
    Value(Vec<u8>),
    /// Read again at every connection attempt: authorities are replaced while agents run.
    File(PathBuf),
}

impl Endpoint {
    /// `wss://host[:port][/ws]`, or `ws://` to a loopback address.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for another scheme, or plaintext to another machine.
    pub fn new(url: &str) -> Result<Self, Error> {
        Self::parse(url, false)
    }

    /// As [`new`](Self::new), and `ws://` to any machine: everybody on the way reads the API key and who writes to whom.
    /// Bodies stay encrypted.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for another scheme.
    pub fn new_insecure_plaintext(url: &str) -> Result<Self, Error> {
        Self::parse(url, true)
    }

    /// Trusts these PEM certificates instead of the public authorities.
    #[must_use]
    pub fn with_ca(mut self, pem: Vec<u8>) -> Self {
        self.ca = Some(Ca::Value(pem));
        self
    }

    /// Trusts the PEM certificates in this file instead of the public authorities; read again at every connection attempt.
    #[must_use]
    pub fn with_ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.ca = Some(Ca::File(path.into()));
        self
    }

    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn uri(&self) -> &Uri {
        &self.uri
    }

    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn secure(&self) -> bool {
        self.secure
    }

    pub(crate) fn ca(&self) -> Option<&Ca> {
        self.ca.as_ref()
    }

    fn parse(url: &str, insecure_plaintext: bool) -> Result<Self, Error> {
        let failed = |why: &str| {
            Error::new(ErrorKind::Config, format!("cannot use the relay URL {url:?}"))
                .advising(why.to_owned())
        };
        let uri: Uri = url.parse().map_err(|e: http::uri::InvalidUri| {
            failed("give a URL like wss://relay.example/ws").caused_by(e)
        })?;
        let secure = match uri.scheme_str() {
            Some("wss") => true,
            Some("ws") => false,
            _ => return Err(failed("give a URL that starts with wss:// (or ws:// for this machine)")),
        };
        let host = uri.host().ok_or_else(|| failed("name the relay's host in the URL"))?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        if !secure && !insecure_plaintext && !loopback(&host) {
            return Err(failed(
                "use wss://, or set MSG2AGENT_INSECURE_PLAINTEXT=true if everybody on the way may read the API key",
            ));
        }
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let uri = with_default_path(uri)
            .map_err(|e| failed("give a URL like wss://relay.example/ws").caused_by(e))?;
        Ok(Self { url: uri.to_string(), uri, host, port, secure, ca: None })
    }
}

fn loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// A URL without a path means the relay's WebSocket path.
fn with_default_path(uri: Uri) -> Result<Uri, http::Error> {
    if uri.path() != "/" {
        return Ok(uri);
    }
    let mut parts = uri.into_parts();
    parts.path_and_query = Some(http::uri::PathAndQuery::from_static("/ws"));
    Ok(Uri::from_parts(parts)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_without_a_path_means_the_websocket_path() {
        assert_eq!(Endpoint::new("wss://relay.example").unwrap().url(), "wss://relay.example/ws");
        assert_eq!(
            Endpoint::new("wss://relay.example:8443/m2a/ws").unwrap().url(),
            "wss://relay.example:8443/m2a/ws"
        );
    }

    #[test]
    fn plaintext_reaches_this_machine_only() {
        for url in ["ws://localhost:1/ws", "ws://127.0.0.1:1/ws", "ws://[::1]:1/ws"] {
            assert!(Endpoint::new(url).is_ok(), "{url}");
        }
        let refused = Endpoint::new("ws://relay.acme.svc:80/ws").unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Config);
        assert!(refused.advice().unwrap().contains("MSG2AGENT_INSECURE_PLAINTEXT"), "{refused:?}");
        assert!(Endpoint::new_insecure_plaintext("ws://relay.acme.svc:80/ws").is_ok());
    }

    #[test]
    fn other_schemes_are_refused() {
        for url in ["https://relay.example", "relay.example", "", "wss://"] {
            assert_eq!(Endpoint::new(url).unwrap_err().kind(), ErrorKind::Config, "{url}");
        }
    }
}
