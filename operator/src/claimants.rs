//! Decides between objects that claim the same name: the tenant id at a relay, or the handle in a
//! tenant.
//!
//! The relay's record of an entry's owner decides, because no author of an object can write it.
//! Finalizers, an old status and the time of creation prove nothing about who held a name. The time
//! of creation decides only between claimants of which none is recorded. Everything but
//! [`other_claimants`] is pure.

use std::sync::Arc;

use kube::Resource;
use protocol::admin::Owner;

use crate::caches;
use crate::index::{Index, Indexed};
use crate::object_key::NamespacedName;
use crate::observed::Observed;
use crate::watch_store::WatchStore;

/// The owner of an entry as the relay records it. `Known(None)`: there is no entry, or it belongs
/// to nobody.
pub type RecordedOwner = Observed<Option<Owner>>;

/// What a claim of a name leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim<T> {
    /// The claimant holds the name.
    Held {
        /// The owner that the relay still records, if none of the claimants is that owner. The
        /// holder takes the entry over from it.
        former_owner: Option<Owner>,
    },
    /// Another claimant holds the name.
    HeldBy(T),
    /// There are several claimants, and the relay's record is not known.
    Undecided,
}

/// Decides the claim of `object`. `others` are the other claimants that the referent permits.
///
/// A claimant that is being deleted counts only while the relay records it as the owner.
#[must_use]
pub fn decide<K: Resource>(object: &K, others: &[Arc<K>], recorded: &RecordedOwner) -> Claim<Arc<K>> {
    let recorded = match recorded {
        Observed::Unknown if others.is_empty() => return Claim::Held { former_owner: None },
        Observed::Unknown => return Claim::Undecided,
        Observed::Known(owner) => owner.as_ref(),
    };
    let is_recorded = |claimant: &K| recorded.is_some_and(|owner| is_owner(owner, claimant));
    if is_recorded(object) {
        return Claim::Held { former_owner: None };
    }
    if let Some(holder) = others.iter().find(|other| is_recorded(other)) {
        return Claim::HeldBy(Arc::clone(holder));
    }
    let older = others.iter().filter(|other| other.meta().deletion_timestamp.is_none());
    match older.filter(|other| is_older(&***other, object)).min_by_key(|other| age(&***other)) {
        Some(holder) => Claim::HeldBy(Arc::clone(holder)),
        None => Claim::Held { former_owner: former_owner(recorded) },
    }
}

/// The owner that the holder of a name may succeed: an object that no longer claims the name, or no
/// longer may. What a person made at the relay, or an agent that registered itself, is not taken
/// over.
fn former_owner(recorded: Option<&Owner>) -> Option<Owner> {
    match recorded {
        Some(Owner::Kubernetes(_)) => recorded.cloned(),
        Some(_) | None => None,
    }
}

/// Whether the relay is known to record `object` as the owner. Only then may a refused or deleted
/// object take access away.
#[must_use]
pub fn owns(object: &impl Resource, recorded: &RecordedOwner) -> bool {
    matches!(recorded, Observed::Known(Some(owner)) if is_owner(owner, object))
}

/// Whether the recorded owner is another object for which `is_such` holds. Nothing is decided while
/// that object exists and cannot be decoded: it may claim the name or not.
#[must_use]
pub fn has_other_owner(
    object: &impl Resource,
    recorded: &RecordedOwner,
    is_such: impl Fn(&str) -> bool,
) -> bool {
    let Observed::Known(Some(owner)) = recorded else { return false };
    !is_owner(owner, object) && owner.kubernetes_uid().is_some_and(is_such)
}

fn is_owner(owner: &Owner, object: &impl Resource) -> bool {
    matches!((owner, &object.meta().uid), (Owner::Kubernetes(uid), Some(own)) if uid == own)
}

/// How many of `others` come before `object` where a limit allows only some of them. Those that the
/// relay records as owners of their entries come first, then the older ones. `recorded` tells the
/// owner of an object's entry. Unknown if it does not know one of them.
#[must_use]
pub fn earlier<K: Resource>(
    object: &K,
    others: &[Arc<K>],
    recorded: impl Fn(&K) -> RecordedOwner,
) -> Observed<usize> {
    let rank = |claimant: &K| match recorded(claimant) {
        Observed::Unknown => None,
        known @ Observed::Known(_) => Some((!owns(claimant, &known), age(claimant))),
    };
    let Some(own) = rank(object) else { return Observed::Unknown };
    let mut count: usize = 0;
    for other in others.iter().filter(|other| other.meta().deletion_timestamp.is_none()) {
        match rank(other) {
            None => return Observed::Unknown,
            Some(other) => count = count.saturating_add(usize::from(other < own)),
        }
    }
    Observed::Known(count)
}

/// The other objects that claim the same name as `object`, without those that have no consent to
/// refer to the same referent.
pub fn other_claimants<K>(
    index: &Index,
    store: &WatchStore<K>,
    object: &K,
    is_permitted: impl Fn(&K) -> bool,
) -> Vec<Arc<K>>
where
    K: Indexed + Resource<DynamicType = ()>,
{
    let Some((referent, claimed)) = object.claim() else { return Vec::new() };
    let name = NamespacedName::from_object(object);
    let claimants = index.claimants(K::KIND, &referent, &claimed);
    claimants
        .iter()
        .filter(|claimant| **claimant != name)
        .filter_map(|claimant| caches::find(store, claimant))
        .filter(|claimant| is_permitted(claimant))
        .collect()
}

/// Whether `one` was created before `other`, or in the same second with the smaller uid.
fn is_older<K: Resource>(one: &K, other: &K) -> bool {
    age(one) < age(other)
}

fn age<K: Resource>(object: &K) -> (Option<jiff::Timestamp>, Option<String>) {
    (object.meta().creation_timestamp.as_ref().map(|time| time.0), object.meta().uid.clone())
}

#[cfg(test)]
mod tests;
