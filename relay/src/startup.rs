//! Starts a relay: [`Relay::bind`] opens the store and binds the ports, [`Relay::run`] serves until
//! shutdown.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use axum::Router;
use daemon::https::ReloadingCertificate;
use daemon::{BuildInfo, Shutdown};
use protocol::did::Domain;
use protocol::url::Issuer;
use sqlx::SqlitePool;
use tokio::net::TcpListener;

use crate::clock::unix_now;
use crate::config::{Config, MemoryPlan};
use crate::core::CoreLimits;
use crate::directory::{Capacity, Directory, DirectoryWriter, Rules};
use crate::identity;
use crate::message_store::{MessageStore, MessageStoreSettings};
use crate::store::{self, DiskReserve, Store};
use crate::stream_wrapper::StreamWrapper;
use crate::vital_tasks::TaskWrapper;

mod admin_listeners;
mod data_folder;
mod directory_metrics;
mod running;

use data_folder::DataFolder;
use running::RunningRelay;

/// A relay that has opened its store and bound its ports and does not serve yet.
#[derive(Debug)]
pub struct Relay {
    config: Config,
    /// The limits of the message core, as far as the memory allows them.
    core_limits: CoreLimits,
    build: BuildInfo,
    domain: Domain,
    socket: TcpListener,
    admin_socket: TcpListener,
    health_socket: Option<TcpListener>,
    certificate: Option<ReloadingCertificate>,
    domain_document: Arc<str>,
    messages: MessageStore,
    store: Store,
    authorization_pool: SqlitePool,
    issuer: Issuer,
    directory: Arc<Directory>,
    writer: DirectoryWriter,
    folder: DataFolder,
    task_wrapper: Option<TaskWrapper>,
    stream_wrapper: Option<StreamWrapper>,
    admin_wrapper: Option<fn(Router) -> Router>,
}

impl Relay {
    /// # Errors
    /// A port, file or store cannot be opened. The error text names it.
    pub async fn bind(mut config: Config, build: BuildInfo) -> Result<Self> {
        let folder = DataFolder::open(&config.data_dir)?;
        identity::ensure_admin_token(&config.admin_token_file)?;
        let key = identity::load_or_create_key(&config.data_dir)?;
        let certificate = match &config.tls {
            Some(files) => Some(ReloadingCertificate::load(files.clone()).await?),
            None => None,
        };
        let socket = bind("listen", config.listen).await?;
        let admin_socket = bind("admin_listen", config.admin_listen).await?;
        let health_socket = match config.health_listen {
            Some(address) => Some(bind("health_listen", address).await?),
            None => None,
        };
        let domain = config.domain_at(socket.local_addr()?.port());
        let document =
            protocol::document::build_for_domain(&domain, &key, &config.public_url_of(&domain), unix_now());
        let reserve = Arc::new(DiskReserve::open(&config.data_dir));
        config.limits = config.limits.on_volume(reserve.plan());
        let memory = MemoryPlan::new(daemon::memory_limit::of_control_group());
        let core_limits = memory.limits(config.limits.core());
        let messages = message_store_settings(&config, &core_limits, &reserve);
        let messages = MessageStore::open(messages).await?;
        let store = Store::open(&store::path(&config.data_dir)).await?.with_reserve(Arc::clone(&reserve));
        let (directory, writer) =
            Directory::open(store.clone(), domain.clone(), rules(&config), Arc::new(unix_now)).await?;
        let authorization_pool = store::open_pool(&store::path(&config.data_dir)).await?;
        let issuer = config.issuer_of(&domain).parse()?;
        Ok(Self {
            domain_document: serde_json::to_string(&document)?.into(),
            config,
            core_limits,
            build,
            domain,
            socket,
            admin_socket,
            health_socket,
            certificate,
            messages,
            store,
            authorization_pool,
            issuer,
            directory,
            writer,
            folder,
            task_wrapper: None,
            stream_wrapper: None,
            admin_wrapper: None,
        })
    }

