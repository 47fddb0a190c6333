//! The endpoint that is checked, and the credentials for it.

use std::path::Path;

use protocol::url::Transport;
use reqwest::Url;
use rustls_pki_types::CertificateDer;
use zeroize::Zeroizing;

use super::route::Route;
use crate::certificate_file::read_certificates;
use crate::failure::Failure;

pub(super) struct Target {
    /// The URL as given, because clients compare it as a string.
    pub(super) text: String,
    pub(super) url: Url,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) token: Option<Zeroizing<String>>,
    /// Certificate authorities to trust instead of the public ones.
    pub(super) ca: Option<Vec<CertificateDer<'static>>>,
    /// Hosts that are forwarded to ports of this machine.
    pub(super) routes: Vec<Route>,
    /// URL of the proxy that uses the routes.
    pub(super) proxy: Option<String>,
}

impl Target {
    pub(super) fn load(text: &str, token: Option<&Path>, ca: Option<&Path>) -> Result<Self, Failure> {
        let mut target = Self::parse(text)?;
        target.token = token.map(read_token).transpose()?;
        target.ca = ca.map(read_certificates).transpose()?;
        Ok(target)
    }

    /// A target without credentials.
    pub(super) fn parse(text: &str) -> Result<Self, Failure> {
        let wrong = |why: &str| {
            Failure::usage(
                format!("{text:?} is not the URL of an MCP endpoint: {why}"),
                "give a URL such as https://mcp.example.com/mcp",
            )
        };
        let url: Url = text.parse().map_err(|_| wrong("it is not a URL"))?;
        let host = url.host_str().ok_or_else(|| wrong("it has no host"))?.to_owned();
        let is_http = matches!(url.scheme(), "http" | "https");
        if !is_http || !Transport::from_scheme_and_host(url.scheme(), &host).is_some_and(Transport::is_secure)
        {
            return Err(wrong("clients accept only https, or http on this machine"));
        }
        let port = url.port_or_known_default().ok_or_else(|| wrong("it has no port"))?;
        let (text, routes) = (text.to_owned(), Vec::new());
        Ok(Self { text, url, host, port, token: None, ca: None, routes, proxy: None })
    }

    pub(super) fn is_tls(&self) -> bool {
        self.url.scheme() == "https"
    }
}

fn read_token(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let attempt = || format!("cannot read the token in {}", path.display());
    let text = std::fs::read_to_string(path).map(Zeroizing::new).map_err(|e| Failure::io(attempt(), e))?;
    let token = text.trim();
    if token.is_empty() || token.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(Failure::usage(attempt(), "the file must contain the token and nothing else"));
    }
    Ok(Zeroizing::new(token.to_owned()))
}
