//! What is looked at, and with which credentials.

use std::path::Path;

use reqwest::Url;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use zeroize::Zeroizing;

use super::forward::Route;
use crate::failure::Failure;

pub(super) struct Target {
    /// As it was given: identifiers are compared letter by letter.
    pub(super) text: String,
    pub(super) url: Url,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) token: Option<Zeroizing<String>>,
    /// In place of the web's authorities.
    pub(super) ca: Option<Vec<CertificateDer<'static>>>,
    /// Names that lead to ports of this machine.
    pub(super) routes: Vec<Route>,
    /// URL of the proxy that knows them.
    pub(super) proxy: Option<String>,
}

impl Target {
    pub(super) fn read(text: &str, token: Option<&Path>, ca: Option<&Path>) -> Result<Self, Failure> {
        let mut target = Self::parse(text)?;
        target.token = token.map(read_token).transpose()?;
        target.ca = ca.map(read_certificates).transpose()?;
        Ok(target)
    }

    /// Without credentials.
    pub(super) fn parse(text: &str) -> Result<Self, Failure> {
        let wrong = |why: &str| {
            Failure::usage(
                format!("{text:?} is not the URL of an MCP endpoint: {why}"),
                "give it like https://mcp.example.com/mcp",
            )
        };
        let url: Url = text.parse().map_err(|_| wrong("it cannot be read"))?;
        let host = url.host_str().ok_or_else(|| wrong("it names no host"))?.to_owned();
        let plain_here = url.scheme() == "http" && is_loopback(&host);
        if url.scheme() != "https" && !plain_here {
            return Err(wrong("clients accept https only, and http on this machine"));
        }
        let port = url.port_or_known_default().ok_or_else(|| wrong("it names no port"))?;
        let (text, routes) = (text.to_owned(), Vec::new());
        Ok(Self { text, url, host, port, token: None, ca: None, routes, proxy: None })
    }

    pub(super) fn is_tls(&self) -> bool {
        self.url.scheme() == "https"
    }
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn read_token(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let attempt = || format!("cannot read the token in {}", path.display());
    let text = std::fs::read_to_string(path).map(Zeroizing::new).map_err(|e| Failure::io(attempt(), e))?;
    let token = text.trim();
    if token.is_empty() || token.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(Failure::usage(attempt(), "the file holds the token and nothing else"));
    }
    Ok(Zeroizing::new(token.to_owned()))
}

fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let attempt = || format!("cannot read the certificates in {}", path.display());
    let pem = std::fs::read(path).map_err(|e| Failure::io(attempt(), e))?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(Failure::usage(attempt(), "the file holds PEM certificates of an authority")),
    }
}
