//! The operator's caches: one store for each watched kind, and the index over references.
//!
//! The tasks of [`crate::watches`] fill them. Everything here is read without a request to the API
//! server.

use std::sync::Arc;

use crds::{Agent, AllowedFrom, Relay, Tenant};
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::core::PartialObjectMeta;
use kube::{Resource, ResourceExt as _};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::consent;
use crate::fingerprints::Fingerprints;
use crate::index::{self, Index};
use crate::object_key::{Kind, NamespacedName, ObjectKey};
use crate::queue::Queue;
use crate::undecodable::Undecodable;
use crate::watch_store::WatchStore;

/// The stores that reconciles read, the index over references, and the fingerprints of owned
/// objects.
#[derive(Debug)]
pub struct Caches {
    pub relays: WatchStore<Relay>,
    pub tenants: WatchStore<Tenant>,
    pub agents: WatchStore<Agent>,
    pub namespaces: WatchStore<PartialObjectMeta<Namespace>>,
    pub stateful_sets: WatchStore<StatefulSet>,
    pub deployments: WatchStore<Deployment>,
    pub endpoint_slices: WatchStore<EndpointSlice>,
    pub index: Index,
    pub fingerprints: Fingerprints,
    pub undecodable: Undecodable,
}

impl Caches {
    /// Empty caches. Changes of owned objects enqueue their owners in `queue`.
    #[must_use]
    pub fn new(queue: Arc<Queue>) -> Self {
        Self {
            relays: WatchStore::default(),
            tenants: WatchStore::default(),
            agents: WatchStore::packed(),
            namespaces: WatchStore::default(),
            stateful_sets: WatchStore::default(),
            deployments: WatchStore::default(),
            endpoint_slices: WatchStore::default(),
            index: Index::default(),
            fingerprints: Fingerprints::new(queue),
            undecodable: Undecodable::default(),
        }
    }

    #[must_use]
    pub fn relay(&self, name: &NamespacedName) -> Option<Arc<Relay>> {
        self.relays.get(name)
    }

    #[must_use]
    pub fn tenant(&self, name: &NamespacedName) -> Option<Arc<Tenant>> {
        self.tenants.get(name)
    }

    #[must_use]
    pub fn agent(&self, name: &NamespacedName) -> Option<Arc<Agent>> {
        self.agents.get(name)
    }

    #[must_use]
    pub fn namespace(&self, name: &str) -> Option<Arc<PartialObjectMeta<Namespace>>> {
        self.namespaces.get(&NamespacedName::new("", name))
    }

    /// Whether the object itself or one that it refers to exists and cannot be decoded. Nothing is
    /// decided about such an object.
    #[must_use]
    pub fn is_unknown(&self, key: &ObjectKey) -> bool {
        if self.undecodable.contains(key) {
            return true;
        }
        let referent = match key.kind {
            Kind::Relay => None,
            Kind::Tenant => self.tenant(&key.name).map(|tenant| index::relay_of(&tenant).key(Kind::Relay)),
            Kind::Agent => self.agent(&key.name).map(|agent| index::tenant_of(&agent).key(Kind::Tenant)),
        };
        referent.is_some_and(|referent| self.is_unknown(&referent))
    }

    /// Whether the object that an owner reference names still exists. Objects of kinds that the
    /// operator does not reconcile count as existing.
    #[must_use]
    pub fn is_living_owner(&self, namespace: &str, owner: &OwnerReference) -> bool {
        let Some(kind) = Kind::of_reference(&owner.api_version, &owner.kind) else { return true };
        let name = NamespacedName::new(namespace, &owner.name);
        let uid = match kind {
            Kind::Relay => self.relay(&name).and_then(|relay| relay.uid()),
            Kind::Tenant => self.tenant(&name).and_then(|tenant| tenant.uid()),
            Kind::Agent => self.agent(&name).and_then(|agent| agent.uid()),
        };
        uid.as_ref() == Some(&owner.uid) || self.undecodable.contains_uid(&owner.uid)
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
#[must_use]
pub fn find<K: Serialize + DeserializeOwned>(store: &WatchStore<K>, name: &NamespacedName) -> Option<Arc<K>> {
    store.get(name)
}
