//! How many pods the gateway has: a number of ours, or what an autoscaler makes of it. A change from one to the other keeps the pods.

use crds::Relay;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use kube::api::{Patch, PatchParams};
use kube::{Api, Resource as _, ResourceExt as _};

use super::{build, name_of};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::key::Name;

/// Holds the number of pods until the autoscaler changes it first. An owner that lets go of a field resets it, here to one pod.
const FIELD_MANAGER: &str = "msg2agent-operator-replicas";

/// # Errors
/// A foreign object in the way; what the API server says.
pub(super) async fn converge(context: &Context, relay: &Relay) -> Result<()> {
    let (name, owner) = (name_of(relay), relay.uid().unwrap_or_default());
    let (client, applier, settings) = (&context.client, &context.applier, &context.settings);
    let Some(max) = relay.spec.mcp.replicas.scaled_to() else {
        applier.remove::<HorizontalPodAutoscaler>(client, &name).await?;
        let replicas = Some(relay.spec.mcp.replicas.min);
        return applier.apply(client, &owner, &build::deployment(relay, settings, replicas)).await;
    };
    if !applier.knows::<HorizontalPodAutoscaler>(&name) && !exists(context, &name).await? {
        let replicas = first(relay, there(context, &name).await?.as_ref(), max);
        applier.apply(client, &owner, &build::deployment(relay, settings, Some(replicas))).await?;
        hand_over(context, &name, replicas).await?;
    }
    applier.apply(client, &owner, &build::deployment(relay, settings, None)).await?;
    applier.apply(client, &owner, &build::autoscaler(relay, max)).await
}

/// How many pods an autoscaler starts from: those that are there, within its range.
fn first(relay: &Relay, there: Option<&Deployment>, max: i32) -> i32 {
    let min = relay.spec.mcp.replicas.min;
    let now = there.and_then(|deployment| deployment.spec.as_ref()?.replicas);
    now.unwrap_or(min).max(min).min(max)
}

/// Whether there is an autoscaler. The watches may not have told yet, and what it has decided must not be undone.
async fn exists(context: &Context, name: &Name) -> Result<bool> {
    let api = Api::<HorizontalPodAutoscaler>::namespaced(context.client.clone(), &name.namespace);
    let found = api.get_metadata_opt(&name.name).await;
    found.map(|found| found.is_some()).map_err(Error::cluster(format!("look for the autoscaler {name}")))
}

async fn there(context: &Context, name: &Name) -> Result<Option<Deployment>> {
    let api = Api::<Deployment>::namespaced(context.client.clone(), &name.namespace);
    api.get_opt(&name.name).await.map_err(Error::cluster(format!("read Deployment {name}")))
}

async fn hand_over(context: &Context, name: &Name, replicas: i32) -> Result<()> {
    let number = serde_json::json!({
        "apiVersion": Deployment::api_version(&()), "kind": Deployment::kind(&()),
        "metadata": {"name": name.name}, "spec": {"replicas": replicas},
    });
    let api = Api::<Deployment>::namespaced(context.client.clone(), &name.namespace);
    let params = PatchParams::apply(FIELD_MANAGER).force();
    let sent = api.patch(&name.name, &params, &Patch::Apply(number)).await;
    sent.map(drop).map_err(Error::cluster(format!("hand the replicas of Deployment {name} over")))
}

#[cfg(test)]
mod tests {
    use super::super::super::build::tests::relay;
    use super::*;

    #[test]
    fn an_autoscaler_starts_from_the_pods_there_are() {
        let relay = relay(serde_json::json!({"domain": "a.example",
            "mcp": {"enabled": true, "replicas": {"min": 3, "max": 9}}}));
        let there = |replicas: i32| -> Deployment {
            serde_json::from_value(serde_json::json!({"metadata": {}, "spec": {"replicas": replicas,
                "selector": {}, "template": {}}}))
            .unwrap()
        };
        assert_eq!(first(&relay, None, 9), 3);
        assert_eq!(first(&relay, Some(&there(1)), 9), 3);
        assert_eq!(first(&relay, Some(&there(5)), 9), 5);
        assert_eq!(first(&relay, Some(&there(40)), 9), 9);
    }
}
