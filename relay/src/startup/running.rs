//! A running relay: its tasks, and the order in which they end.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use authorization::AuthorizationServer;
use axum::Router;
use daemon::https::{self, Listener, ListenerMetrics, ReloadingCertificate};
use daemon::readiness::Check;
use daemon::shutdown::within;
use daemon::token_file::TokenFile;
use daemon::{BuildInfo, Readiness, Shutdown, Tasks};
use prometheus::Registry;
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio_util::task::TaskTracker;

use super::admin_listeners::AdminListeners;
use super::data_folder::DataFolder;
use super::{Relay, directory_metrics};
use crate::admin::{self, AdminMetrics, AdminState};
use crate::clock::unix_now;
use crate::config::Config;
use crate::core::CoreLimits;
use crate::directory::Directory;
use crate::http::{self, HttpMetrics, PublicState};
use crate::hub::{Hub, HubMetrics, HubSettings};
use crate::store::Store;
use crate::stream_wrapper::StreamWrapper;
use crate::vital_tasks::VitalTasks;

/// Time for the tasks of sessions to end, whose sockets are closed.
const SESSIONS_TIMEOUT: Duration = Duration::from_secs(3);
/// Time for the other tasks to end, when they have nothing left to wait for. Together with the 6 s
/// in which the message store is closed, less than the 15 s that the operator gives a pod beyond
/// its drain timeout.
const TASKS_TIMEOUT: Duration = Duration::from_secs(4);

pub(super) struct RunningRelay {
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
    /// Ends the admin and health listeners last, because probes must see that the relay is not
    /// ready.
    admin_end: Shutdown,
    /// The lock on the data folder, held until the store is closed.
    _folder: DataFolder,
}

/// The context that the steps of a start share.
struct StartContext<'a> {
    config: &'a Config,
    build: BuildInfo,
    registry: Registry,
    readiness: Readiness,
    shutdown: &'a Shutdown,
    stream_wrapper: Option<StreamWrapper>,
}

impl RunningRelay {
    pub(super) async fn start(relay: Relay, shutdown: &Shutdown) -> Result<Self> {
        let Relay {
            config,
            core_limits,
            build,
            domain,
            socket,
            admin_socket,
            health_socket,
            certificate,
            domain_document,
            messages,
            store,
            authorization_pool,
            issuer,
            directory,
            writer,
            folder,
            task_wrapper,
            stream_wrapper,
            admin_wrapper,
        } = relay;
        let (registry, readiness) = (Registry::new(), Readiness::default());
        let metrics = register_metrics(&registry, build, &directory)?;
        let serving = readiness.check("serving", "the relay is starting");
        let (tasks, admin_end) = (Tasks::new(shutdown.clone()), Shutdown::new());
        let tls = certificate.as_ref().map(https::server_config).transpose()?;
        let admin_tls = tls.clone().filter(|_| config.has_admin_tls());
        let listeners = AdminListeners { admin: admin_socket, tls: admin_tls, health: health_socket };
        let operations = listeners.start(readiness.clone(), &registry, &tasks, &admin_end)?;
        let vital = VitalTasks::new(tasks.clone(), task_wrapper);
        let hub =
            Hub::open(messages, Arc::clone(&directory), hub_settings(&config, core_limits), metrics, &vital)
                .await?;
        let authorization = authorization::Setup {
            settings: config.oauth.clone(),
            issuer,
            domain,
            data_dir: config.data_dir.clone(),
            pool: authorization_pool,
            clock: Arc::new(unix_now),
            registry: &registry,
        };
        let authorization = authorization::open(authorization, Arc::clone(&directory) as _).await?;
        let running = Self {
            authorization,
            tasks,
            hub,
            directory,
            store,
            serving,
            sessions: TaskTracker::new(),
            closing: Shutdown::new(),
            admin_end,
            _folder: folder,
        };
        let setup = StartContext { config: &config, build, registry, readiness, shutdown, stream_wrapper };
        running.connect(&setup);
        vital.spawn("directory-writer", writer.run());
        running.authorization.spawn_tasks(&running.tasks, setup.shutdown);
        running.start_public(&setup, (socket, tls), certificate, domain_document)?;
        let routes = running.admin_routes(&setup)?;
        operations.set(match admin_wrapper {
            Some(wrap) => wrap(routes),
            None => routes,
        });
        running.serving.pass();
        Ok(running)
    }

