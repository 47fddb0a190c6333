//! The operator's caches: kube reflector stores of the watched kinds, and the index over
//! references.
//!
//! The tasks of [`crate::watches`] fill them. Everything here is read without a request to the API
//! server.

use std::sync::Arc;

use crds::{Agent, AllowedFrom, Relay, Tenant};
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::core::PartialObjectMeta;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::{Resource, ResourceExt as _};

use crate::apply::Fingerprints;
use crate::consent;
use crate::index::Index;
use crate::object_key::NamespacedName;

/// The stores that reconciles read, the index over references, and the fingerprints of owned
/// objects.
#[derive(Debug)]
pub struct Caches {
    pub relays: Store<Relay>,
    pub tenants: Store<Tenant>,
    pub agents: Store<Agent>,
    pub namespaces: Store<PartialObjectMeta<Namespace>>,
    pub stateful_sets: Store<StatefulSet>,
    pub deployments: Store<Deployment>,
    pub endpoint_slices: Store<EndpointSlice>,
    pub index: Arc<Index>,
    pub fingerprints: Arc<Fingerprints>,
}

impl Caches {
    #[must_use]
    pub fn relay(&self, name: &NamespacedName) -> Option<Arc<Relay>> {
        find(&self.relays, name)
    }

    #[must_use]
    pub fn tenant(&self, name: &NamespacedName) -> Option<Arc<Tenant>> {
        find(&self.tenants, name)
    }

    #[must_use]
    pub fn agent(&self, name: &NamespacedName) -> Option<Arc<Agent>> {
        find(&self.agents, name)
    }

    #[must_use]
    pub fn namespace(&self, name: &str) -> Option<Arc<PartialObjectMeta<Namespace>>> {
        self.namespaces.get(&ObjectRef::new(name))
    }

    /// Whether `referent` allows references from the namespace of `referrer`. `allowed` is the
    /// field of the referent that says so.
    #[must_use]
    pub fn is_permitted(
        &self,
        allowed: &AllowedFrom,
        referent: &impl Resource,
        referrer: &impl Resource,
    ) -> bool {
        let own_namespace = referent.meta().namespace.as_deref().unwrap_or_default();
        let namespace = referrer.meta().namespace.as_deref().unwrap_or_default();
        let found = self.namespace(namespace);
        consent::admits(allowed, own_namespace, namespace, found.as_ref().map(|found| found.labels()))
    }

    /// Whether the namespace is being deleted.
    #[must_use]
    pub fn is_terminating(&self, namespace: &str) -> bool {
        self.namespace(namespace).is_some_and(|found| found.metadata.deletion_timestamp.is_some())
    }
}

/// Finds an object in a store by namespace and name.
pub fn find<K>(store: &Store<K>, name: &NamespacedName) -> Option<Arc<K>>
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    store.get(&ObjectRef::new(&name.name).within(&name.namespace))
}
