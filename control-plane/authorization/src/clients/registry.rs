//! Finds clients by id and registers new ones. A client is built in, known by its metadata
//! document, or registered here.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use daemon::error_chain;
use document_fetcher::{AllowedAddresses, DocumentFetcher, FetchLimits, OutboundProxy};
use protocol::UnixSeconds;
use url::Url;

use super::client::Client;
use super::{built_in, metadata_document};
use crate::error::{ErrorCode, OauthError};
use crate::limits::expiring_map::ExpiringMap;
use crate::limits::rate_limiter::{RateLimit, RateLimiter};
use crate::metrics::Metrics;
use crate::secret::SecretHash;
use crate::store::clients;
use crate::store::database::Database;

/// The most documents that are cached; each has a few hundred bytes.
const DOCUMENTS_MAX: usize = 256;
/// The most fetches at a time; further ones are refused as busy.
const FETCHES_MAX: usize = 8;
/// The most registered clients without a grant. Each has at most 32 KiB on disk and usually 500
/// bytes.
const UNUSED_CLIENTS_MAX: u64 = 5_000;
/// How long a new client is safe from being deleted for a newer one, so that a person has time to
/// sign in and decide.
const UNUSED_CLIENT_GRACE_SECONDS: u64 = 600;

/// All clients of this server.
pub(crate) struct ClientRegistry {
    store: Database,
    documents: ClientDocuments,
}

/// Clients known by their metadata documents: fetched, rate limited and cached.
pub(crate) struct ClientDocuments {
    fetcher: DocumentFetcher,
    limiter: Arc<RateLimiter>,
    metrics: Metrics,
    cache: Mutex<ExpiringMap<Client>>,
}

impl ClientRegistry {
    pub(crate) const fn new(store: Database, documents: ClientDocuments) -> Self {
        Self { store, documents }
    }

    /// The client with this id. Its document may have to be fetched, which counts against
    /// `address`.
    pub(crate) async fn find(
        &self,
        id: &str,
        address: IpAddr,
        now: UnixSeconds,
    ) -> Result<Client, OauthError> {
        if let Some(client) = built_in::find(id) {
            return Ok(client);
        }
        if metadata_document::is_document_url(id) {
            return self.documents.find(id, address, now).await;
        }
        self.store.client(id).await?.ok_or_else(unknown_client)
    }

    /// Whether a client with this id may request tokens. The id is compared later with the client
    /// that the code or refresh token was issued to, so a document need not be fetched.
    pub(crate) async fn check_id(&self, id: &str) -> Result<(), OauthError> {
        if built_in::find(id).is_some() || metadata_document::is_document_url(id) {
            return Ok(());
        }
        self.store.client(id).await?.map(|_| ()).ok_or_else(unknown_client)
    }

    /// Stores a new client. If there are too many unused ones, the oldest of them is deleted,
    /// unless it is quite new as well.
    pub(crate) async fn register(&self, client: &Client, now: UnixSeconds) -> Result<(), OauthError> {
        let mut transaction = self.store.begin().await?;
        if clients::count_unused(&mut transaction).await? >= UNUSED_CLIENTS_MAX {
            let registered_before = now.saturating_sub(UNUSED_CLIENT_GRACE_SECONDS);
            if !clients::delete_oldest_unused(&mut transaction, registered_before).await? {
                let what = "too many clients have just registered; try again later";
                let full = OauthError::new(ErrorCode::TemporarilyUnavailable, "clients_full", what);
                return Err(OauthError { retry_after: Some(UNUSED_CLIENT_GRACE_SECONDS), ..full });
            }
        }
        clients::insert(&mut transaction, client, now).await?;
        Ok(transaction.commit().await?)
    }
}

impl ClientDocuments {
    /// What fetches the documents.
    pub(crate) fn fetcher(proxy: Option<&OutboundProxy>) -> reqwest::Result<DocumentFetcher> {
        let limits = FetchLimits {
            bytes: metadata_document::DOCUMENT_BYTES_MAX,
            fetches: FETCHES_MAX,
            timeout: document_fetcher::OUTBOUND_REQUEST_TIMEOUT,
            json_only: true,
        };
        DocumentFetcher::new(document_fetcher::public_roots(), AllowedAddresses::Public, proxy, limits)
    }

    pub(crate) fn new(fetcher: DocumentFetcher, limiter: Arc<RateLimiter>, metrics: Metrics) -> Self {
        Self { fetcher, limiter, metrics, cache: Mutex::new(ExpiringMap::new(DOCUMENTS_MAX)) }
    }

    async fn find(&self, id: &str, address: IpAddr, now: UnixSeconds) -> Result<Client, OauthError> {
        let url = metadata_document::parse_url(id)?;
        if let Some(client) = self.cached(id, now) {
            return Ok(client);
        }
        self.limiter.check_ip(RateLimit::Fetch, address)?;
        self.fetch(id, &url, now).await
    }

    async fn fetch(&self, id: &str, url: &Url, now: UnixSeconds) -> Result<Client, OauthError> {
        let fetched = self.fetcher.fetch(url).await;
        self.metrics.count_fetch(fetched.as_ref().map_or_else(|error| error.reason(), |_| "ok"));
        let fetched = fetched.map_err(|error| {
            tracing::info!(client = id, error = %error_chain(&error), "failed to fetch a client's document");
            OauthError::new(ErrorCode::InvalidClient, error.reason(), error.to_string())
        })?;
        let client = metadata_document::parse(id, &fetched.bytes)?;
        let ttl = metadata_document::cache_ttl(fetched.cache_control.as_deref());
        self.cache(client.clone(), now.saturating_add(ttl.as_secs()), now);
        Ok(client)
    }

    fn cached(&self, id: &str, now: UnixSeconds) -> Option<Client> {
        let cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        cache.get(&SecretHash::of(id), now).cloned()
    }

    fn cache(&self, client: Client, expires: UnixSeconds, now: UnixSeconds) {
        let key = SecretHash::of(&client.id);
        self.cache.lock().unwrap_or_else(PoisonError::into_inner).insert(key, client, expires, now);
    }
}

fn unknown_client() -> OauthError {
    OauthError::new(ErrorCode::InvalidClient, "client_unknown", "no such client; register it again")
}
