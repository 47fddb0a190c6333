//! Fetches documents without opening a process to server-side request forgery (SSRF): https only,
//! no redirects, and every address that the host name resolves to must be public. The connection
//! goes to the addresses that were checked.
//!
//! A proxy resolves host names itself. The process then refuses the names that it can see to be
//! inside, and the proxy must refuse the rest.

use std::time::Duration;

use http::header;
use rustls::RootCertStore;
use tokio::sync::Semaphore;
use url::Url;

use crate::http_client;
use crate::outbound_proxy::OutboundProxy;
use crate::public_resolver::{AllowedAddresses, NotPublic, PublicResolver};

/// What a fetcher allows the servers of documents.
#[derive(Debug, Clone, Copy)]
pub struct FetchLimits {
    /// Bytes of a document.
    pub bytes: usize,
    /// Fetches at a time; further ones are refused as busy.
    pub fetches: usize,
    /// Time for one fetch, from DNS to the end of the body.
    pub timeout: Duration,
    /// Whether a document must be JSON by its content type.
    pub json_only: bool,
}

/// Why a document could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    #[error("too many documents are being fetched")]
    Busy,
    #[error("refused to fetch the document through the proxy")]
    Inside(#[source] NotPublic),
    #[error("the URL has an address instead of a host name")]
    Address,
    #[error("failed to fetch the document")]
    Send(#[source] reqwest::Error),
    #[error("the document's server answered {0}")]
    Status(u16),
    #[error("the document is not JSON by its content type")]
    ContentType,
    #[error("the document has more than {0} bytes")]
    TooLarge(usize),
}

/// A fetched document and its `Cache-Control`.
#[derive(Debug)]
pub struct FetchedDocument {
    pub bytes: Vec<u8>,
    pub cache_control: Option<String>,
}

/// Fetches documents of strangers.
#[derive(Debug)]
pub struct DocumentFetcher {
    client: reqwest::Client,
    /// Checks host names before the proxy resolves them. `None` without a proxy: the client's own
    /// resolver is the check.
    before_proxy: Option<PublicResolver>,
    slots: Semaphore,
    limits: FetchLimits,
}

impl FetchError {
    /// A word for metrics and logs.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Busy => "fetch_busy",
            Self::Inside(_) | Self::Address | Self::Send(_) => "fetch_failed",
            Self::Status(_) => "fetch_status",
            Self::ContentType => "fetch_content_type",
            Self::TooLarge(_) => "fetch_too_large",
        }
    }
}

impl DocumentFetcher {
    /// A fetcher that connects to allowed addresses only, or to the proxy only.
    ///
    /// # Errors
    /// Those of the HTTP client.
    pub fn new(
        roots: RootCertStore,
        allowed: AllowedAddresses,
        proxy: Option<&OutboundProxy>,
        limits: FetchLimits,
    ) -> reqwest::Result<Self> {
        Self::with(roots, PublicResolver::new(allowed), proxy, limits)
    }

    fn with(
        roots: RootCertStore,
        resolver: PublicResolver,
        proxy: Option<&OutboundProxy>,
        limits: FetchLimits,
    ) -> reqwest::Result<Self> {
        let client = http_client::builder(roots).https_only(true).timeout(limits.timeout);
        let client = match proxy {
            // Excepted hosts are inside, where no document of a stranger is fetched from.
            Some(proxy) => client.proxy(proxy.without_exceptions()?),
            None => client.dns_resolver(resolver),
        };
        Ok(Self {
            client: client.build()?,
            before_proxy: proxy.map(|_| resolver),
            slots: Semaphore::new(limits.fetches),
            limits,
        })
    }

    /// Fetches a document. An IP address in the URL would not be resolved and so not be checked: it
    /// is refused, in each of its spellings.
    ///
    /// # Errors
    /// The document is not there in time, or is no document within the limits.
    pub async fn fetch(&self, url: &Url) -> Result<FetchedDocument, FetchError> {
        let host = url.domain().ok_or(FetchError::Address)?;
        let _slot = self.slots.try_acquire().map_err(|_| FetchError::Busy)?;
        if let Some(resolver) = self.before_proxy {
            resolver.refuse_inside(host).await.map_err(FetchError::Inside)?;
        }
        let request = self.client.get(url.clone()).header(header::ACCEPT, "application/json");
        let mut response = request.send().await.map_err(FetchError::Send)?;
        if response.status().as_u16() != 200 {
            return Err(FetchError::Status(response.status().as_u16()));
        }
        let text = |name| response.headers().get(name)?.to_str().ok().map(str::to_owned);
        let (kind, cache_control) = (text(header::CONTENT_TYPE), text(header::CACHE_CONTROL));
        if self.limits.json_only && !kind.is_some_and(|kind| is_json(&kind)) {
            return Err(FetchError::ContentType);
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(FetchError::Send)? {
            if bytes.len() + chunk.len() > self.limits.bytes {
                return Err(FetchError::TooLarge(self.limits.bytes));
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

#[cfg(test)]
mod tests;
