//! Enqueues the objects that depend on a changed one.

use std::sync::Arc;

use crds::label;
use kube::{Resource, ResourceExt as _};

use crate::index::Index;
use crate::object_key::{Kind, NamespacedName};
use crate::queue::{Priority, Queue};

/// Adds objects to the work queue, found by the index or by labels.
#[derive(Debug, Clone)]
pub(super) struct Enqueuer {
    pub queue: Arc<Queue>,
    pub index: Arc<Index>,
}

impl Enqueuer {
    pub(super) fn enqueue_agents_of(&self, tenant: &NamespacedName) {
        for agent in self.index.referrers(Kind::Agent, tenant) {
            self.queue.add(agent.key(Kind::Agent), Priority::Urgent);
        }
    }

    /// Enqueues the owner of an owned object, which the object's labels name.
    pub(super) fn enqueue_owner(&self, object: &impl Resource) {
        let owners =
            [(label::RELAY, Kind::Relay), (label::TENANT, Kind::Tenant), (label::AGENT, Kind::Agent)];
        for (key, kind) in owners {
            let Some(owner) = object.labels().get(key) else { continue };
            let namespace = object.meta().namespace.as_deref().unwrap_or_default();
            self.queue.add(NamespacedName::new(namespace, owner).key(kind), Priority::Normal);
        }
    }

    /// Enqueues all Tenants and Agents of a namespace. Its labels decide whether they have consent.
    pub(super) fn enqueue_namespace(&self, namespace: &str) {
        for kind in [Kind::Tenant, Kind::Agent] {
            for name in self.index.in_namespace(kind, namespace) {
                self.queue.add(name.key(kind), Priority::Urgent);
            }
        }
    }
}
