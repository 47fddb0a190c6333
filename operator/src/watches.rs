//! Starts one watch for each kind. The watches fill the caches and enqueue the objects that a
//! change concerns.
//!
//! Owned objects are watched as metadata, selected by label. Only workloads, autoscalers and
//! endpoint slices are read whole, for their status or their spec. The operator may be limited to
//! some namespaces; each of them then has a watch of its own.

use std::fmt::Debug;
use std::marker::PhantomData;
use std::sync::Arc;

use crds::{Agent, Relay, Tenant, label};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret, Service, ServiceAccount};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::core::{DeserializeGuard, PartialObjectMeta};
use kube::{Api, Client, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::caches::Caches;
use crate::deleted_objects::DeletedObjects;
use crate::jitter::Jitter;
use crate::metrics::Metrics;
use crate::queue::Queue;
use crate::watch_scope::WatchScope;
use crate::watch_store::WatchStore;

mod dependencies;
mod enqueuer;
mod find_dependents;
mod object_change;
mod owned_sinks;
mod prune;
mod reconciled_sink;
mod retry_pace;
mod sync_state;
mod unfinished_list;
mod watch_reader;
mod watch_source;
mod watch_task;

use enqueuer::Enqueuer;
use find_dependents::FindDependents;
use owned_sinks::{EndpointSliceSink, NamespaceSink, OwnedSink, WorkloadSink};
use prune::PrunableWorkload;
use reconciled_sink::ReconciledSink;
#[cfg(test)]
pub(crate) use sync_state::StoreSync;
pub use sync_state::SyncState;
use watch_reader::WatchReader;
use watch_source::{MetadataOnly, WatchSource, WholeObjects};
use watch_task::{WatchSink, WatchTask};

/// What the watches get and fill.
#[derive(Clone)]
pub struct Watches {
    pub client: Client,
    pub tasks: daemon::Tasks,
    pub readiness: daemon::Readiness,
    pub queue: Arc<Queue>,
    pub caches: Arc<Caches>,
    pub deleted: Arc<DeletedObjects>,
    pub metrics: Metrics,
    pub jitter: Jitter,
    pub sync: SyncState,
}

/// A namespaced kind of which whole objects are watched.
trait Watchable:
    Resource<DynamicType = (), Scope = NamespaceResourceScope>
    + Clone
    + Debug
    + DeserializeOwned
    + Send
    + Sync
    + 'static
{
}

impl<K> Watchable for K where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + DeserializeOwned
        + Send
        + Sync
        + 'static
{
}

impl Watches {
    /// Starts all watches as tasks that run until shutdown. The caches are empty until the first
    /// lists arrive. Without `namespaces`, the whole cluster is watched.
    pub fn start(&self, namespaces: &[String]) {
        self.namespaces();
        for scope in WatchScope::of_namespaces(namespaces) {
            self.reconciled::<Relay>("relays", &scope, &self.caches.relays);
            self.reconciled::<Tenant>("tenants", &scope, &self.caches.tenants);
            self.reconciled::<Agent>("agents", &scope, &self.caches.agents);
            self.workloads::<StatefulSet>("statefulsets", &scope, &self.caches.stateful_sets);
            self.workloads::<Deployment>("deployments", &scope, &self.caches.deployments);
            self.endpoint_slices(&scope);
            self.owned_metadata::<Secret>("secrets", &scope);
            self.owned_metadata::<ConfigMap>("configmaps", &scope);
            self.owned_metadata::<Service>("services", &scope);
            self.owned_metadata::<ServiceAccount>("serviceaccounts", &scope);
            self.owned_metadata::<NetworkPolicy>("networkpolicies", &scope);
            self.owned_metadata::<PodDisruptionBudget>("poddisruptionbudgets", &scope);
            self.owned_whole::<HorizontalPodAutoscaler>("horizontalpodautoscalers", &scope);
        }
    }

    /// Enqueues every object that exists, Relays first. A new leader knows nothing about them.
    pub fn enqueue_all(&self) {
        let enqueuer = self.enqueuer();
        enqueuer.enqueue_all(&self.caches.relays);
        enqueuer.enqueue_all(&self.caches.tenants);
        enqueuer.enqueue_all(&self.caches.agents);
        enqueuer.enqueue_deleted(&self.deleted);
    }

    fn enqueuer(&self) -> Enqueuer {
        Enqueuer { queue: Arc::clone(&self.queue), caches: Arc::clone(&self.caches) }
    }

    fn reconciled<K: Watchable + FindDependents>(
        &self,
        name: &'static str,
        scope: &WatchScope,
        store: &WatchStore<K>,
    ) {
        let sink = ReconciledSink {
            store: store.clone(),
            scope: scope.clone(),
            enqueuer: self.enqueuer(),
            deleted: Arc::clone(&self.deleted),
            metrics: self.metrics.clone(),
        };
        self.spawn(name, scope, WholeObjects(self.api::<DeserializeGuard<K>>(scope)), sink, None);
    }

    fn workloads<K: Watchable + PrunableWorkload + Serialize>(
        &self,
        name: &'static str,
        scope: &WatchScope,
        store: &WatchStore<K>,
    ) {
        let sink = WorkloadSink { store: store.clone(), scope: scope.clone(), enqueuer: self.enqueuer() };
        self.spawn(name, scope, WholeObjects(self.api::<DeserializeGuard<K>>(scope)), sink, managed());
    }

    fn endpoint_slices(&self, scope: &WatchScope) {
        let sink = EndpointSliceSink {
            store: self.caches.endpoint_slices.clone(),
            scope: scope.clone(),
            enqueuer: self.enqueuer(),
        };
        let source = WholeObjects(self.api::<DeserializeGuard<EndpointSlice>>(scope));
        self.spawn("endpointslices", scope, source, sink, Some(label::RELAY.to_owned()));
    }

    fn owned_metadata<K: Watchable>(&self, name: &'static str, scope: &WatchScope) {
        let sink = OwnedSink { scope: scope.clone(), enqueuer: self.enqueuer() };
        let source = MetadataOnly(self.api::<K>(scope));
        self.spawn::<PartialObjectMeta<K>, _, _>(name, scope, source, sink, managed());
    }

    fn owned_whole<K: Watchable + Serialize>(&self, name: &'static str, scope: &WatchScope) {
        let sink = OwnedSink { scope: scope.clone(), enqueuer: self.enqueuer() };
        let source = WholeObjects(self.api::<DeserializeGuard<K>>(scope));
        self.spawn::<K, _, _>(name, scope, source, sink, managed());
    }

    fn namespaces(&self) {
        let sink = NamespaceSink { store: self.caches.namespaces.clone(), enqueuer: self.enqueuer() };
        let source = MetadataOnly(Api::<Namespace>::all(self.client.clone()));
        self.spawn("namespaces", &WatchScope::Cluster, source, sink, None);
    }

    fn api<K: Resource<DynamicType = (), Scope = NamespaceResourceScope>>(
        &self,
        scope: &WatchScope,
    ) -> Api<K> {
        match scope {
            WatchScope::Cluster => Api::all(self.client.clone()),
            WatchScope::Namespace(namespace) => Api::namespaced(self.client.clone(), namespace),
        }
    }

    fn spawn<K: Clone + Send + 'static, S: WatchSource<K>, W: WatchSink<K>>(
        &self,
        name: &'static str,
        scope: &WatchScope,
        source: S,
        sink: W,
        label_selector: Option<String>,
    ) {
        let store = scope.describe(name);
        let sync = self.sync.register(&store);
        let state = self.sync.clone();
        self.readiness.probe(name, move || state.check(&store));
        let metrics = self.metrics.clone();
        let jitter = self.jitter.clone();
        let reader = WatchReader { source, label_selector, sync };
        let task = WatchTask { name, reader, sink, metrics, jitter, kind: PhantomData };
        let shutdown = self.tasks.shutdown().clone();
        self.tasks.spawn_vital(name, async move {
            tokio::select! { biased; () = shutdown.begun() => {}, () = task.run() => {} }
        });
    }
}

/// Selects the objects that the operator owns.
fn managed() -> Option<String> {
    Some(format!("{}={}", label::MANAGED_BY, label::MANAGER))
}
