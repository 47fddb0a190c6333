//! Writes the status of an object if it changed, and publishes Events about what somebody should
//! look at.
//!
//! The status is replaced whole, at the version of the object that it describes. That costs the API
//! server less than server-side apply, and keeps no field of a former version of the operator.

use axum::http::HeaderValue;
use axum::http::header::ACCEPT;
use crds::condition::{Condition, Reason, Type};
use kube::api::{PostParams, Request};
use kube::core::{NamespaceResourceScope, ObjectMeta};
use kube::runtime::events::{Event, EventType};
use kube::{Api, Client, Resource, ResourceExt as _};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::apply::Child;
use crate::conditions::{self, HasConditions};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::sent_statuses::SentStatus;

/// Field manager of the status. Owned objects have another one.
pub const FIELD_MANAGER: &str = "msg2agent-operator-status";

/// Asks for the metadata of the object that was written, because nobody reads the rest of it.
const METADATA_ONLY: HeaderValue =
    HeaderValue::from_static("application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1");

/// Maximum length of a note. The API server allows 1024 bytes, and a character has up to four.
const NOTE_CHARS_MAX: usize = 256;

/// Conditions whose changes are published as Events.
const PUBLISHED: [Type; 3] = [Type::Accepted, Type::CredentialsReady, Type::Ready];
/// Reasons of `Ready` that repeat another published condition.
const REPEATED: [Reason; 2] = [Reason::NotAccepted, Reason::CredentialsNotReady];
/// Reasons of an object that only waits for another one. The conditions say so, and no Event does.
const WAITING: [Reason; 7] = [
    Reason::TenantNotAccepted,
    Reason::Pending,
    Reason::NotProgrammed,
    Reason::WorkloadUnavailable,
    Reason::CertificateNotReady,
    Reason::McpNotReady,
    Reason::Suspended,
];

/// An object as it is sent to replace its status. The API server ignores what is not here, but for
/// the metadata: fields that were missing would no longer belong to whoever applied them.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct StatusReplacement<'a, S> {
    api_version: std::borrow::Cow<'static, str>,
    kind: std::borrow::Cow<'static, str>,
    metadata: ObjectMeta,
    status: &'a S,
}

