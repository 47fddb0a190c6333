//! One operator process: the real parts over a model network.

use axum::http::{Request, Response};
use clap::Parser as _;
use daemon::{Readiness, Shutdown, Tasks};
use futures::FutureExt as _;
use kube::Client;
use kube::client::Body;
use tower::{BoxError, Layer as _, Service, ServiceExt as _};

use super::api_server::ApiServer;
use super::flaw::Flaw;
use super::model_clock::ModelClock;
use super::model_relay::{ModelRelayApi, ModelRelays};
use super::network::{FaultRates, ModelNetwork};
use crate::clock::Clock;
use crate::context::Context;
use crate::jitter::Jitter;
use crate::lease::{WriteFence, WriteFenceLayer};
use crate::metrics::Metrics;
use crate::object_key::{Kind, NamespacedName};
use crate::queue::Priority;
use crate::settings::Settings;
use crate::startup::{self, Environment};

/// The world of a process.
#[derive(Debug, Clone)]
pub(crate) struct ModelCluster {
    pub(crate) server: ApiServer,
    pub(crate) relays: ModelRelays,
    pub(crate) clock: ModelClock,
}

pub(crate) struct ModelProcess {
    pub(crate) name: String,
    pub(crate) network: ModelNetwork,
    context: Context,
    shutdown: Shutdown,
    tasks: Tasks,
}

impl ModelProcess {
    pub(crate) fn start(
        cluster: &ModelCluster,
        name: String,
        seed: u64,
        rates: FaultRates,
        flaw: Option<Flaw>,
    ) -> Self {
        let network = ModelNetwork::new(&name, seed, rates, flaw);
        let metrics = Metrics::register(&prometheus::Registry::new()).unwrap();
        let fence = WriteFence::default();
        let layer = WriteFenceLayer { fence: fence.clone(), metrics: metrics.clone() };
        let fenced = layer.layer(cluster.server.connection(&network));
        let clock = cluster.clock.clone();
        let environment = Environment {
            unfenced: client(&network, cluster.server.connection(&network)),
            fenced: client(&network, fenced),
            fence,
            relay_api: ModelRelayApi::new(cluster.relays.clone(), network.clone()),
            clock: Clock::from_fn(move || clock.now()),
            jitter: Jitter::from_fn({
                let network = network.clone();
                move || network.fraction()
            }),
        };
        let settings = Settings::parse_from(["operator", "--pod-name", &name, "--concurrency", "4"]);
        let shutdown = Shutdown::new();
        let tasks = Tasks::new(shutdown.clone());
        let context = startup::start(environment, settings, metrics, &Readiness::default(), &tasks);
        Self { name, network, context, shutdown, tasks }
    }

    /// Kills the process. No request leaves it any more, so that its tasks may end in their own
    /// time.
    pub(crate) fn kill(&self) {
        self.network.cut();
        self.shutdown.begin();
    }

    /// Ends the process as SIGTERM does.
    pub(crate) fn terminate(&self) {
        self.shutdown.begin();
    }

    /// Reconciles an Agent, though nothing has changed.
    pub(crate) fn pass_over(&self, agent: NamespacedName) {
        self.context.queue.add(agent.key(Kind::Agent), Priority::Normal);
    }

    /// Forgets what the Secrets of all Agents contain.
    pub(crate) fn forget_secrets(&self) {
        self.context.settled_secrets.clear();
    }

    pub(crate) fn leads(&self) -> bool {
        self.context.leadership.term().is_some()
    }

    /// The failure of a task that must not end.
    pub(crate) fn failure(&self) -> Option<String> {
        if self.shutdown.has_begun() {
            return None;
        }
        self.tasks.failed().now_or_never().map(|failed| failed.to_string())
    }
}

/// A client of a process that may be paused before it looks at the fence.
fn client<S>(network: &ModelNetwork, service: S) -> Client
where
    S: Service<Request<Body>, Response = Response<axum::body::Body>, Error = BoxError>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
{
    let network = network.clone();
    let paused = tower::service_fn(move |request| {
        let (network, service) = (network.clone(), service.clone());
        async move {
            network.awake().await;
            service.oneshot(request).await
        }
    });
    Client::new(paused, "default")
}
