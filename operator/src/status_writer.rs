//! Writes the status of an object if it changed, and publishes Events for changed conditions.

use crds::condition::{Condition, Reason, Type};
use daemon::error_chain;
use kube::api::{Patch, PatchParams};
use kube::runtime::events::{Event, EventType};
use kube::{Api, Resource, ResourceExt as _};

use crate::apply::Child;
use crate::conditions::{self, HasConditions};
use crate::context::Context;
use crate::error::{Error, Result};

/// Field manager of the status. Owned objects have another one.
pub const FIELD_MANAGER: &str = "msg2agent-operator-status";

/// Maximum length of a note. The API server allows 1024 bytes, and a character has up to four.
const NOTE_CHARS_MAX: usize = 256;

/// Conditions whose changes are published as Events.
const PUBLISHED: [Type; 3] = [Type::Accepted, Type::CredentialsReady, Type::Ready];
/// Reasons of `Ready` that repeat another published condition.
const REPEATED: [Reason; 2] = [Reason::NotAccepted, Reason::CredentialsNotReady];
/// Reasons of an object that only waits for another one. Their Events are not warnings.
const WAITING: [Reason; 8] = [
    Reason::TenantNotAccepted,
    Reason::Pending,
    Reason::NotProgrammed,
    Reason::WorkloadUnavailable,
    Reason::CertificateNotReady,
    Reason::McpNotReady,
    Reason::GatewayNotReady,
    Reason::Suspended,
];

/// Writes `status` unless `object` has it already, and publishes Events.
///
/// # Errors
/// Errors of the API server. An object that was deleted is none.
pub async fn report<K: HasConditions + Child>(
    context: &Context,
    object: &K,
    status: &K::Status,
) -> Result<()> {
    if object.status() == Some(status) {
        return Ok(());
    }
    let name = object.name_any();
    let api = Api::<K>::namespaced(context.client.clone(), &object.namespace().unwrap_or_default());
    let body = serde_json::json!({
        "apiVersion": K::api_version(&()), "kind": K::kind(&()),
        // The uid keeps the status from an object that was created later under the same name.
        "metadata": {"name": name, "uid": object.uid()},
        "status": status,
    });
    let params = PatchParams::apply(FIELD_MANAGER).force();
    match api.patch_status(&name, &params, &Patch::Apply(body)).await {
        // The object was deleted, or deleted and created again. Its own event triggers a reconcile.
        Err(kube::Error::Api(answer)) if answer.code == 404 || answer.code == 409 => return Ok(()),
        other => drop(other.map_err(Error::cluster(format!("write the status of {} {name}", K::kind(&()))))?),
    }
    for event in events(conditions::current(object), K::conditions(status)) {
        publish(context, object, event).await;
    }
    Ok(())
}

/// One Event for each published condition whose status or reason changed.
fn events(before: &[Condition], after: &[Condition]) -> Vec<Event> {
    let changed = |about: &Type| {
        let (old, new) = (conditions::find(before, *about), conditions::find(after, *about)?);
        let same = old.is_some_and(|old| old.status == new.status && old.reason == new.reason);
        (!same && !is_one_of(&REPEATED, new)).then(|| event(*about, new))
    };
    PUBLISHED.iter().filter_map(changed).collect()
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

/// Publishes an Event about `object`. A failure is logged and does not fail the reconcile.
pub async fn publish<K: Resource<DynamicType = ()>>(context: &Context, object: &K, event: Event) {
    if let Err(error) = context.recorder.publish(&event, &object.object_ref(&())).await {
        tracing::debug!(error = error_chain(&error), "failed to publish an event");
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
    fn one_event_is_published_per_change() {
        let waiting = [condition(Type::Ready, "False", "NotProgrammed")];
        let ready = [condition(Type::Ready, "True", "Ready")];
        assert_eq!(events(&[], &waiting).len(), 1);
        assert_eq!(events(&waiting, &waiting).len(), 0);
        assert_eq!(events(&waiting, &ready).len(), 1);
    }

    #[test]
    fn a_refusal_is_a_warning_in_one_event() {
        let refused = [
            condition(Type::Accepted, "False", "HandleConflict"),
            condition(Type::Ready, "False", "NotAccepted"),
        ];
        let published = events(&[], &refused);
        assert_eq!(published.len(), 1);
        assert!(matches!(published[0].type_, EventType::Warning));
        let waiting = [condition(Type::Accepted, "False", "TenantNotAccepted")];
        assert!(matches!(events(&[], &waiting)[0].type_, EventType::Normal));
    }
}