/// The part of an answer that is read.
#[derive(Debug, Deserialize)]
struct WrittenObject {
    metadata: WrittenMetadata,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrittenMetadata {
    resource_version: Option<String>,
}

/// Writes `status` unless `object` has it already, and publishes Events.
///
/// # Errors
/// A conflict when the object changed since it was read, and other errors of the API server. An
/// object that was deleted is none.
pub async fn report<K: HasConditions + Child>(
    context: &Context,
    object: &K,
    status: &K::Status,
) -> Result<()> {
    let uid = object.uid().unwrap_or_default();
    let next = SentStatus::new(status, object.resource_version());
    let sent = context.sent_statuses.find(&uid);
    if !next.must_be_sent(object.status() == Some(status), sent.as_ref()) {
        return Ok(());
    }
    let version = next.present_version(sent.as_ref());
    let written = match replace(&context.client, object, status, version).await {
        // Its own event triggers a reconcile.
        Err(kube::Error::Api(answer)) if answer.code == 404 => return Ok(()),
        other => other.map_err(Error::cluster(format!(
            "write the status of {} {}",
            K::kind(&()),
            object.name_any()
        )))?,
    };
    let is_repeated = sent.is_some_and(|sent| sent.is_same(&next));
    context.sent_statuses.insert(uid, next.written(written.metadata.resource_version));
    if !is_repeated {
        for event in events(conditions::current(object), K::conditions(status)) {
            publish(context, object, event).await;
        }
    }
    Ok(())
}

/// The object with the status that this process wrote last, if the cached one is from before that.
/// `None`: it is not. What a status keeps of the former one must not come from an older one.
///
/// # Errors
/// Errors of the API server.
pub async fn with_written_status<K>(context: &Context, object: &K) -> Result<Option<K>>
where
    K: HasConditions + Child + Resource<Scope = NamespaceResourceScope> + DeserializeOwned + Clone,
{
    let sent = context.sent_statuses.find(&object.uid().unwrap_or_default());
    let cached = object.resource_version();
    let Some(written) = sent.as_ref().and_then(|sent| sent.unseen_version(cached.as_deref())) else {
        return Ok(None);
    };
    read_written(&context.client, object, written).await
}

/// Reads the object of this version. It differs from the cached one in the status only, because the
/// write of the status was conditional. `None`: it changed since, so that a write is a conflict.
async fn read_written<K>(client: &Client, object: &K, written: &str) -> Result<Option<K>>
where
    K: Child + Resource<Scope = NamespaceResourceScope> + DeserializeOwned + Clone,
{
    let api = Api::<K>::namespaced(client.clone(), &object.namespace().unwrap_or_default());
    let attempt = || format!("read {} {}", K::kind(&()), object.name_any());
    let found = api.get_opt(&object.name_any()).await.map_err(|error| Error::cluster(attempt())(error))?;
    let mut found = found.filter(|found| found.resource_version().as_deref() == Some(written));
    if let Some(found) = &mut found {
        found.meta_mut().resource_version = object.resource_version();
    }
    Ok(found)
}

/// Replaces the status of an object that still has this version. The uid keeps the status from an
/// object that was created later under the same name.
async fn replace<K: HasConditions + Child>(
    client: &Client,
    object: &K,
    status: &K::Status,
    version: Option<String>,
) -> kube::Result<WrittenObject> {
    let metadata = ObjectMeta { resource_version: version, managed_fields: None, ..object.meta().clone() };
    let body = StatusReplacement { api_version: K::api_version(&()), kind: K::kind(&()), metadata, status };
    let body = serde_json::to_vec(&body).map_err(kube::Error::SerdeError)?;
    let params = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
    let path = K::url_path(&(), object.namespace().as_deref());
    let request = Request::new(path).replace_subresource("status", &object.name_any(), &params, body);
    let mut request = request.map_err(kube::Error::BuildRequest)?;
    request.headers_mut().insert(ACCEPT, METADATA_ONLY);
    client.request(request).await
}

/// One Event for each published condition whose status or reason changed, if somebody should look
/// at it: something is refused or failed, or works again after that.
fn events(before: &[Condition], after: &[Condition]) -> Vec<Event> {
    let changed = |about: &Type| {
        let (old, new) = (conditions::find(before, *about), conditions::find(after, *about)?);
        let same = old.is_some_and(|old| old.status == new.status && old.reason == new.reason);
        let is_trouble =
            |condition: &Condition| condition.status == "False" && !is_one_of(&WAITING, condition);
        let matters = is_trouble(new) || (new.status == "True" && old.is_some_and(is_trouble));
        (!same && matters && !is_one_of(&REPEATED, new)).then(|| event(*about, new))
    };
    PUBLISHED.iter().filter_map(changed).collect()
}

fn is_one_of(reasons: &[Reason], condition: &Condition) -> bool {
    reasons.iter().any(|reason| reason.as_str() == condition.reason)
}

fn event(about: Type, condition: &Condition) -> Event {
    Event {
        type_: if condition.status == "True" { EventType::Normal } else { EventType::Warning },
        reason: condition.reason.clone(),
        note: Some(condition.message.chars().take(NOTE_CHARS_MAX).collect()),
        action: about.as_str().to_owned(),
        secondary: None,
    }
}

/// Queues an Event about `object`. It is published in the background.
#[expect(clippy::unused_async, reason = "callers await it, as they do every step of a reconcile")]
pub async fn publish<K: Resource<DynamicType = ()>>(context: &Context, object: &K, event: Event) {
    context.events.publish(object.object_ref(&()), event);
}

#[cfg(test)]
mod tests {
    use crds::{Agent, AgentStatus};
    use k8s_openapi::api::core::v1::Namespace;
    use kube::api::{Patch, PatchParams};
    use serde_json::json;

    use super::*;
    use crate::error::Category;
    use crate::simulator::api_server::ApiServer;
    use crate::simulator::model_clock::ModelClock;
    use crate::simulator::network::ModelNetwork;

    fn condition(about: Type, status: &str, reason: &str) -> Condition {
        serde_json::from_value(serde_json::json!({"type": about.as_str(), "status": status, "reason": reason,
            "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"}))
        .unwrap()
    }

    #[test]
    fn the_normal_path_of_an_object_publishes_no_event() {
        let waiting =
            [condition(Type::Accepted, "True", "Accepted"), condition(Type::Ready, "False", "NotProgrammed")];
        let unknown = [condition(Type::Ready, "Unknown", "NotProgrammed")];
        let ready = [condition(Type::Accepted, "True", "Accepted"), condition(Type::Ready, "True", "Ready")];
        assert_eq!(events(&[], &waiting).len(), 0);
        assert_eq!(events(&waiting, &ready).len(), 0);
        assert_eq!(events(&ready, &unknown).len(), 0);
        assert_eq!(events(&[], &ready).len(), 0);
    }

