//! What the operator sees: one watch per kind, the stores they fill, and who is woken by which change.
//!
//! Objects we own are watched as metadata, selected by label; only workloads, autoscalers and endpoints are read whole, for their
//! status or their spec. `managedFields` are dropped before anything is kept.

use std::sync::Arc;
use std::time::Duration;

use crds::condition::Type;
use crds::{Agent, Relay, Tenant, label};
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret, Service, ServiceAccount};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::core::PartialObjectMeta;
use kube::runtime::reflector::Store;
use kube::{Client, Resource, ResourceExt as _};

use crate::apply::Marks;
use crate::conditions;
use crate::index::{self, Index, Indexed};
use crate::key::{Kind, Name};
use crate::queue::{Lane, Queue};

mod changes;
mod watching;

use watching::Watches;

/// How long counts in the status of a referent may lag behind its referrers.
const COUNT_DELAY: Duration = Duration::from_secs(1);

/// Everything watched. Stores are filled by tasks that live as long as the process.
#[derive(Debug)]
pub struct World {
    pub relays: Store<Relay>,
    pub tenants: Store<Tenant>,
    pub agents: Store<Agent>,
    pub namespaces: Store<PartialObjectMeta<Namespace>>,
    pub stateful_sets: Store<StatefulSet>,
    pub deployments: Store<Deployment>,
    pub endpoint_slices: Store<EndpointSlice>,
    pub index: Arc<Index>,
    pub marks: Arc<Marks>,
}

/// Wakes objects when something they depend on changes.
#[derive(Debug, Clone)]
struct Waker {
    queue: Arc<Queue>,
    index: Arc<Index>,
}

/// Starts all watches as tasks.
pub fn start(
    client: &Client,
    tasks: &daemon::Tasks,
    queue: &Arc<Queue>,
    readiness: &daemon::Readiness,
) -> World {
    let index = Arc::new(Index::default());
    let marks = Arc::new(Marks::default());
    let waker = Waker { queue: Arc::clone(queue), index: Arc::clone(&index) };
    let watches = Watches { client, tasks, readiness };
    let world = World {
        relays: watches.ours("watch-relays", &waker),
        tenants: watches.ours("watch-tenants", &waker),
        agents: watches.ours("watch-agents", &waker),
        namespaces: watches.namespaces("watch-namespaces", &waker),
        stateful_sets: watches.workloads("watch-statefulsets", &waker, &marks),
        deployments: watches.workloads("watch-deployments", &waker, &marks),
        endpoint_slices: watches.endpoint_slices("watch-endpointslices", &waker),
        index,
        marks: Arc::clone(&marks),
    };
    watches.owned::<PartialObjectMeta<Secret>>("watch-secrets", &waker, &marks);
    watches.owned::<PartialObjectMeta<ConfigMap>>("watch-configmaps", &waker, &marks);
    watches.owned::<PartialObjectMeta<Service>>("watch-services", &waker, &marks);
    watches.owned::<PartialObjectMeta<ServiceAccount>>("watch-serviceaccounts", &waker, &marks);
    watches.owned::<PartialObjectMeta<NetworkPolicy>>("watch-networkpolicies", &waker, &marks);
    watches.owned::<PartialObjectMeta<PodDisruptionBudget>>("watch-poddisruptionbudgets", &waker, &marks);
    watches.owned::<HorizontalPodAutoscaler>("watch-horizontalpodautoscalers", &waker, &marks);
    world
}

impl World {
    #[must_use]
    pub fn relay(&self, name: &Name) -> Option<Arc<Relay>> {
        find(&self.relays, name)
    }

    #[must_use]
    pub fn tenant(&self, name: &Name) -> Option<Arc<Tenant>> {
        find(&self.tenants, name)
    }

    #[must_use]
    pub fn agent(&self, name: &Name) -> Option<Arc<Agent>> {
        find(&self.agents, name)
    }

    #[must_use]
    pub fn namespace(&self, name: &str) -> Option<Arc<PartialObjectMeta<Namespace>>> {
        self.namespaces.get(&kube::runtime::reflector::ObjectRef::new(name))
    }

