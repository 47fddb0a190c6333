//! Fetches client documents without opening the relay to server-side request forgery (SSRF): https
//! only, no redirects, and every address that the host name resolves to must be public. The
//! connection goes to the addresses that were checked.
//!
//! A proxy resolves host names itself. The relay then refuses the names that it can see to be
//! inside, and the proxy must refuse the rest.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use axum::http::header;
use futures::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use rustls::RootCertStore;
use tokio::sync::Semaphore;
use url::Url;

use super::metadata_document::DOCUMENT_BYTES_MAX;
use super::public_address::is_public;
use crate::http_client;
use crate::outbound_proxy::OutboundProxy;

/// The most fetches at a time; further ones are refused as busy.
const FETCHES_MAX: usize = 8;
/// Time for resolving a host name before it is given to the proxy. Sign-in pages wait for it.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(2);
/// The most addresses of one host name that are checked.
const ADDRESSES_MAX: usize = 16;

/// Why a document could not be fetched.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    #[error("too many documents are being fetched")]
    Busy,
    #[error("refused to fetch the document through the proxy")]
    Inside(#[source] io::Error),
    #[error("failed to fetch the document")]
    Send(#[source] reqwest::Error),
    #[error("the document's server answered {0}")]
    Status(u16),
    #[error("the document is not JSON by its content type")]
    ContentType,
    #[error("the document has more than {DOCUMENT_BYTES_MAX} bytes")]
    TooLarge,
}

/// A fetched document and its `Cache-Control`.
#[derive(Debug)]
pub(crate) struct FetchedDocument {
    pub(crate) bytes: Vec<u8>,
    pub(crate) cache_control: Option<String>,
}

/// Fetches documents from public addresses.
#[derive(Debug)]
pub(crate) struct DocumentFetcher {
    client: reqwest::Client,
    /// Checks host names before the proxy resolves them. `None` without a proxy: the client's own
    /// resolver is the check.
    before_proxy: Option<PublicResolver>,
    slots: Semaphore,
}

impl FetchError {
    pub(crate) const fn reason(&self) -> &'static str {
        match self {
            Self::Busy => "fetch_busy",
            Self::Inside(_) | Self::Send(_) => "fetch_failed",
            Self::Status(_) => "fetch_status",
            Self::ContentType => "fetch_content_type",
            Self::TooLarge => "fetch_too_large",
        }
    }
}

impl DocumentFetcher {
    /// A fetcher that connects to public addresses only, or to the proxy only.
    pub(crate) fn new(roots: RootCertStore, proxy: Option<&OutboundProxy>) -> reqwest::Result<Self> {
        Self::with(roots, PublicResolver { lookup: resolve_with_system, allowed: is_public }, proxy)
    }

    fn with(
        roots: RootCertStore,
        resolver: PublicResolver,
        proxy: Option<&OutboundProxy>,
    ) -> reqwest::Result<Self> {
        let client = http_client::builder(roots).https_only(true);
        let client = match proxy {
            // Excepted hosts are inside, where no document of a stranger is fetched from.
            Some(proxy) => client.proxy(proxy.without_exceptions()?),
            None => client.dns_resolver(resolver),
        };
        Ok(Self {
            client: client.build()?,
            before_proxy: proxy.map(|_| resolver),
            slots: Semaphore::new(FETCHES_MAX),
        })
    }

    /// The URL must have a host name: an IP address would not be resolved, and so would not be
    /// checked.
    pub(crate) async fn fetch(&self, url: &Url) -> Result<FetchedDocument, FetchError> {
        let _slot = self.slots.try_acquire().map_err(|_| FetchError::Busy)?;
        if let Some(resolver) = self.before_proxy {
            resolver.refuse_inside(url.host_str().unwrap_or_default()).await.map_err(FetchError::Inside)?;
        }
        let request = self.client.get(url.clone()).header(header::ACCEPT, "application/json");
        let mut response = request.send().await.map_err(FetchError::Send)?;
        if response.status().as_u16() != 200 {
            return Err(FetchError::Status(response.status().as_u16()));
        }
        let text = |name| response.headers().get(name)?.to_str().ok().map(str::to_owned);
        let (kind, cache_control) = (text(header::CONTENT_TYPE), text(header::CACHE_CONTROL));
        if !kind.is_some_and(|kind| is_json(&kind)) {
            return Err(FetchError::ContentType);
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(FetchError::Send)? {
            if bytes.len() + chunk.len() > DOCUMENT_BYTES_MAX {
                return Err(FetchError::TooLarge);
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(FetchedDocument { bytes, cache_control })
    }
}

fn is_json(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}

/// Resolves a host name to addresses, each with port 0.
type Lookup = fn(String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>>;

/// A DNS resolver that returns only addresses that may be connected to.
#[derive(Debug, Clone, Copy)]
struct PublicResolver {
    lookup: Lookup,
    /// Whether an address may be connected to.
    allowed: fn(IpAddr) -> bool,
}

impl PublicResolver {
    /// Refuses a host name that resolves to an address that is not public. In a network whose only
    /// way out is a proxy, public names often do not resolve; the proxy decides about those.
    async fn refuse_inside(self, host: &str) -> io::Result<()> {
        let lookup = (self.lookup)(host.to_owned());
        match tokio::time::timeout(LOOKUP_TIMEOUT, lookup).await {
            Ok(Ok(found)) => check_addresses(found, self.allowed).map(drop),
            Ok(Err(_)) | Err(_) => Ok(()),
        }
    }
}

impl Resolve for PublicResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let Self { lookup, allowed } = *self;
        Box::pin(async move {
            let found = lookup(name.as_str().to_owned()).await?;
            Ok(Box::new(check_addresses(found, allowed)?.into_iter()) as Addrs)
        })
    }
}

fn resolve_with_system(name: String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
    Box::pin(async move { Ok(tokio::net::lookup_host((name, 0)).await?.take(ADDRESSES_MAX).collect()) })
}

/// Refuses all addresses if one of them is not public: such a host name is an attack.
fn check_addresses(found: Vec<SocketAddr>, allowed: fn(IpAddr) -> bool) -> io::Result<Vec<SocketAddr>> {
    if !found.is_empty() && found.iter().all(|address| allowed(address.ip())) {
        return Ok(found);
    }
    Err(io::Error::new(
        io::ErrorKind::PermissionDenied,
        "the host name resolves to an address that is not public",
    ))
}

#[cfg(test)]
mod tests;
