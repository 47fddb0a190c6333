//! Decides between objects that claim the same name: the tenant id at a relay, or the handle in a
//! tenant.

use std::sync::Arc;

use kube::Resource;

use crate::caches;
use crate::index::{Index, Indexed};
use crate::object_key::NamespacedName;
use crate::watch_store::WatchStore;

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

/// Whether `one` has the better claim. The older object has it, or of two that were created in the
/// same second the one with the smaller uid.
pub fn is_older<K: Resource>(one: &K, other: &K) -> bool {
    let age = |object: &K| {
        (object.meta().creation_timestamp.as_ref().map(|time| time.0), object.meta().uid.clone())
    };
    age(one) < age(other)
}
