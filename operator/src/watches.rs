//! Starts one watch for each kind. The watches fill the caches and enqueue the objects that a
//! change concerns.
//!
//! Owned objects are watched as metadata, selected by label. Only workloads, autoscalers and
//! endpoint slices are read whole, for their status or their spec.

use std::sync::Arc;

use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::{ConfigMap, Secret, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::Client;
use kube::core::PartialObjectMeta;

use crate::apply::Fingerprints;
use crate::caches::Caches;
use crate::index::Index;
use crate::queue::Queue;

mod change_filter;
mod enqueuer;
mod reconciled_kind;
mod scope;
mod watch_tasks;

use enqueuer::Enqueuer;
use watch_tasks::WatchTasks;

/// Starts all watches as tasks that run until shutdown. The caches are empty until the first lists
/// arrive.
pub fn start(
    client: &Client,
    namespaces: &[String],
    tasks: &daemon::Tasks,
    queue: &Arc<Queue>,
    readiness: &daemon::Readiness,
) -> Caches {
    let index = Arc::new(Index::default());
    let fingerprints = Arc::new(Fingerprints::default());
    let enqueuer = Enqueuer { queue: Arc::clone(queue), index: Arc::clone(&index) };
    let watches =
        WatchTasks { client, namespaces, tasks, readiness, enqueuer: &enqueuer, fingerprints: &fingerprints };
    let caches = Caches {
        relays: watches.reconciled("watch-relays"),
        tenants: watches.reconciled("watch-tenants"),
        agents: watches.reconciled("watch-agents"),
        namespaces: watches.namespaces("watch-namespaces"),
        stateful_sets: watches.workloads("watch-statefulsets"),
        deployments: watches.workloads("watch-deployments"),
        endpoint_slices: watches.endpoint_slices("watch-endpointslices"),
        index,
        fingerprints: Arc::clone(&fingerprints),
    };
    watches.owned::<PartialObjectMeta<Secret>>("watch-secrets");
    watches.owned::<PartialObjectMeta<ConfigMap>>("watch-configmaps");
    watches.owned::<PartialObjectMeta<Service>>("watch-services");
    watches.owned::<PartialObjectMeta<ServiceAccount>>("watch-serviceaccounts");
    watches.owned::<PartialObjectMeta<NetworkPolicy>>("watch-networkpolicies");
    watches.owned::<PartialObjectMeta<PodDisruptionBudget>>("watch-poddisruptionbudgets");
    watches.owned::<HorizontalPodAutoscaler>("watch-horizontalpodautoscalers");
    caches
}
