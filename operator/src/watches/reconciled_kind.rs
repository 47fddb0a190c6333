//! The trait of the kinds that the operator reconciles, as the watches use it.

use std::time::Duration;

use crds::{Agent, Relay, Tenant};
use kube::Resource;

use super::enqueuer::Enqueuer;
use crate::conditions;
use crate::index::{self, Indexed};
use crate::object_key::{Kind, NamespacedName};
use crate::queue::Priority;

/// Longest time that the counts in a referent's status lag behind its referrers. Many changes
/// within it cost one reconcile.
const COUNT_UPDATE_INTERVAL: Duration = Duration::from_secs(1);

/// A kind that the operator reconciles.
pub(super) trait ReconciledKind: Indexed + Resource<DynamicType = ()> {
    /// The only part of the status that other objects depend on.
    fn is_accepted(&self) -> bool;
    /// Whether the current spec takes access away.
    fn is_urgent(&self) -> bool;
    /// Enqueues the objects that depend on this one.
    fn enqueue_dependents(&self, enqueuer: &Enqueuer);
}

impl ReconciledKind for Relay {
    fn is_accepted(&self) -> bool {
        true
    }

    fn is_urgent(&self) -> bool {
        self.metadata.deletion_timestamp.is_some()
    }

    fn enqueue_dependents(&self, enqueuer: &Enqueuer) {
        for tenant in enqueuer.index.referrers(Kind::Tenant, &NamespacedName::from_object(self)) {
            enqueuer.enqueue_agents_of(&tenant);
            enqueuer.queue.add(tenant.key(Kind::Tenant), Priority::Urgent);
        }
    }
}

impl ReconciledKind for Tenant {
    fn is_accepted(&self) -> bool {
        conditions::is_accepted(self)
    }

    fn is_urgent(&self) -> bool {
        self.metadata.deletion_timestamp.is_some() || self.spec.suspend
    }

    fn enqueue_dependents(&self, enqueuer: &Enqueuer) {
        let relay = index::relay_of(self);
        for claimant in enqueuer.index.claimants(Kind::Tenant, &relay, &index::tenant_id_of(self)) {
            enqueuer.queue.add(claimant.key(Kind::Tenant), Priority::Normal);
        }
        enqueuer.enqueue_agents_of(&NamespacedName::from_object(self));
        enqueuer.queue.add_after(relay.key(Kind::Relay), COUNT_UPDATE_INTERVAL);
    }
}

impl ReconciledKind for Agent {
    fn is_accepted(&self) -> bool {
        conditions::is_accepted(self)
    }

    fn is_urgent(&self) -> bool {
        self.metadata.deletion_timestamp.is_some() || self.spec.suspend
    }

    fn enqueue_dependents(&self, enqueuer: &Enqueuer) {
        let tenant = index::tenant_of(self);
        for claimant in enqueuer.index.claimants(Kind::Agent, &tenant, &index::handle_of(self)) {
            enqueuer.queue.add(claimant.key(Kind::Agent), Priority::Normal);
        }
        enqueuer.queue.add_after(tenant.key(Kind::Tenant), COUNT_UPDATE_INTERVAL);
    }
}
