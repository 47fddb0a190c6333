//! The relay's URL and the certificate authorities to trust for it.
//!
//! Plaintext is allowed to this machine only, unless the caller opts in.

use std::path::PathBuf;
use std::sync::Arc;

use http::Uri;
use protocol::url::Transport;
use rustls::ClientConfig;

use crate::error::{Error, ErrorKind};
use crate::tls::{CaSource, SharedTls, TlsError};

/// The checked URL of a relay. Agents whose settings have clones of one endpoint share its
/// certificate authorities and TLS sessions.
///
/// ```
/// use msg2agent::config::Endpoint;
///
/// assert_eq!(Endpoint::new("wss://relay.example")?.url(), "wss://relay.example/ws");
/// assert!(Endpoint::new("ws://127.0.0.1:8080/ws").is_ok());
/// assert!(Endpoint::new("ws://relay.example/ws").is_err());
/// # Ok::<(), msg2agent::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Endpoint {
    url: String,
    uri: Uri,
    host: String,
    port: u16,
    secure: bool,
    /// `None` means the public CAs.
    ca: Option<CaSource>,
    tls: Arc<SharedTls>,
}

impl Endpoint {
    /// Takes `wss://host[:port][/path]`, or `ws://` to a loopback address. The default path is
    /// `/ws`.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for another scheme, or plaintext to another machine.
    pub fn new(url: &str) -> Result<Self, Error> {
        Self::parse(url, false)
    }

    /// Like [`new`](Self::new), but also allows `ws://` to any host. Everybody on the network path
    /// can read the API key and who communicates with whom; message bodies stay encrypted.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for another scheme.
    pub fn new_insecure_plaintext(url: &str) -> Result<Self, Error> {
        Self::parse(url, true)
    }

    /// Trusts these PEM certificates instead of the public authorities.
    #[must_use]
    pub fn with_ca(mut self, pem: Vec<u8>) -> Self {
        (self.ca, self.tls) = (Some(CaSource::Value(pem)), Arc::default());
        self
    }

    /// Trusts the PEM certificates in this file instead of the public authorities. The file is read
    /// at every connection attempt.
    #[must_use]
    pub fn with_ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        (self.ca, self.tls) = (Some(CaSource::File(path.into())), Arc::default());
        self
    }

    /// The URL with its path.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// An endpoint from settings. `ca` is a file of PEM certificates.
    pub(super) fn from_setting(
        url: &str,
        ca: Option<PathBuf>,
        insecure_plaintext: bool,
    ) -> Result<Self, Error> {
        let endpoint = Self::parse(url, insecure_plaintext)?;
        Ok(match ca {
            Some(path) => endpoint.with_ca_file(path),
            None => endpoint,
        })
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

    /// The TLS configuration with the authorities as they are now.
    pub(crate) fn tls(&self) -> Result<Arc<ClientConfig>, TlsError> {
        self.tls.current(self.ca.as_ref())
    }

    fn parse(url: &str, insecure_plaintext: bool) -> Result<Self, Error> {
        let failed = |why: &str| {
            Error::new(ErrorKind::Config, format!("cannot use the relay URL {url:?}"))
                .advising(why.to_owned())
        };
        let uri: Uri = url.parse().map_err(|e: http::uri::InvalidUri| {
            failed("give a URL like wss://relay.example/ws").caused_by(e)
        })?;
        let scheme = uri.scheme_str().filter(|scheme| matches!(*scheme, "wss" | "ws"));
        let scheme =
            scheme.ok_or_else(|| failed("give a URL that starts with wss:// (or ws:// for this machine)"))?;
        let host = uri.host().ok_or_else(|| failed("give a URL with the relay's host"))?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let transport = Transport::from_scheme_and_host(scheme, &host);
        if transport == Some(Transport::Plaintext) && !insecure_plaintext {
            return Err(failed(
                "use wss://, or set MSG2AGENT_INSECURE_PLAINTEXT=true if others may read the API key",
            ));
        }
        let secure = transport == Some(Transport::Encrypted);
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let uri = with_default_path(uri)
            .map_err(|e| failed("give a URL like wss://relay.example/ws").caused_by(e))?;
        Ok(Self { url: uri.to_string(), uri, host, port, secure, ca: None, tls: Arc::default() })
    }
}

/// Adds the relay's WebSocket path to a URL without a path.
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
