//! Where the parts meet: [`Relay::bind`] opens everything and takes the ports, [`Relay::run`] serves until shutdown.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use daemon::https::ReloadingCertificate;
use daemon::{BuildInfo, Shutdown};
use protocol::UnixSeconds;
use protocol::did::Domain;
use sqlx::SqlitePool;
use tokio::net::TcpListener;

use crate::config::Config;
use crate::directory::{Capacity, Clock, Directory, Rules, Writer};
use crate::identity;
use crate::store::{self, Store};
use protocol::url::Issuer;

mod data_folder;
mod directory_metrics;
mod running;

use data_folder::DataFolder;
use running::Running;

/// A relay that owns its ports and its store and serves nobody yet.
#[derive(Debug)]
pub struct Relay {
    config: Config,
    build: BuildInfo,
    domain: Domain,
    socket: TcpListener,
    admin_socket: TcpListener,
    certificate: Option<ReloadingCertificate>,
    domain_document: Arc<str>,
    store: Store,
    authorization_pool: SqlitePool,
    issuer: Issuer,
    directory: Arc<Directory>,
    writer: Writer,
    folder: DataFolder,
}

impl Relay {
    /// # Errors
    /// A port, file or store that cannot be had; the text says which.
    pub async fn bind(config: Config, build: BuildInfo) -> Result<Self> {
        let folder = DataFolder::open(&config.data_dir)?;
        identity::ensure_admin_token(&config.admin_token_file)?;
        let key = identity::load_or_create_key(&config.data_dir)?;
        let certificate = match &config.tls {
            Some(files) => Some(ReloadingCertificate::load(files.clone()).await?),
            None => None,
        };
        let socket = bind("listen", config.listen).await?;
        let admin_socket = bind("admin_listen", config.admin_listen).await?;
        let domain = config.domain_at(socket.local_addr()?.port());
        let document =
            protocol::document::build_for_domain(&domain, &key, &config.public_url_of(&domain), now());
        let store = Store::open(&store::path(&config.data_dir)).await?;
        let (directory, writer) =
            Directory::open(store.clone(), domain.clone(), rules(&config), clock()).await?;
        let authorization_pool = store::open_pool(&store::path(&config.data_dir)).await?;
        let issuer = config.issuer_of(&domain).parse()?;
        Ok(Self {
            domain_document: serde_json::to_string(&document)?.into(),
            config,
            build,
            domain,
            socket,
            admin_socket,
            certificate,
            store,
            authorization_pool,
            issuer,
            directory,
            writer,
            folder,
        })
    }

    /// The address the public listener got.
    ///
    /// # Errors
    /// The operating system does not say.
    pub fn public_address(&self) -> std::io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// The address the admin listener got.
    ///
    /// # Errors
    /// The operating system does not say.
    pub fn admin_address(&self) -> std::io::Result<SocketAddr> {
        self.admin_socket.local_addr()
    }

    #[must_use]
    pub fn domain(&self) -> &Domain {
        &self.domain
    }

    /// The state this relay will serve; its changes are made once it runs.
    #[must_use]
    pub fn directory(&self) -> Arc<Directory> {
        Arc::clone(&self.directory)
    }

    /// What is served where, for the person who started it: two lines.
    ///
    /// # Errors
    /// The operating system does not say which ports it gave.
    pub fn announcement(&self) -> std::io::Result<String> {
        let url = self.config.public_url_of(&self.domain);
        let (listen, admin) = (self.public_address()?, self.admin_address()?);
        let (did, token) = (self.domain.did(), self.config.admin_token_file.display());
        Ok(format!(
            "agents connect to {url} (listening on {listen}, {did})\n\
             admin API on http://{admin}/admin/v1 (bearer token in {token})"
        ))
    }

    /// Serves until `shutdown`, then drains: not ready any more, sessions told to go, at most the configured grace.
    ///
    /// # Errors
    /// A part failed that the relay cannot do without.
    pub async fn run(self, shutdown: Shutdown) -> Result<()> {
        let grace = self.config.drain_timeout;
        let running = Running::start(self, &shutdown).await?;
        let failed = tokio::select! {
            () = shutdown.begun() => None,
            failed = running.tasks.failed() => Some(failed),
        };
        shutdown.begin();
        running.drain(grace).await;
        failed.map_or(Ok(()), |failed| Err(failed.into()))
    }
}

async fn bind(setting: &'static str, address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("failed to take {setting} {address}"))
}

fn rules(config: &Config) -> Rules {
    Rules {
        capacity: Capacity { tenants: config.limits.tenants, agents: config.limits.agents },
        gateway_url: config.oauth.gateway.as_ref().map(|gateway| gateway.url.clone()),
    }
}

fn clock() -> Clock {
    Arc::new(now)
}

/// A clock before 1970 counts as 1970: keys then expire late, which the log of any such machine is full of.
fn now() -> UnixSeconds {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
