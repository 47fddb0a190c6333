//! Fetches client documents without opening the relay to server-side request forgery (SSRF): https
//! only, no redirects, no proxy, and every address that the host name resolves to must be public.
//! The connection goes to the addresses that were checked.

use std::io;
use std::net::{IpAddr, SocketAddr};

use axum::http::header;
use futures::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use rustls::RootCertStore;
use tokio::sync::Semaphore;
use url::Url;

use super::metadata_document::DOCUMENT_BYTES_MAX;
use super::public_address::is_public;
use crate::http_client;

/// The most fetches at a time; further ones are refused as busy.
const FETCHES_MAX: usize = 8;
/// The most addresses of one host name that are checked.
const ADDRESSES_MAX: usize = 16;

/// Why a document could not be fetched.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    #[error("too many documents are being fetched")]
    Busy,
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
    slots: Semaphore,
}

impl FetchError {
    pub(crate) const fn reason(&self) -> &'static str {
        match self {
            Self::Busy => "fetch_busy",
            Self::Send(_) => "fetch_failed",
            Self::Status(_) => "fetch_status",
            Self::ContentType => "fetch_content_type",
            Self::TooLarge => "fetch_too_large",
        }
    }
}

impl DocumentFetcher {
    /// A fetcher that connects to public addresses only.
    pub(crate) fn new(roots: RootCertStore) -> reqwest::Result<Self> {
        Self::with(roots, PublicResolver { lookup: resolve_with_system, allowed: is_public })
    }

    fn with(roots: RootCertStore, resolver: PublicResolver) -> reqwest::Result<Self> {
        let client = http_client::builder(roots).https_only(true).dns_resolver(resolver).build()?;
        Ok(Self { client, slots: Semaphore::new(FETCHES_MAX) })
    }

    /// The URL must have a host name: an IP address would not be resolved, and so would not be
    /// checked.
    pub(crate) async fn fetch(&self, url: &Url) -> Result<FetchedDocument, FetchError> {
        let _slot = self.slots.try_acquire().map_err(|_| FetchError::Busy)?;
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
