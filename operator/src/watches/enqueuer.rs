//! Enqueues a changed object and the objects that depend on it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::dependencies::Dependents;
use super::find_dependents::{FindDependents, Wake, consent_priority};
use super::object_change;
use crate::caches::Caches;
use crate::consent;
use crate::deleted_objects::DeletedObjects;
use crate::index;
use crate::object_key::{Kind, NamespacedName, ObjectKey};
use crate::queue::{Priority, Queue};
use crate::watch_store::WatchStore;

/// Labels of a namespace. `None`: it does not exist.
type Labels<'a> = Option<&'a BTreeMap<String, String>>;

/// Adds objects to the work queue.
#[derive(Debug, Clone)]
pub(super) struct Enqueuer {
    pub queue: Arc<Queue>,
    pub caches: Arc<Caches>,
}

impl Enqueuer {
    /// Enqueues what a change of `name` concerns. `None` stands for an object that does not exist.
    pub(super) fn enqueue_change<K: FindDependents>(
        &self,
        name: &NamespacedName,
        former: Option<&K>,
        object: Option<&K>,
    ) {
        let own_key = name.clone().key(K::KIND);
        match object {
            None => self.queue.add(own_key.clone(), Priority::Urgent),
            Some(object) if object_change::concerns_itself(former, object) => {
                self.queue.add(own_key.clone(), object_change::priority(former, object));
            }
            Some(_) => {}
        }
        for edge in object_change::changed_edges(former, object) {
            for dependents in edge.dependents {
                self.enqueue_dependents(&own_key, *dependents, former, object);
            }
        }
    }

    /// Looks at the former and at the present object, because a reference may have moved.
    fn enqueue_dependents<K: FindDependents>(
        &self,
        own_key: &ObjectKey,
        dependents: Dependents,
        former: Option<&K>,
        object: Option<&K>,
    ) {
        for (key, wake) in K::find(&self.caches, dependents, former, object) {
            match wake {
                _ if key == *own_key => {}
                Wake::Now(priority) => self.queue.add(key, priority),
                Wake::Within(interval) => self.queue.add_after(key, interval),
            }
        }
    }

    /// Enqueues the Tenants and Agents of a namespace that its labels grant consent, or from which
    /// they take it.
    pub(super) fn enqueue_namespace(&self, namespace: &str, before: Labels<'_>, after: Labels<'_>) {
        let caches = &self.caches;
        for name in caches.index.in_namespace(Kind::Tenant, namespace) {
            let Some(tenant) = caches.tenant(&name) else { continue };
            let Some(relay) = caches.relay(&index::relay_of(&tenant)) else { continue };
            let (allowed, own) = (&relay.spec.tenants.allowed_from, relay.metadata.namespace.as_deref());
            let admits = |labels| consent::admits(allowed, own.unwrap_or_default(), namespace, labels);
            if self.enqueue_consent(&*tenant, admits(before), admits(after)) {
                self.enqueue_names(Kind::Agent, caches.index.referrers(Kind::Agent, &name));
            }
        }
        for name in caches.index.in_namespace(Kind::Agent, namespace) {
            let Some(agent) = caches.agent(&name) else { continue };
            let Some(tenant) = caches.tenant(&index::tenant_of(&agent)) else { continue };
            let (allowed, own) = (&tenant.spec.agents.allowed_from, tenant.metadata.namespace.as_deref());
            let admits = |labels| consent::admits(allowed, own.unwrap_or_default(), namespace, labels);
            self.enqueue_consent(&*agent, admits(before), admits(after));
        }
    }

    /// Enqueues all objects of a kind, Relays before all others.
    pub(super) fn enqueue_all<K: FindDependents>(&self, store: &WatchStore<K>) {
        for name in store.names() {
            let Some(object) = store.get(&name) else { continue };
            let priority = match K::KIND {
                Kind::Relay => Priority::First,
                Kind::Tenant | Kind::Agent => object_change::priority(None, &*object),
            };
            self.queue.add(name.key(K::KIND), priority);
        }
    }

    /// Enqueues the names of deleted objects, whose entries at relays may remain.
    pub(super) fn enqueue_deleted(&self, deleted: &DeletedObjects) {
        deleted.keys().into_iter().for_each(|key| self.queue.add(key, Priority::Urgent));
    }

    /// Enqueues an object whose consent changed, and who claims the same name. Returns whether it
    /// changed.
    ///
    /// What depends on it is not left to its status, which stays as it is while the object is
    /// paused, and when consent is back before anybody looked.
    fn enqueue_consent<K: FindDependents>(&self, object: &K, before: bool, after: bool) -> bool {
        let Some(priority) = consent_priority(before, after) else { return false };
        if let Some((referent, claimed)) = object.claim() {
            self.enqueue_names(K::KIND, self.caches.index.claimants(K::KIND, &referent, &claimed));
        }
        self.queue.add(NamespacedName::from_object(object).key(K::KIND), priority);
        true
    }

    fn enqueue_names(&self, kind: Kind, names: Vec<NamespacedName>) {
        names.into_iter().for_each(|name| self.queue.add(name.key(kind), Priority::Normal));
    }

    /// Enqueues everything that a namespace contains. Its deletion changes how long the deletion of
    /// its objects waits.
    pub(super) fn enqueue_contents(&self, namespace: &str) {
        for kind in [Kind::Relay, Kind::Tenant, Kind::Agent] {
            for name in self.caches.index.in_namespace(kind, namespace) {
                self.queue.add(name.key(kind), Priority::Normal);
            }
        }
    }
}

#[cfg(test)]
mod tests;
