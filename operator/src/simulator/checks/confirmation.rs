//! Invariants of what only a person can decide: a new identity, a new authority, and the removal of
//! most of what a relay holds.
//!
//! Each is judged by the order of events. A request that was sent before its process could know
//! better may arrive later.

use std::collections::BTreeMap;
use std::sync::Arc;

use crds::label;
use serde_json::Value;
use tokio::time::Instant;

use super::Invariant;
use crate::simulator::api_server::object_store::ObjectChange;
use crate::simulator::model_relay::{AppliedWrite, WriteKind};
use crate::simulator::simulation::{LOST_ENTRIES, LOST_UID_PREFIX};

/// A Secret that is not replaced without a confirmation.
struct Guarded {
    invariant: Invariant,
    secret_kind: &'static str,
    /// The owner's kind, and the label of the Secret with the owner's name.
    owner: (&'static str, &'static str),
    /// The member of the owner's status that says what the Secret contained.
    record: &'static str,
    annotation: &'static str,
}

const GUARDED: [Guarded; 2] = [
    Guarded {
        invariant: Invariant::ConfirmedIdentities,
        secret_kind: label::SECRET_IDENTITY,
        owner: ("Agent", label::AGENT),
        record: "rootKeyMultibase",
        annotation: label::CONFIRM_NEW_IDENTITY,
    },
    Guarded {
        invariant: Invariant::ConfirmedAuthorities,
        secret_kind: label::SECRET_CA,
        owner: ("Relay", label::RELAY),
        record: "caFingerprint",
        annotation: label::CONFIRM_NEW_AUTHORITY,
    },
];

pub(super) fn check(changes: &[ObjectChange], applied: &[AppliedWrite]) -> Vec<(Invariant, String)> {
    let replaced = GUARDED.iter().flat_map(|guarded| {
        guarded.replaced_unconfirmed(changes).into_iter().map(|what| (guarded.invariant, what))
    });
    let removed = unconfirmed_removals(changes, applied);
    replaced.chain(removed.into_iter().map(|what| (Invariant::ConfirmedRemovals, what))).collect()
}

impl Guarded {
    /// Secrets that were created although the owner's status recorded a lost one, when the request
    /// was sent.
    fn replaced_unconfirmed(&self, changes: &[ObjectChange]) -> Vec<String> {
        let (mut owners, mut found) = (BTreeMap::<_, &Arc<Value>>::new(), Vec::new());
        let mut recorded_at = BTreeMap::<_, Instant>::new();
        for change in changes {
            let Some(after) = &change.after else { continue };
            if change.id.kind.kind == self.owner.0 {
                let name = (&change.id.namespace, change.id.name.as_str());
                owners.insert(name, after);
                recorded_at.entry((name, self.recorded(after).to_string())).or_insert(change.at);
            }
            let labels = &after["metadata"]["labels"];
            if change.before.is_some() || labels[label::SECRET_KIND] != self.secret_kind {
                continue;
            }
            let name = (&change.id.namespace, labels[self.owner.1].as_str().unwrap_or_default());
            let Some(owner) = owners.get(&name) else { continue };
            let recorded = self.recorded(owner);
            let confirmed = &owner["metadata"]["annotations"][self.annotation];
            let was_known =
                recorded_at.get(&(name, recorded.to_string())).is_some_and(|at| *at < change.sent);
            if !recorded.is_null() && recorded != confirmed && was_known {
                found.push(format!("{} was created, and {recorded} was recorded", change.id));
            }
        }
        found
    }

    fn recorded<'a>(&self, owner: &'a Value) -> &'a Value {
        &owner["status"][self.record]
    }
}

/// Removals of entries that lost their objects, before a Relay had an annotation with their number.
fn unconfirmed_removals(changes: &[ObjectChange], applied: &[AppliedWrite]) -> Vec<String> {
    let confirmed_at = changes.iter().find(|change| {
        let confirmed = change.after.as_ref().and_then(|relay| {
            relay["metadata"]["annotations"][label::CONFIRM_REMOVAL].as_str()?.parse::<usize>().ok()
        });
        change.id.kind.kind == "Relay" && confirmed.is_some_and(|number| number >= LOST_ENTRIES)
    });
    let confirmed_at = confirmed_at.map(|change| change.at);
    let is_lost = |write: &&AppliedWrite| {
        let owner = write.before.as_ref().and_then(|owner| owner.kubernetes_uid());
        write.is_change && owner.is_some_and(|uid| uid.starts_with(LOST_UID_PREFIX))
    };
    let early = applied.iter().filter(is_lost).filter(|write| {
        matches!(write.kind, WriteKind::Delete(_)) && confirmed_at.is_none_or(|at| write.at < at)
    });
    early.map(|write| format!("{} was removed from {}", write.path, write.relay)).collect()
}
