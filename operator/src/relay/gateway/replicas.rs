//! Applies the gateway's Deployment with its number of pods, which the operator or an autoscaler
//! owns.
//!
//! The number of pods does not change when its ownership does.

use crds::Relay;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use kube::api::{Patch, PatchParams};
use kube::{Api, Resource as _, ResourceExt as _};

use super::build;
use crate::apply::ChildOwner;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::object_key::{Kind, NamespacedName};
use crate::relay::build::authored;
use crate::rollout::{self, Precedent};

/// Owns the number of pods until the autoscaler first changes it. Without an owner the API server
/// would reset the field to its default, which is one pod.
const FIELD_MANAGER: &str = "msg2agent-operator-replicas";

/// Applies the Deployment, and an autoscaler where the Relay gives a range.
///
/// # Errors
/// [`Error::NameTaken`] for an object of another owner, and errors of the API server.
pub(super) async fn converge(context: &Context, relay: &Relay, name: &NamespacedName) -> Result<()> {
    let owner = relay.uid().unwrap_or_default();
    let (client, applier) = (&context.client, &context.applier);
    let Some(admitted) = admit(context, relay) else { return Ok(()) };
    let deployment = |replicas| with_replicas(&admitted, replicas);
    let Some(max) = relay.spec.gateway.replicas.scaled_to() else {
        let labels = build::labels(relay);
        let owned = ChildOwner { uid: &owner, labels: &labels };
        applier.remove::<HorizontalPodAutoscaler>(client, owned, name).await?;
        let replicas = Some(relay.spec.gateway.replicas.min);
        return applier.apply(client, &owner, &deployment(replicas)).await;
    };
    let is_scaled =
        applier.exists::<HorizontalPodAutoscaler>(name) || autoscaler_exists(context, name).await?;
    let initial = match is_scaled {
        true => None,
        false => Some(initial_replicas(relay, find_deployment(context, name).await?.as_ref(), max)),
    };
    for step in steps_to_autoscaler(initial) {
        match step {
            ReplicaStep::Apply(replicas) => applier.apply(client, &owner, &deployment(replicas)).await?,
            ReplicaStep::HandOver(replicas) => hand_over(context, name, replicas).await?,
        }
    }
    applier.apply(client, &owner, &build::autoscaler(relay, max)).await
}

/// A request about the number of pods.
#[derive(Debug, PartialEq, Eq)]
enum ReplicaStep {
    /// Applies the Deployment with a number of pods, or without claiming it.
    Apply(Option<i32>),
    HandOver(i32),
}

/// How the number of pods gets to an autoscaler. `initial` is the number that it starts from if
/// there is none yet. The number has an owner at every moment.
fn steps_to_autoscaler(initial: Option<i32>) -> Vec<ReplicaStep> {
    let claimed = initial.into_iter();
    let handed_over =
        claimed.flat_map(|count| [ReplicaStep::Apply(Some(count)), ReplicaStep::HandOver(count)]);
    handed_over.chain([ReplicaStep::Apply(None)]).collect()
}

/// The Deployment without its number of pods. `None` while it waits for its turn.
fn admit(context: &Context, relay: &Relay) -> Option<Deployment> {
    let relay_name = NamespacedName::from_object(relay);
    let built = build::deployment(relay, &context.settings, None);
    let precedent = Precedent::Relay(relay_name.clone());
    rollout::admit(context, built, &authored(relay), relay_name.key(Kind::Relay), &precedent)
}

fn with_replicas(deployment: &Deployment, replicas: Option<i32>) -> Deployment {
    let mut deployment = deployment.clone();
    if let Some(spec) = &mut deployment.spec {
        spec.replicas = replicas;
    }
    deployment
}

/// The number of pods that an autoscaler starts from: the current one, within its range.
fn initial_replicas(relay: &Relay, current: Option<&Deployment>, max: i32) -> i32 {
    let min = relay.spec.gateway.replicas.min;
    let replicas = current.and_then(|deployment| deployment.spec.as_ref()?.replicas);
    replicas.unwrap_or(min).max(min).min(max)
}

/// Whether an autoscaler exists. The watch may lag behind, and the autoscaler's number must not be
/// overwritten.
async fn autoscaler_exists(context: &Context, name: &NamespacedName) -> Result<bool> {
    let api = Api::<HorizontalPodAutoscaler>::namespaced(context.client.clone(), &name.namespace);
    let found = api.get_metadata_opt(&name.name).await;
    found.map(|found| found.is_some()).map_err(Error::cluster(format!("look for the autoscaler {name}")))
}

async fn find_deployment(context: &Context, name: &NamespacedName) -> Result<Option<Deployment>> {
    let api = Api::<Deployment>::namespaced(context.client.clone(), &name.namespace);
    api.get_opt(&name.name).await.map_err(Error::cluster(format!("read Deployment {name}")))
}

/// Moves the ownership of the number of pods to [`FIELD_MANAGER`].
async fn hand_over(context: &Context, name: &NamespacedName, replicas: i32) -> Result<()> {
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
    use super::*;
    use crate::relay::build::tests::relay;

    #[test]
    fn the_number_of_pods_is_handed_over_before_it_is_given_up() {
        let handed_over = [ReplicaStep::Apply(Some(3)), ReplicaStep::HandOver(3), ReplicaStep::Apply(None)];
        assert_eq!(steps_to_autoscaler(Some(3)), handed_over);
        assert_eq!(steps_to_autoscaler(None), [ReplicaStep::Apply(None)], "an autoscaler has it");
    }

    #[test]
    fn an_autoscaler_starts_from_the_pods_there_are() {
        let relay = relay(serde_json::json!({"domain": "a.example",
            "gateway": {"enabled": true, "replicas": {"min": 3, "max": 9}}}));
        let deployment = |replicas: i32| -> Deployment {
            serde_json::from_value(serde_json::json!({"metadata": {}, "spec": {"replicas": replicas,
                "selector": {}, "template": {}}}))
            .unwrap()
        };
        assert_eq!(initial_replicas(&relay, None, 9), 3);
        assert_eq!(initial_replicas(&relay, Some(&deployment(1)), 9), 3);
        assert_eq!(initial_replicas(&relay, Some(&deployment(5)), 9), 5);
        assert_eq!(initial_replicas(&relay, Some(&deployment(40)), 9), 9);
    }
}
