//! Who has a right to a name, and why somebody has not. Pure.

use crds::condition::Reason;
use kube::{Resource, ResourceExt as _};

use crate::key::Name;

/// Why an object has no place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub reason: Reason,
    pub message: String,
}

impl Refusal {
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }
}

/// Who was there first: the older object; of two made in the same second, the one with the smaller uid.
pub fn is_older<K: Resource>(one: &K, other: &K) -> bool {
    let age = |object: &K| {
        (object.meta().creation_timestamp.as_ref().map(|time| time.0), object.meta().uid.clone())
    };
    age(one) < age(other)
}

/// What somebody is told whose name an older object has. `what` is the name, with a word on what it is of.
pub fn taken<K: Resource<DynamicType = ()>>(reason: Reason, what: &str, claimant: &K, owner: &K) -> Refusal {
    let kind = K::kind(&());
    let message = if owner.namespace() == claimant.namespace() {
        format!("{what} belongs to the older {kind} {}", owner.name_any())
    } else {
        format!("{what} belongs to an older {kind} in another namespace")
    };
    Refusal::new(reason, message)
}

/// What somebody is told whose referent is missing or says no. In another namespace the two look alike: who may not use it
/// shall not learn of it.
pub fn not_found<K: Resource<DynamicType = ()>>(
    missing: Reason,
    claimant: &K,
    referent: (&str, &Name),
    field: &str,
) -> Refusal {
    let (kind, name) = referent;
    if claimant.namespace().as_deref() == Some(&*name.namespace) {
        return Refusal::new(missing, format!("there is no {kind} {name}"));
    }
    let message =
        format!("there is no {kind} {name} that admits {} of this namespace ({field})", kinds::<K>());
    Refusal::new(Reason::RefNotPermitted, message)
}

fn kinds<K: Resource<DynamicType = ()>>() -> String {
    format!("{}s", K::kind(&()))
}
