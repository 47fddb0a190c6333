//! Prints the contents of a namespace for a failed test: objects, events and the last lines of
//! every container's log. Secrets are left out.

use std::fmt::Write as _;

use k8s_openapi::api::{
    apps::v1::{Deployment, StatefulSet},
    batch::v1::Job,
    core::v1::{Event, PersistentVolumeClaim, Pod, Service},
};
use kube::{
    Api, ResourceExt as _,
    api::{ListParams, LogParams},
    core::{ApiResource, DynamicObject, GroupVersionKind},
};
use serde::{Serialize, de::DeserializeOwned};

use super::TestNamespace;

/// Lines of each container's log; more would bury the rest.
const LOG_LINES: i64 = 60;

/// Our own kinds that live in namespaces.
const OWN_KINDS: [&str; 3] = ["Relay", "Tenant", "Agent"];

/// Never fails: an error is printed in place of what cannot be read.
pub(super) async fn of(namespace: &TestNamespace) -> String {
    let mut text = format!("==== namespace {} ====\n", namespace.name);
    objects::<Deployment>(namespace, &mut text).await;
    objects::<StatefulSet>(namespace, &mut text).await;
    objects::<Job>(namespace, &mut text).await;
    objects::<Service>(namespace, &mut text).await;
    objects::<PersistentVolumeClaim>(namespace, &mut text).await;
    objects::<Pod>(namespace, &mut text).await;
    own_objects(namespace, &mut text).await;
    events(namespace, &mut text).await;
    logs(namespace, &mut text).await;
    text
}

async fn objects<K>(namespace: &TestNamespace, text: &mut String)
where
    K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
    K: Clone + std::fmt::Debug + Serialize + DeserializeOwned,
{
    match namespace.api::<K>().list(&ListParams::default()).await {
        Ok(list) => list.iter().for_each(|object| status_line(&K::kind(&()), object, text)),
        Err(error) => line(text, &format!("{}: {error}", K::kind(&()))),
    }
}

async fn own_objects(namespace: &TestNamespace, text: &mut String) {
    for kind in OWN_KINDS {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("msg2agent.xyz", "v1alpha1", kind));
        let api = Api::<DynamicObject>::namespaced_with(namespace.client.clone(), &namespace.name, &resource);
        // A test that does not install the definitions has none of these.
        let Ok(list) = api.list(&ListParams::default()).await else { continue };
        list.iter().for_each(|object| status_line(kind, object, text));
    }
}

fn status_line(kind: &str, object: &(impl Serialize + kube::ResourceExt), text: &mut String) {
    let value = serde_json::to_value(object).unwrap_or_default();
    let status = value.get("status").cloned().unwrap_or_default();
    line(text, &format!("{kind} {}: {status}", object.name_any()));
}

async fn events(namespace: &TestNamespace, text: &mut String) {
    let list = match namespace.api::<Event>().list(&ListParams::default()).await {
        Ok(list) => list,
        Err(error) => return line(text, &format!("events: {error}")),
    };
    for event in list {
        let about = event.involved_object.name.unwrap_or_default();
        let (reason, message) = (event.reason.unwrap_or_default(), event.message.unwrap_or_default());
        line(text, &format!("event {about}: {reason}: {message}"));
    }
}

async fn logs(namespace: &TestNamespace, text: &mut String) {
    let pods = namespace.api::<Pod>();
    let Ok(list) = pods.list(&ListParams::default()).await else { return };
    for pod in list {
        let containers =
            pod.spec.iter().flat_map(|spec| &spec.containers).map(|container| container.name.clone());
        for container in containers {
            let parameters = LogParams {
                container: Some(container.clone()),
                tail_lines: Some(LOG_LINES),
                ..LogParams::default()
            };
            line(text, &format!("---- log of {}/{container} ----", pod.name_any()));
            let log = pods.logs(&pod.name_any(), &parameters).await;
            line(text, &log.unwrap_or_else(|error| format!("no log: {error}")));
        }
    }
}

fn line(text: &mut String, words: &str) {
    // Writing to a string cannot fail.
    let _infallible = writeln!(text, "{words}");
}
