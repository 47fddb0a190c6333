//! Finding a client by its id: built in, by its document, or registered here.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use protocol::UnixSeconds;

use super::Oauth;
use super::client::{Client, built_in, document};
use super::error::{ErrorCode, OauthError};
use super::expiring::Expiring;
use super::fetch::Fetcher;
use super::secret::SecretHash;
use super::throttle::{Kind, Who};

/// Documents that are kept; each has a few hundred bytes.
const DOCUMENTS_MAX: usize = 256;

/// Documents that were fetched, until they are stale.
pub(super) struct Documents {
    fetcher: Fetcher,
    fresh: Mutex<Expiring<Client>>,
}

impl Documents {
    pub(super) fn new(fetcher: Fetcher) -> Self {
        Self { fetcher, fresh: Mutex::new(Expiring::new(DOCUMENTS_MAX)) }
    }

    fn fresh(&self, client_id: &str, now: UnixSeconds) -> Option<Client> {
        let fresh = self.fresh.lock().unwrap_or_else(PoisonError::into_inner);
        fresh.get(&SecretHash::of(client_id), now).cloned()
    }

    fn keep(&self, client: Client, expires: UnixSeconds, now: UnixSeconds) {
        let key = SecretHash::of(&client.id);
        let mut fresh = self.fresh.lock().unwrap_or_else(PoisonError::into_inner);
        fresh.insert(key, client, expires, now);
    }
}

impl Oauth {
    /// The client, its document fetched if need be for somebody at `address`.
    pub(super) async fn find_client(&self, id: &str, address: IpAddr) -> Result<Client, OauthError> {
        if let Some(client) = built_in::find(id) {
            return Ok(client);
        }
        if document::is_document_url(id) {
            return self.documented_client(id, address).await;
        }
        self.store.client(id).await?.ok_or_else(unknown)
    }

    /// Whether tokens may be asked for under this id; what they were given to is compared with it later.
    pub(super) async fn check_client_id(&self, id: &str) -> Result<(), OauthError> {
        if built_in::find(id).is_some() || document::is_document_url(id) {
            return Ok(());
        }
        self.store.client(id).await?.map(|_| ()).ok_or_else(unknown)
    }

    async fn documented_client(&self, id: &str, address: IpAddr) -> Result<Client, OauthError> {
        let url = document::parse_url(id)?;
        if let Some(client) = self.documents.fresh(id, self.now()) {
            return Ok(client);
        }
        self.throttle(Kind::Fetch, Who::Address(address))?;
        let fetched = self.documents.fetcher.fetch(&url).await;
        self.metrics.fetched(fetched.as_ref().map_or_else(|error| error.reason(), |_| "ok"));
        let fetched = fetched.map_err(|error| {
            tracing::info!(client = id, error = %super::chain(&error), "failed to fetch a client's document");
            OauthError::new(ErrorCode::InvalidClient, error.reason(), error.to_string())
        })?;
        let client = document::parse(id, &fetched.bytes)?;
        let (now, fresh) = (self.now(), document::freshness(fetched.cache_control.as_deref()));
        self.documents.keep(client.clone(), now.saturating_add(fresh.as_secs()), now);
        Ok(client)
    }
}

fn unknown() -> OauthError {
    OauthError::new(ErrorCode::InvalidClient, "client_unknown", "no such client; register it again")
}
