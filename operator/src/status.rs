//! Writes status, by its own field manager, only when it differs from what the object says, and tells people what changed.

use crds::condition::{Condition, Reason, Type};
use kube::api::{Patch, PatchParams};
use kube::runtime::events::{Event, EventType};
use kube::{Api, Resource, ResourceExt as _};
use serde::Serialize;

use crate::apply::Child;
use crate::conditions;
use crate::context::Context;
use crate::error::{Error, Result, chain};

/// Field manager of status.
pub const FIELD_MANAGER: &str = "msg2agent-operator-status";

/// The API allows 1024 bytes in a note.
const NOTE_CHARS_MAX: usize = 256;

/// Changes of these conditions are worth an Event.
const TOLD: [Type; 3] = [Type::Accepted, Type::CredentialsReady, Type::Ready];
/// Reasons of `Ready` that only repeat another told condition.
const REPEATED: [Reason; 2] = [Reason::NotAccepted, Reason::CredentialsNotReady];
/// Reasons for "not yet": an object that waits for another one needs nobody's attention.
const WAITING: [Reason; 7] = [
    Reason::TenantNotAccepted,
    Reason::Pending,
    Reason::NotProgrammed,
    Reason::WorkloadUnavailable,
    Reason::CertificateNotReady,
    Reason::McpNotReady,
    Reason::Suspended,
];

/// A kind with conditions in its status.
pub trait HasConditions: Child {
    type Status: Serialize + PartialEq + Send + Sync;

    fn status(&self) -> Option<&Self::Status>;
    fn conditions(status: &Self::Status) -> &[Condition];
}

macro_rules! has_conditions {
    ($($kind:ty => $status:ty;)*) => {$(
        impl HasConditions for $kind {
            type Status = $status;

            fn status(&self) -> Option<&$status> {
                self.status.as_ref()
            }

            fn conditions(status: &$status) -> &[Condition] {
                &status.conditions
            }
        }
    )*};
}

has_conditions! {
    crds::Relay => crds::RelayStatus;
    crds::Tenant => crds::TenantStatus;
    crds::Agent => crds::AgentStatus;
}

/// Writes `status` unless `object` has it already.
///
/// # Errors
/// What the API server says.
pub async fn report<K: HasConditions>(context: &Context, object: &K, status: &K::Status) -> Result<()> {
    if object.status() == Some(status) {
        return Ok(());
    }
    let name = object.name_any();
    let api = Api::<K>::namespaced(context.client.clone(), &object.namespace().unwrap_or_default());
    let body = serde_json::json!({
        "apiVersion": K::api_version(&()), "kind": K::kind(&()),
        // The uid makes sure that an object made anew under the same name does not get the old one's status.
        "metadata": {"name": name, "uid": object.uid()},
        "status": status,
    });
    let params = PatchParams::apply(FIELD_MANAGER).force();
    match api.patch_status(&name, &params, &Patch::Apply(body)).await {
        // Gone, or gone and made anew: its own event comes.
        Err(kube::Error::Api(answer)) if answer.code == 404 || answer.code == 409 => return Ok(()),
        other => drop(other.map_err(Error::cluster(format!("write the status of {} {name}", K::kind(&()))))?),
    }
    let before = object.status().map(K::conditions).unwrap_or_default();
    for event in events(before, K::conditions(status)) {
        publish(context, object, event).await;
    }
    Ok(())
}

/// One Event per told condition whose status or reason changed.
fn events(before: &[Condition], after: &[Condition]) -> Vec<Event> {
    let changed = |about: &Type| {
        let (old, new) = (conditions::find(before, *about), conditions::find(after, *about)?);
        let same = old.is_some_and(|old| old.status == new.status && old.reason == new.reason);
        (!same && !is_one_of(&REPEATED, new)).then(|| event(*about, new))
    };
    TOLD.iter().filter_map(changed).collect()
}

fn is_one_of(reasons: &[Reason], condition: &Condition) -> bool {
    reasons.iter().any(|reason| reason.as_str() == condition.reason)
}

fn event(about: Type, condition: &Condition) -> Event {
    let is_fine = condition.status == "True" || is_one_of(&WAITING, condition);
    Event {
        type_: if is_fine { EventType::Normal } else { EventType::Warning },
        reason: condition.reason.clone(),
        note: Some(condition.message.chars().take(NOTE_CHARS_MAX).collect()),
        action: about.as_str().to_owned(),
        secondary: None,
    }
}

/// Publishes an Event about `object`. A lost Event is no failure of the reconcile.
pub async fn publish<K: Resource<DynamicType = ()>>(context: &Context, object: &K, event: Event) {
    if let Err(error) = context.recorder.publish(&event, &object.object_ref(&())).await {
        tracing::debug!(error = chain(&error), "failed to publish an event");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn condition(about: Type, status: &str, reason: &str) -> Condition {
        serde_json::from_value(serde_json::json!({"type": about.as_str(), "status": status, "reason": reason,
            "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"}))
        .unwrap()
    }

    #[test]
    fn people_are_told_once_per_change() {
        let waiting = [condition(Type::Ready, "False", "NotProgrammed")];
        let ready = [condition(Type::Ready, "True", "Ready")];
        assert_eq!(events(&[], &waiting).len(), 1);
        assert_eq!(events(&waiting, &waiting).len(), 0);
        assert_eq!(events(&waiting, &ready).len(), 1);
    }

    #[test]
    fn a_refusal_is_a_warning_and_told_in_one_event() {
        let refused = [
            condition(Type::Accepted, "False", "HandleConflict"),
            condition(Type::Ready, "False", "NotAccepted"),
        ];
        let told = events(&[], &refused);
        assert_eq!(told.len(), 1);
        assert!(matches!(told[0].type_, EventType::Warning));
        let waiting = [condition(Type::Accepted, "False", "TenantNotAccepted")];
        assert!(matches!(events(&[], &waiting)[0].type_, EventType::Normal));
    }
}
