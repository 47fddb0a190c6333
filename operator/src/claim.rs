//! Who has a right to a name, and why somebody has not. Pure.

use crds::condition::Reason;

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
pub fn is_older<K: kube::Resource>(one: &K, other: &K) -> bool {
    let age = |object: &K| {
        (object.meta().creation_timestamp.as_ref().map(|time| time.0), object.meta().uid.clone())
    };
    age(one) < age(other)
}
