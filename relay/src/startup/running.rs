//! A relay that serves: its tasks, and the order in which they end.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use authorization::AuthorizationServer;
use daemon::https::{self, Listener, ListenerLimits, ListenerMetrics, ReloadingCertificate};
use daemon::readiness::Check;
use daemon::shutdown::within;
use daemon::{BuildInfo, Readiness, Shutdown, Tasks};
use prometheus::Registry;
use tokio::net::TcpListener;
use tokio_util::task::TaskTracker;

use super::data_folder::DataFolder;
use super::{Relay, directory_metrics};
use crate::admin::{self, Admin, AdminMetrics};
use crate::config::Config;
use crate::directory::Directory;
use crate::http::{self, HttpMetrics, Public};
use crate::hub::{Hub, HubMetrics, HubSettings};
use crate::mailbox::Mailbox;
use crate::store::{self, Store};
use crate::token_file::TokenFile;

/// Time for tasks to end once sessions are gone; they have nothing left to wait for.
const TASKS_GRACE: Duration = Duration::from_secs(5);

pub(super) struct Running {
    pub(super) tasks: Tasks,
    directory: Arc<Directory>,
    hub: Arc<Hub>,
    authorization: AuthorizationServer,
    store: Store,
    serving: Check,
    /// Connections of the public listener and their sessions.
    sessions: TaskTracker,
    /// Ends the public listener.
    closing: Shutdown,
    /// Ends the admin listener, last of all: probes must see that the relay is not ready.
    admin_end: Shutdown,
    /// The lock on the data folder, held until the store is closed.
    _folder: DataFolder,
}

/// What the parts of a start share.
struct Setup<'a> {
    config: &'a Config,
    build: BuildInfo,
    registry: Registry,
    readiness: Readiness,
    shutdown: &'a Shutdown,
}

impl Running {
    pub(super) async fn start(relay: Relay, shutdown: &Shutdown) -> Result<Self> {
        let Relay {
            config,
            build,
            domain,
            socket,
            admin_socket,
            certificate,
            domain_document,
            store,
            authorization_pool,
            issuer,
            directory,
            writer,
            folder,
        } = relay;
        let (registry, readiness) = (Registry::new(), Readiness::default());
        let mailbox = Mailbox::open(&store::path(&config.data_dir)).await?;
        let metrics = Arc::new(HubMetrics::register(&registry)?);
        let hub = Hub::open(mailbox, Arc::clone(&directory), hub_settings(&config), metrics).await?;
        let authorization = authorization::Setup {
            settings: config.oauth.clone(),
            issuer,
            domain,
            data_dir: config.data_dir.clone(),
            pool: authorization_pool,
            clock: super::clock(),
            registry: &registry,
        };
        let authorization = authorization::open(authorization, Arc::clone(&directory) as _).await?;
        let running = Self {
            authorization,
            tasks: Tasks::new(shutdown.clone()),
            hub,
            directory,
            store,
            serving: readiness.check("serving", "the relay is starting"),
            sessions: TaskTracker::new(),
            closing: Shutdown::new(),
            admin_end: Shutdown::new(),
            _folder: folder,
        };
        let setup = Setup { config: &config, build, registry, readiness, shutdown };
        running.connect(&setup)?;
        running.tasks.spawn_vital("directory-writer", writer.run());
        running.authorization.spawn_tasks(&running.tasks, setup.shutdown);
        running.start_public(&setup, socket, certificate, domain_document)?;
        running.start_admin(setup, admin_socket)?;
        running.serving.pass();
        Ok(running)
    }

    /// Lets the directory close sessions, and probes and metrics ask what they show.
    fn connect(&self, setup: &Setup<'_>) -> Result<()> {
        let hub = Arc::clone(&self.hub);
        self.directory.enforce_with(Box::new(move |change| hub.apply(change)));
        let directory = Arc::clone(&self.directory);
        setup.readiness.probe("directory", move || directory.readiness());
        let hub = Arc::clone(&self.hub);
        setup.readiness.probe("mailbox", move || hub.readiness());
        setup.build.register(&setup.registry)?;
        directory_metrics::register(&setup.registry, &self.directory)?;
        Ok(())
    }

    fn start_public(
        &self,
        setup: &Setup<'_>,
        socket: TcpListener,
        certificate: Option<ReloadingCertificate>,
        domain_document: Arc<str>,
    ) -> Result<()> {
        let metrics = ListenerMetrics::register(&setup.registry, "msg2agent_relay")?;
        let tls = certificate.as_ref().map(https::server_config).transpose()?;
        if let Some(certificate) = certificate {
            let watch = certificate.watch(metrics.clone(), setup.shutdown.clone());
            self.tasks.spawn_vital("certificate-watch", watch);
        }
        let public = Public {
            directory: Arc::clone(&self.directory),
            hub: Arc::clone(&self.hub),
            domain_document,
            metrics: HttpMetrics::register(&setup.registry)?,
            draining: setup.shutdown.clone(),
            sessions: self.sessions.clone(),
        };
        let listener = Listener {
            socket,
            tls,
            router: http::router(public, self.authorization.router()),
            metrics,
            limits: ListenerLimits::new(setup.config.limits.connections),
            connections: self.sessions.clone(),
        };
        self.tasks.spawn_vital("public-listener", listener.run(self.closing.clone()));
        Ok(())
    }

    fn start_admin(&self, setup: Setup<'_>, socket: TcpListener) -> Result<()> {
        let operations = admin::router(Admin {
            directory: Arc::clone(&self.directory),
            hub: Arc::clone(&self.hub),
            invitations: self.authorization.invitations(),
            token_file: TokenFile::at(setup.config.admin_token_file.clone()),
            metrics: AdminMetrics::register(&setup.registry)?,
            build: setup.build,
        });
        let router = daemon::admin::router(setup.readiness, setup.registry).merge(operations);
        let serving = daemon::admin::serve(socket, router, self.admin_end.clone());
        self.tasks.spawn_vital("admin-listener", async {
            if let Err(error) = serving.await {
                tracing::error!(%error, "the admin listener failed");
            }
        });
        Ok(())
    }

    /// Ends everything in order: traffic away, sessions told to go, state closed, probes last.
    pub(super) async fn drain(self, grace: Duration) {
        self.serving.fail("the relay is shutting down");
        within(grace, "drain", self.hub.drain(grace)).await;
        self.closing.begin();
        self.sessions.close();
        within(TASKS_GRACE, "sessions", self.sessions.wait()).await;
        self.directory.close();
        self.admin_end.begin();
        self.tasks.finished(TASKS_GRACE).await;
        self.authorization.close().await;
        self.store.close().await;
    }
}

fn hub_settings(config: &Config) -> HubSettings {
    HubSettings { limits: config.limits.core(), reconnect_spread: config.drain_timeout }
}