    /// The address of the public listener.
    ///
    /// # Errors
    /// The operating system does not report it.
    pub fn public_address(&self) -> std::io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// The address of the admin listener.
    ///
    /// # Errors
    /// The operating system does not report it.
    pub fn admin_address(&self) -> std::io::Result<SocketAddr> {
        self.admin_socket.local_addr()
    }

    /// The address that serves probes and metrics: that of the admin listener, unless they have
    /// their own.
    ///
    /// # Errors
    /// The operating system does not report it.
    pub fn health_address(&self) -> std::io::Result<SocketAddr> {
        self.health_socket.as_ref().unwrap_or(&self.admin_socket).local_addr()
    }

    #[must_use]
    pub fn domain(&self) -> &Domain {
        &self.domain
    }

    /// The directory. Changes are made once the relay runs.
    #[must_use]
    pub fn directory(&self) -> Arc<Directory> {
        Arc::clone(&self.directory)
    }

    /// Wraps every vital task before it is spawned, so that a test can make one panic.
    #[doc(hidden)]
    #[must_use]
    pub fn with_task_wrapper(mut self, wrapper: TaskWrapper) -> Self {
        self.task_wrapper = Some(wrapper);
        self
    }

    /// Wraps the stream of every connection, so that a test can count what is read and written.
    #[doc(hidden)]
    #[must_use]
    pub fn with_stream_wrapper(mut self, wrapper: StreamWrapper) -> Self {
        self.stream_wrapper = Some(wrapper);
        self
    }

    /// Wraps the admin API, so that a test can run a relay of another release.
    #[doc(hidden)]
    #[must_use]
    pub fn with_admin_wrapper(mut self, wrapper: fn(Router) -> Router) -> Self {
        self.admin_wrapper = Some(wrapper);
        self
    }

    /// The two lines for the person who started the relay: where it serves agents and
    /// administrators.
    ///
    /// # Errors
    /// The operating system does not report the ports.
    pub fn announcement(&self) -> std::io::Result<String> {
        let url = self.config.public_url_of(&self.domain);
        let (listen, admin) = (self.public_address()?, self.admin_address()?);
        let (did, token) = (self.domain.did(), self.config.admin_token_file.display());
        let scheme = if self.config.has_admin_tls() { "https" } else { "http" };
        Ok(format!(
            "agents connect to {url} (listening on {listen}, {did})\n\
             admin API on {scheme}://{admin}/admin/v1 (bearer token in {token})"
        ))
    }

    /// Serves until `shutdown`, then drains within the configured timeout: the relay is no
    /// longer ready, and sessions are closed.
    ///
    /// # Errors
    /// A vital task panicked or ended.
    pub async fn run(self, shutdown: Shutdown) -> Result<()> {
        let timeout = self.config.drain_timeout;
        let running = RunningRelay::start(self, &shutdown).await?;
        let failed = tokio::select! {
            () = shutdown.begun() => None,
            failed = running.tasks.failed() => Some(failed),
        };
        if let Some(failed) = failed {
            tracing::error!("{failed}; the relay shuts down and must be restarted");
        }
        shutdown.begin();
        running.drain(timeout).await;
        failed.map_or(Ok(()), |failed| Err(failed.into()))
    }
}

async fn bind(setting: &'static str, address: SocketAddr) -> Result<TcpListener> {
    daemon::listen::bind(address).await.with_context(|| format!("failed to take {setting} {address}"))
}

fn message_store_settings(
    config: &Config,
    limits: &CoreLimits,
    reserve: &Arc<DiskReserve>,
) -> MessageStoreSettings {
    MessageStoreSettings {
        path: store::mailbox_path(&config.data_dir),
        former_path: store::path(&config.data_dir),
        log_bytes_max: reserve.plan().log_bytes,
        reserve: Arc::clone(reserve),
        remembered_max: limits.dedup_entries_max,
    }
}

fn rules(config: &Config) -> Rules {
    Rules {
        capacity: Capacity { tenants: config.limits.tenants, agents: config.limits.agents },
        gateway_url: config.oauth.gateway.as_ref().map(|gateway| gateway.url.clone()),
    }
}