    /// Whether the namespace is being deleted.
    #[must_use]
    pub fn is_terminating(&self, namespace: &str) -> bool {
        self.namespace(namespace).is_some_and(|found| found.metadata.deletion_timestamp.is_some())
    }
}

/// The object of a store, by namespace and name.
pub fn find<K>(store: &Store<K>, name: &Name) -> Option<Arc<K>>
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    store.get(&kube::runtime::reflector::ObjectRef::new(&name.name).within(&name.namespace))
}

/// One of our kinds, as the watches need it.
trait Ours: Indexed + Resource<DynamicType = ()> {
    /// The part of the object that others depend on, beside its spec.
    fn accepted(&self) -> bool;
    /// Whether its current spec takes access away.
    fn is_urgent(&self) -> bool;
    /// Wakes what depends on this object.
    fn wake_dependents(&self, waker: &Waker);
}

impl Ours for Relay {
    fn accepted(&self) -> bool {
        true
    }

    fn is_urgent(&self) -> bool {
        self.metadata.deletion_timestamp.is_some()
    }

    fn wake_dependents(&self, waker: &Waker) {
        for tenant in waker.index.referrers(Kind::Tenant, &Name::of(self)) {
            waker.wake_agents_of(&tenant);
            waker.queue.add(tenant.key(Kind::Tenant), Lane::Urgent);
        }
    }
}

impl Ours for Tenant {
    fn accepted(&self) -> bool {
        self.status.as_ref().is_some_and(|status| conditions::is_true(&status.conditions, Type::Accepted))
    }

    fn is_urgent(&self) -> bool {
        self.metadata.deletion_timestamp.is_some() || self.spec.suspend
    }

    fn wake_dependents(&self, waker: &Waker) {
        let relay = index::relay_of(self);
        for rival in waker.index.claimants(Kind::Tenant, &relay, &index::tenant_id_of(self)) {
            waker.queue.add(rival.key(Kind::Tenant), Lane::Normal);
        }
        waker.wake_agents_of(&Name::of(self));
        waker.queue.add_after(relay.key(Kind::Relay), COUNT_DELAY);
    }
}

impl Ours for Agent {
    fn accepted(&self) -> bool {
        self.status.as_ref().is_some_and(|status| conditions::is_true(&status.conditions, Type::Accepted))
    }

    fn is_urgent(&self) -> bool {
        self.metadata.deletion_timestamp.is_some() || self.spec.suspend
    }

    fn wake_dependents(&self, waker: &Waker) {
        let tenant = index::tenant_of(self);
        for rival in waker.index.claimants(Kind::Agent, &tenant, &index::handle_of(self)) {
            waker.queue.add(rival.key(Kind::Agent), Lane::Normal);
        }
        waker.queue.add_after(tenant.key(Kind::Tenant), COUNT_DELAY);
    }
}

impl Waker {
    fn wake_agents_of(&self, tenant: &Name) {
        for agent in self.index.referrers(Kind::Agent, tenant) {
            self.queue.add(agent.key(Kind::Agent), Lane::Urgent);
        }
    }

    /// The owner of an owned object, found by our labels.
    fn wake_owner(&self, object: &impl Resource) {
        let owners =
            [(label::RELAY, Kind::Relay), (label::TENANT, Kind::Tenant), (label::AGENT, Kind::Agent)];
        for (key, kind) in owners {
            let Some(owner) = object.labels().get(key) else { continue };
            let namespace = object.meta().namespace.as_deref().unwrap_or_default();
            self.queue.add(Name::new(namespace, owner).key(kind), Lane::Normal);
        }
    }

    /// Consent reads labels of namespaces.
    fn wake_namespace(&self, namespace: &str) {
        for kind in [Kind::Tenant, Kind::Agent] {
            for name in self.index.in_namespace(kind, namespace) {
                self.queue.add(name.key(kind), Lane::Urgent);
            }
        }
    }
}
