//! Refusals of objects: a condition reason and a message for people.

use crds::condition::{Reason, Type};
use kube::{Resource, ResourceExt as _};

use crate::conditions::{self, Draft};
use crate::object_key::NamespacedName;

/// Why an object is not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub reason: Reason,
    pub message: String,
}

impl Refusal {
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }

    /// Whether the object only waits for another one, which may be created after it. Across
    /// namespaces a referent that does not exist looks like one that does not consent.
    const fn is_waiting(&self) -> bool {
        matches!(
            self.reason,
            Reason::RelayNotFound
                | Reason::TenantNotFound
                | Reason::TenantNotAccepted
                | Reason::RefNotPermitted
        )
    }

    /// The conditions of a refused object. It is stalled only if somebody must change it.
    #[must_use]
    pub fn drafts(&self) -> Vec<Draft> {
        let accepted = Draft::fails(Type::Accepted, self.reason, self.message.clone());
        let ready = Draft::fails(Type::Ready, Reason::NotAccepted, self.message.clone());
        let progress = conditions::progress(&ready, (!self.is_waiting()).then_some(&accepted));
        [accepted, ready].into_iter().chain(progress).collect()
    }

    /// The refusal for a claimant whose name another object holds. `what` describes the name, such
    /// as `the handle alice`. A holder in another namespace is not named.
    pub fn name_taken<K: Resource<DynamicType = ()>>(
        reason: Reason,
        what: &str,
        claimant: &K,
        holder: &K,
    ) -> Self {
        let kind = K::kind(&());
        let message = if holder.namespace() == claimant.namespace() {
            format!("{what} belongs to the {kind} {}", holder.name_any())
        } else {
            format!("{what} belongs to a {kind} in another namespace")
        };
        Self::new(reason, message)
    }

    /// The refusal for an object whose referent does not exist or does not consent. Across
    /// namespaces both cases get the same answer, so that nobody learns which objects exist in a
    /// namespace that refuses them. `field` is the field of the referent that grants consent.
    pub fn not_found<K: Resource<DynamicType = ()>>(
        reason: Reason,
        referrer: &K,
        (kind, name): (&str, &NamespacedName),
        field: &str,
    ) -> Self {
        if referrer.namespace().as_deref() == Some(&*name.namespace) {
            return Self::new(reason, format!("there is no {kind} {name}"));
        }
        let referrers = format!("{}s", K::kind(&()));
        let message =
            format!("there is no {kind} {name} that allows {referrers} of this namespace ({field})");
        Self::new(Reason::RefNotPermitted, message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_that_another_object_can_end_is_not_stalled() {
        let has = |reason, about| Refusal::new(reason, "m").drafts().iter().any(|draft| draft.about == about);
        for waiting in [
            Reason::RelayNotFound,
            Reason::TenantNotFound,
            Reason::TenantNotAccepted,
            Reason::RefNotPermitted,
        ] {
            assert!(has(waiting, Type::Reconciling) && !has(waiting, Type::Stalled), "{waiting:?}");
        }
        for stalled in
            [Reason::HandleConflict, Reason::TooManyAgents, Reason::InvalidSpec, Reason::DidChanged]
        {
            assert!(has(stalled, Type::Stalled) && !has(stalled, Type::Reconciling), "{stalled:?}");
        }
    }
}