    #[test]
    fn a_refusal_is_one_warning_and_its_end_is_told_too() {
        let refused = [
            condition(Type::Accepted, "False", "HandleConflict"),
            condition(Type::Ready, "False", "NotAccepted"),
        ];
        let published = events(&[], &refused);
        assert_eq!(published.len(), 1);
        assert!(matches!(published[0].type_, EventType::Warning));
        assert_eq!(events(&refused, &refused).len(), 0);
        let accepted =
            [condition(Type::Accepted, "True", "Accepted"), condition(Type::Ready, "True", "Ready")];
        let published = events(&refused, &accepted);
        assert!(!published.is_empty());
        assert!(published.iter().all(|event| matches!(event.type_, EventType::Normal)));
        let waiting = [condition(Type::Accepted, "False", "TenantNotAccepted")];
        assert_eq!(events(&[], &waiting).len(), 0);
    }

    /// An Agent with a status that a former version of the operator has applied.
    async fn agent_of_a_former_version() -> (Client, Api<Agent>) {
        let client = ApiServer::new(ModelClock::start()).client(&ModelNetwork::perfect());
        let namespace: Namespace = serde_json::from_value(json!({"metadata": {"name": "team"}})).unwrap();
        Api::all(client.clone()).create(&PostParams::default(), &namespace).await.unwrap();
        let agents = Api::<Agent>::namespaced(client.clone(), "team");
        let agent = json!({"apiVersion": "msg2agent.xyz/v1alpha1", "kind": "Agent",
            "metadata": {"name": "alice", "labels": {"of": "a person"}},
            "spec": {"tenantRef": {"name": "acme"}}});
        agents.create(&PostParams::default(), &serde_json::from_value(agent).unwrap()).await.unwrap();
        let status = json!({"apiVersion": "msg2agent.xyz/v1alpha1", "kind": "Agent",
            "metadata": {"name": "alice"}, "status": {"url": "wss://stale", "did": "did:wba:a"}});
        let params = PatchParams::apply(FIELD_MANAGER).force();
        agents.patch_status("alice", &params, &Patch::Apply(status)).await.unwrap();
        (client, agents)
    }

    #[tokio::test]
    async fn a_status_replaces_one_of_a_former_version_whole_and_changes_nothing_else() {
        let (client, agents) = agent_of_a_former_version().await;
        let found = agents.get("alice").await.unwrap();
        let next = AgentStatus { did: Some("did:wba:b".into()), ..AgentStatus::default() };
        let written = replace(&client, &found, &next, found.resource_version()).await.unwrap();
        let stored = agents.get("alice").await.unwrap();
        assert_eq!(stored.resource_version(), written.metadata.resource_version);
        assert_eq!(stored.status.as_ref(), Some(&next));
        assert_eq!((stored.labels(), &stored.spec), (found.labels(), &found.spec));
    }

    #[tokio::test]
    async fn a_status_of_an_object_that_changed_meanwhile_is_a_conflict() {
        let (client, agents) = agent_of_a_former_version().await;
        let found = agents.get("alice").await.unwrap();
        let edit = Patch::Merge(json!({"spec": {"suspend": true}}));
        agents.patch("alice", &PatchParams::default(), &edit).await.unwrap();
        let refused = replace(&client, &found, &AgentStatus::default(), found.resource_version()).await;
        let error = Error::cluster("write it")(refused.unwrap_err());
        assert_eq!(error.category(), Category::Conflict, "the reconcile begins anew");
        assert_eq!(agents.get("alice").await.unwrap().status, found.status);
    }

    #[tokio::test]
    async fn the_status_that_was_written_is_read_while_the_cache_has_an_older_one() {
        let (client, agents) = agent_of_a_former_version().await;
        let cached = agents.get("alice").await.unwrap();
        let refused = AgentStatus { did: Some("did:wba:b".into()), ..AgentStatus::default() };
        let written = replace(&client, &cached, &refused, cached.resource_version()).await.unwrap();
        let written = written.metadata.resource_version.unwrap();
        let found = read_written(&client, &cached, &written).await.unwrap().unwrap();
        assert_eq!(found.status, Some(refused));
        assert_eq!(found.resource_version(), cached.resource_version(), "as the cache has it");
        let edit = Patch::Merge(json!({"spec": {"suspend": true}}));
        agents.patch("alice", &PatchParams::default(), &edit).await.unwrap();
        assert!(read_written(&client, &cached, &written).await.unwrap().is_none(), "it changed since");
    }
}
