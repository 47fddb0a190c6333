//! Opens the authorization server and runs its tasks.

use std::path::PathBuf;
use std::sync::Arc;

use daemon::{Shutdown, Tasks};
use prometheus::Registry;
use protocol::did::Domain;
use protocol::url::Issuer;
use rand::Rng as _;
use sqlx::SqlitePool;

use crate::authorize::gateway::Gateway;
use crate::authorize::target::Targets;
use crate::cleanup;
use crate::clients::registry::{ClientDocuments, ClientRegistry};
use crate::endpoints::state::{ServerState, SharedState};
use crate::grants::lifecycle::Grants;
use crate::limits::client_ip::TrustedProxies;
use crate::limits::rate_limiter::RateLimiter;
use crate::metrics::Metrics;
use crate::pages::form_token::FormKey;
use crate::pages::render::Pages;
use crate::people::invitations::Invitations;
use crate::people::provider::client::Provider;
use crate::people::sign_ins::SignIns;
use crate::relay::Relay;
use crate::router;
use crate::settings::{Clock, GatewaySettings, Settings};
use crate::store::database::Database;
use crate::tokens::issuance::AccessTokens;
use crate::tokens::key_folder::{KeyFolder, SigningKeysError};
use crate::tokens::signing_keys::SigningKeys;

/// The name of the folder of signing keys below the data folder, unless a setting names another
/// one.
const KEYS_FOLDER: &str = "oauth-keys";

/// The authorization server.
pub struct AuthorizationServer {
    state: SharedState,
    store: Database,
    keys: Arc<SigningKeys>,
}

/// What the authorization server is opened with.
pub struct Setup<'a> {
    /// The settings of the relay's operator.
    pub settings: Settings,
    /// The issuer of access tokens, as the relay decided it.
    pub issuer: Issuer,
    /// The domain of all agents.
    pub domain: Domain,
    /// The relay's data folder.
    pub data_dir: PathBuf,
    /// Connections to the relay's SQLite file, which has this version's tables.
    pub pool: SqlitePool,
    /// The current time.
    pub clock: Clock,
    /// Where metrics are registered.
    pub registry: &'a Registry,
}

/// Why the authorization server could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The signing keys cannot be read.
    #[error("failed to load the keys that sign access tokens")]
    LoadKeys(#[source] SigningKeysError),
    /// The HTTP client cannot be built.
    #[error("failed to prepare HTTPS for client documents and the OpenID provider")]
    PrepareHttp(#[source] reqwest::Error),
    /// The database failed.
    #[error("failed to revoke the grants of a former gateway")]
    RevokeGrants(#[source] sqlx::Error),
    /// A metric is already registered.
    #[error("failed to register the metrics of the authorization server")]
    RegisterMetrics(#[source] prometheus::Error),
}

/// Opens the authorization server of a relay.
///
/// # Errors
/// The signing keys cannot be loaded, or the database cannot be written.
pub async fn open(setup: Setup<'_>, relay: Arc<dyn Relay>) -> Result<AuthorizationServer, OpenError> {
    let Setup { settings, issuer, domain, data_dir, pool, clock, registry } = setup;
    let metrics = Metrics::register(registry).map_err(OpenError::RegisterMetrics)?;
    let keys = open_keys(settings.keys_dir, data_dir).map_err(OpenError::LoadKeys)?;
    let keys = Arc::new(keys);
    let fetcher =
        ClientDocuments::fetcher(settings.outbound_proxy.as_ref()).map_err(OpenError::PrepareHttp)?;
    let provider =
        settings.provider.map(|provider| Provider::new(provider, &issuer, settings.outbound_proxy.as_ref()));
    let provider = provider.transpose().map_err(OpenError::PrepareHttp)?;
    let store = Database::new(pool, domain.clone());
    let grants = Grants::new(store.clone(), Arc::clone(&relay), gateway_url(settings.gateway.as_ref()));
    grants.delete_former_gateway_grants().await.map_err(OpenError::RevokeGrants)?;
    let limiter = Arc::new(RateLimiter::new());
    let documents = ClientDocuments::new(fetcher, Arc::clone(&limiter), metrics.clone());
    let provider_name = provider.as_ref().map(|provider| provider.name().to_owned());
    let state = ServerState {
        targets: Targets::new(Arc::clone(&relay), settings.gateway.as_ref().map(Gateway::new)),
        clients: ClientRegistry::new(store.clone(), documents),
        sign_ins: SignIns::new(store.clone(), provider),
        tokens: AccessTokens::new(issuer.clone(), Arc::clone(&keys)),
        pages: Pages::new(issuer.clone(), domain.authority(), provider_name, new_form_key()),
        invitations: Invitations::new(store.clone(), Arc::clone(&relay), domain, Arc::clone(&clock)),
        trusted_proxies: TrustedProxies::new(settings.trusted_proxies),
        issuer,
        clock,
        relay,
        limiter,
        metrics,
        grants,
    };
    Ok(AuthorizationServer { state: Arc::new(state), store, keys })
}

impl AuthorizationServer {
    /// The routes for a [`daemon::https::Listener`], which says who the peer of each request is.
    pub fn router(&self) -> axum::Router {
        router::router(Arc::clone(&self.state))
    }

    /// Spawns the tasks that reload the signing keys and delete expired rows, until shutdown.
    pub fn spawn_tasks(&self, tasks: &Tasks, shutdown: &Shutdown) {
        let watch = Arc::clone(&self.keys).watch(self.state.metrics.clone(), shutdown.clone());
        tasks.spawn_vital("oauth-keys", watch);
        let cleanup = cleanup::run(self.store.clone(), Arc::clone(&self.state.clock), shutdown.clone());
        tasks.spawn_vital("oauth-sweep", cleanup);
    }

    /// The invitations, for the admin API.
    #[must_use]
    pub fn invitations(&self) -> Invitations {
        self.state.invitations.clone()
    }

    /// Closes the database connections.
    pub async fn close(&self) {
        self.store.close().await;
    }
}

impl std::fmt::Debug for AuthorizationServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuthorizationServer").field("issuer", &self.state.issuer).finish_non_exhaustive()
    }
}

fn gateway_url(gateway: Option<&GatewaySettings>) -> Option<String> {
    gateway.map(|gateway| gateway.url.clone())
}

fn new_form_key() -> FormKey {
    let mut secret = [0; 32];
    rand::rng().fill_bytes(&mut secret);
    FormKey::new(&secret)
}

fn open_keys(keys_dir: Option<PathBuf>, data_dir: PathBuf) -> Result<SigningKeys, SigningKeysError> {
    let Some(folder) = keys_dir else {
        let folder = KeyFolder::at(data_dir.join(KEYS_FOLDER));
        folder.ensure(&mut rand::rng())?;
        return SigningKeys::open(folder);
    };
    SigningKeys::open(KeyFolder::at(folder))
}
