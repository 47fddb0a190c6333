//! The authorization server: lets people sign in, asks them what a client may do with an agent over MCP, and gives the
//! client tokens for it (OAuth 2.1, RFC 6749, 7009, 7591, 7636, 7662, 8252, 8414, 8707, 9068, 9207).
//!
//! Decisions are pure and in files of their own: `request`, `grant`, `redirect`, `pkce`, `client`, `account`,
//! `access_token`. The files in `endpoint/` do what was decided, one endpoint per file.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use daemon::Shutdown;
use protocol::UnixSeconds;
use protocol::url::Issuer;
use rand::Rng as _;
use tokio::time::Instant;

use crate::config::OauthConfig;
use crate::directory::{Clock, Directory};
use crate::store::OauthStore;

mod access_token;
mod account;
mod address;
mod browser;
mod client;
mod clients;
mod endpoint;
mod error;
mod expiring;
mod fetch;
mod form_token;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod gateway;
mod grant;
mod introspection;
mod invitations;
mod keys;
mod metrics;
mod offer;
mod page;
mod parameters;
mod pkce;
mod provider;
mod redirect;
mod request;
mod router;
mod scope;
mod secret;
mod standing;
mod sweep;
mod target;
mod throttle;

pub(crate) use account::{Account, Resource};
pub(crate) use client::Client;
pub(crate) use grant::{Grant, StoredCode, StoredRefresh};
pub use keys::KeysError;
pub use metrics::OauthMetrics;
pub(crate) use pkce::Challenge;
pub(crate) use router::router;
pub(crate) use secret::SecretHash;

use browser::Sessions;
use clients::Documents;
use endpoint::sign_in_provider::OnTheirWay;
use error::OauthError;
use fetch::Fetcher;
use form_token::FormKey;
use gateway::Gateway;
use keys::{KeyFolder, Keys};
use provider::Provider;
use throttle::{Kind, Throttle, Who};

/// Name of the folder of signing keys below the data folder, where the operator names none.
const KEYS_FOLDER: &str = "oauth-keys";

/// The authorization server; clones are the same one.
#[derive(Clone)]
pub struct Oauth(Arc<Inner>);

/// Its parts; seen by the files of this folder only.
pub struct Inner {
    issuer: Issuer,
    directory: Arc<Directory>,
    store: OauthStore,
    clock: Clock,
    /// What bucket times count from.
    started: Instant,
    keys: Arc<Keys>,
    documents: Documents,
    sessions: Sessions,
    /// Whom people sign in with, besides invitations.
    provider: Option<Provider>,
    on_their_way: OnTheirWay,
    gateway: Option<Gateway>,
    throttle: Throttle,
    form_key: FormKey,
    metrics: OauthMetrics,
    trusted_proxies: Vec<ipnet::IpNet>,
}

/// What an authorization server is made of.
pub struct Setup<'a> {
    pub config: &'a OauthConfig,
    pub issuer: Issuer,
    pub data_dir: &'a Path,
    pub directory: Arc<Directory>,
    pub store: OauthStore,
    pub clock: Clock,
    pub metrics: OauthMetrics,
}

#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("failed to load the keys that sign access tokens")]
    LoadKeys(#[source] KeysError),
    #[error("failed to prepare HTTPS for documents of clients and the provider of identities")]
    PrepareFetch(#[source] reqwest::Error),
    #[error("failed to end what was allowed for a gateway that is not the relay's any more")]
    EndGrants(#[source] sqlx::Error),
}

impl Oauth {
    /// # Errors
    /// The signing keys cannot be had, or the store not be written.
    pub async fn open(setup: Setup<'_>) -> Result<Self, OpenError> {
        let keys = open_keys(setup.config, setup.data_dir).map_err(OpenError::LoadKeys)?;
        let fetcher = Fetcher::new(fetch::public_roots()).map_err(OpenError::PrepareFetch)?;
        end_former_gateway(setup.config, &setup.store).await.map_err(OpenError::EndGrants)?;
        let mut form_secret = [0; 32];
        rand::rng().fill_bytes(&mut form_secret);
        let provider = setup.config.provider.clone().map(|config| Provider::new(config, &setup.issuer));
        Ok(Self(Arc::new(Inner {
            provider: provider.transpose().map_err(OpenError::PrepareFetch)?,
            on_their_way: OnTheirWay::new(),
            gateway: setup.config.gateway.as_ref().map(Gateway::new),
            issuer: setup.issuer,
            directory: setup.directory,
            store: setup.store,
            clock: setup.clock,
            started: Instant::now(),
            keys,
            documents: Documents::new(fetcher),
            sessions: Sessions::new(),
            throttle: Throttle::new(),
            form_key: FormKey::new(&form_secret),
            metrics: setup.metrics,
            trusted_proxies: setup.config.trusted_proxies.clone(),
        })))
    }

    /// Notices changed signing keys, until shutdown.
    pub async fn watch_keys(self, shutdown: Shutdown) {
        Arc::clone(&self.keys).watch(self.metrics.clone(), shutdown).await;
    }

    /// Closes the store.
    pub async fn close(&self) {
        self.store.close().await;
    }

    fn now(&self) -> UnixSeconds {
        (self.clock)()
    }

    /// Takes one of what somebody may do, or refuses.
    fn throttle(&self, kind: Kind, who: Who<'_>) -> Result<(), OauthError> {
        let passed = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let seconds = |wait: Duration| wait.as_secs().saturating_add(1);
        self.throttle.take(kind, who, passed).map_err(|wait| OauthError::too_many(seconds(wait)))
    }

    /// What the provider of identities is called on the sign-in page, if there is one.
    fn provider_name(&self) -> Option<&str> {
        self.provider.as_ref().map(Provider::name)
    }

    fn throttle_address(&self, kind: Kind, address: IpAddr) -> Result<(), OauthError> {
        self.throttle(kind, Who::Address(address))
    }
}

impl std::ops::Deref for Oauth {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl std::fmt::Debug for Oauth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Oauth").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

/// What people allowed for the gateway is void once it is gone or elsewhere, also if it comes back.
async fn end_former_gateway(config: &OauthConfig, store: &OauthStore) -> Result<(), sqlx::Error> {
    let url = config.gateway.as_ref().map(|gateway| gateway.url.as_str());
    let ended = store.end_gateway_grants_but(url).await?;
    if ended > 0 {
        tracing::warn!(target: "audit", ended, "the MCP gateway is gone or elsewhere: what people allowed for it has ended");
    }
    Ok(())
}

fn open_keys(config: &OauthConfig, data_dir: &Path) -> Result<Arc<Keys>, KeysError> {
    let Some(folder) = &config.keys_dir else {
        let folder = KeyFolder::at(data_dir.join(KEYS_FOLDER));
        folder.ensure(&mut rand::rng())?;
        return Keys::open(folder);
    };
    Keys::open(KeyFolder::at(folder.clone()))
}

/// An error with its causes, for one log line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
