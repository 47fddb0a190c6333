//! Fetching what a stranger's URL leads to, without being turned on the inside of the cluster: https only, no redirects, no
//! proxy, and every address a name resolves to must be public. The connection goes to the addresses that were checked.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use axum::http::header;
use futures::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use rustls::{ClientConfig, RootCertStore};
use tokio::sync::Semaphore;
use url::Url;

use super::address::is_public;
use super::client::document::DOCUMENT_BYTES_MAX;

/// Time for a whole fetch, resolving included.
pub(super) const TIMEOUT: Duration = Duration::from_secs(5);
/// Fetches at once; more are told to come again.
const FETCHES_MAX: usize = 8;
/// Addresses of one name that are looked at.
const ADDRESSES_MAX: usize = 16;

#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
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

/// What was found, and its `Cache-Control`.
#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) bytes: Vec<u8>,
    pub(super) cache_control: Option<String>,
}

#[derive(Debug)]
pub(super) struct Fetcher {
    client: reqwest::Client,
    places: Semaphore,
}

impl FetchError {
    pub(super) const fn reason(&self) -> &'static str {
        match self {
            Self::Busy => "fetch_busy",
            Self::Send(_) => "fetch_failed",
            Self::Status(_) => "fetch_status",
            Self::ContentType => "fetch_content_type",
            Self::TooLarge => "fetch_too_large",
        }
    }
}

impl Fetcher {
    /// Connects to public addresses only.
    pub(super) fn new(roots: RootCertStore) -> reqwest::Result<Self> {
        Self::with(roots, CheckedResolver { lookup: ask_system, allowed: is_public })
    }

    fn with(roots: RootCertStore, resolver: CheckedResolver) -> reqwest::Result<Self> {
        let client = client_builder(roots).https_only(true).dns_resolver(resolver).build()?;
        Ok(Self { client, places: Semaphore::new(FETCHES_MAX) })
    }

    /// The URL's host must be a name: an address would not be resolved, and so not be checked.
    pub(super) async fn fetch(&self, url: &Url) -> Result<Fetched, FetchError> {
        let _place = self.places.try_acquire().map_err(|_| FetchError::Busy)?;
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
        Ok(Fetched { bytes, cache_control })
    }
}

/// The public certificate authorities, built in: the image has none.
pub(super) fn public_roots() -> RootCertStore {
    webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect()
}

/// How every request of the authorization server goes out.
pub(super) fn client_builder(roots: RootCertStore) -> reqwest::ClientBuilder {
    let tls = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .no_proxy()
        .redirect(Policy::none())
        .timeout(TIMEOUT)
        // A pooled connection would outlive the check of its address.
        .pool_max_idle_per_host(0)
}

fn is_json(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}

/// The addresses of a name, each with port 0.
type Lookup = fn(String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>>;

#[derive(Debug, Clone, Copy)]
struct CheckedResolver {
    lookup: Lookup,
    /// Which addresses may be connected to.
    allowed: fn(IpAddr) -> bool,
}

impl Resolve for CheckedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let Self { lookup, allowed } = *self;
        Box::pin(async move {
            let found = lookup(name.as_str().to_owned()).await?;
            Ok(Box::new(check(found, allowed)?.into_iter()) as Addrs)
        })
    }
}

fn ask_system(name: String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
    Box::pin(async move { Ok(tokio::net::lookup_host((name, 0)).await?.take(ADDRESSES_MAX).collect()) })
}

/// All of them or none: a name with one private address is an attempt.
fn check(found: Vec<SocketAddr>, allowed: fn(IpAddr) -> bool) -> io::Result<Vec<SocketAddr>> {
    if !found.is_empty() && found.iter().all(|address| allowed(address.ip())) {
        return Ok(found);
    }
    Err(io::Error::new(io::ErrorKind::PermissionDenied, "the name leads to an address that is not public"))
}

#[cfg(test)]
mod tests;
