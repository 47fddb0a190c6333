//! The deletion policy of the resources in the words of the relay's admin API.

use crds::DeletionPolicy;
use protocol::admin;

/// The policy that the relay records with an entry, and follows when the entry is deleted.
#[must_use]
pub const fn deletion_policy(policy: DeletionPolicy) -> admin::DeletionPolicy {
    match policy {
        DeletionPolicy::Retain => admin::DeletionPolicy::Retain,
        DeletionPolicy::Purge => admin::DeletionPolicy::Purge,
    }
}