    /// Connects the directory to the hub, which enforces revocations, and both to probes.
    fn connect(&self, setup: &StartContext<'_>) {
        let hub = Arc::clone(&self.hub);
        self.directory.enforce_with(Box::new(move |revocation| hub.enforce(revocation)));
        let directory = Arc::clone(&self.directory);
        setup.readiness.probe("directory", move || directory.readiness());
        let hub = Arc::clone(&self.hub);
        setup.readiness.probe("mailbox", move || hub.readiness());
    }

    fn start_public(
        &self,
        setup: &StartContext<'_>,
        (socket, tls): (TcpListener, Option<Arc<ServerConfig>>),
        certificate: Option<ReloadingCertificate>,
        domain_document: Arc<str>,
    ) -> Result<()> {
        let metrics = ListenerMetrics::register(&setup.registry, "msg2agent_relay")?;
        if let Some(certificate) = certificate {
            let watch = certificate.watch(metrics.clone(), setup.shutdown.clone());
            self.tasks.spawn_vital("certificate-watch", watch);
        }
        let public = PublicState {
            directory: Arc::clone(&self.directory),
            hub: Arc::clone(&self.hub),
            domain_document,
            metrics: HttpMetrics::register(&setup.registry)?,
            draining: setup.shutdown.clone(),
            sessions: self.sessions.clone(),
            stream_wrapper: setup.stream_wrapper.clone(),
        };
        let listener = Listener {
            socket,
            tls,
            router: http::router(public, self.authorization.router()),
            metrics,
            limits: setup.config.limits.listener(),
            connections: self.sessions.clone(),
        };
        self.tasks.spawn_vital("public-listener", listener.run(self.closing.clone()));
        Ok(())
    }

    fn admin_routes(&self, setup: &StartContext<'_>) -> Result<Router> {
        Ok(admin::router(AdminState {
            directory: Arc::clone(&self.directory),
            hub: Arc::clone(&self.hub),
            invitations: self.authorization.invitations(),
            token_file: TokenFile::new(&setup.config.admin_token_file),
            metrics: AdminMetrics::register(&setup.registry)?,
            build: setup.build,
        }))
    }

    /// Ends everything in order: the relay is no longer ready, sessions are closed, then the state,
    /// and the probes last. Whoever connects until the messages are on disk is told that the relay
    /// is draining.
    pub(super) async fn drain(self, timeout: Duration) {
        self.serving.fail("the relay is shutting down");
        self.hub.drain(timeout).await;
        // The core accepts nothing more, so that what is still open writes nothing either.
        self.hub.close().await;
        self.closing.begin();
        self.sessions.close();
        within(SESSIONS_TIMEOUT, "sessions", self.sessions.wait()).await;
        self.directory.close();
        self.admin_end.begin();
        self.tasks.finished(TASKS_TIMEOUT).await;
        self.authorization.close().await;
        self.store.close().await;
    }
}

/// Registers the metrics that are served before the mailboxes are restored.
fn register_metrics(
    registry: &Registry,
    build: BuildInfo,
    directory: &Arc<Directory>,
) -> Result<Arc<HubMetrics>> {
    build.register(registry)?;
    directory_metrics::register(registry, directory)?;
    Ok(Arc::new(HubMetrics::register(registry)?))
}

fn hub_settings(config: &Config, limits: CoreLimits) -> HubSettings {
    HubSettings {
        limits,
        connections: config.limits.connection_shares(),
        page_loads_max: config.limits.connections,
        reconnect_spread: config.drain_timeout,
    }
}
