//! Fetches, verifies and keeps DID documents.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use document_fetcher::{AllowedAddresses, DocumentFetcher, FetchError, FetchLimits, OutboundProxy};
use http_signature::ResolveDid;
use protocol::did::WbaDid;
use protocol::document::{ResolvedDocument, ResolvedDocumentError};
use protocol::limits::RECORD_BYTES_MAX;
use rustls::RootCertStore;
use url::Url;

use crate::cache::DocumentCache;
use crate::freshness::document_ttl;

/// How long one document may take, from DNS to its last byte.
const DOCUMENT_TIMEOUT: Duration = Duration::from_secs(10);
/// Documents that are fetched at a time; further ones are refused as busy. A domain that does not
/// answer holds one for [`DOCUMENT_TIMEOUT`].
const FETCHES_MAX: usize = 32;

/// Resolves DIDs. Share one: it has the cache.
#[derive(Debug)]
pub struct DidResolver {
    fetcher: DocumentFetcher,
    cache: Mutex<DocumentCache>,
}

/// Why the document of a DID is not known.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    #[error("the DID document cannot be fetched")]
    Fetch(#[source] FetchError),
    #[error("the DID document does not verify")]
    Document(#[source] ResolvedDocumentError),
    #[error("the DID has no URL that can be asked")]
    Url(#[source] url::ParseError),
}

impl ResolveError {
    /// Whether the same DID may resolve later: its domain has said neither yes nor no.
    #[must_use]
    pub const fn may_change(&self) -> bool {
        match self {
            Self::Fetch(FetchError::Busy | FetchError::Send(_)) => true,
            Self::Fetch(FetchError::Status(status)) => matches!(status, 408 | 429 | 500..=599),
            Self::Fetch(_) | Self::Document(_) | Self::Url(_) => false,
        }
    }
}

impl DidResolver {
    /// A resolver that trusts these certificate authorities, and reaches these addresses or the
    /// proxy only.
    ///
    /// # Errors
    /// Those of the HTTP client.
    pub fn new(
        roots: RootCertStore,
        allowed: AllowedAddresses,
        proxy: Option<&OutboundProxy>,
    ) -> reqwest::Result<Self> {
        let limits = FetchLimits {
            bytes: RECORD_BYTES_MAX,
            fetches: FETCHES_MAX,
            timeout: DOCUMENT_TIMEOUT,
            // The document is verified, whatever a server of files calls it.
            json_only: false,
        };
        let fetcher = DocumentFetcher::new(roots, allowed, proxy, limits)?;
        Ok(Self { fetcher, cache: Mutex::default() })
    }

    /// The document of a DID: the kept one, or else a new one from its domain. What cannot be
    /// fetched or verified is not kept.
    ///
    /// # Errors
    /// The document is not there in time, or does not verify.
    pub async fn resolve(&self, did: &WbaDid, now: u64) -> Result<Arc<ResolvedDocument>, ResolveError> {
        if let Some(document) = self.cache().get(did, now) {
            return Ok(document);
        }
        let url = Url::parse(&did.document_url()).map_err(ResolveError::Url)?;
        let fetched = self.fetcher.fetch(&url).await.map_err(ResolveError::Fetch)?;
        let document = ResolvedDocument::parse(&fetched.bytes, did, now).map_err(ResolveError::Document)?;
        let document = Arc::new(document);
        let until = now.saturating_add(document_ttl(fetched.cache_control.as_deref()));
        self.cache().keep(Arc::clone(&document), until, now);
        Ok(document)
    }

    fn cache(&self) -> MutexGuard<'_, DocumentCache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ResolveDid for DidResolver {
    type Error = ResolveError;

    async fn resolve(&self, did: &WbaDid, now: u64) -> Result<Arc<ResolvedDocument>, ResolveError> {
        Self::resolve(self, did, now).await
    }
}

#[cfg(test)]
mod tests;
