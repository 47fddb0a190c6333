//! The status of a Relay's MCP gateway, computed from an observation. Pure.

use std::sync::Arc;

use crds::Relay;
use crds::condition::{Reason, Type};
use crds::gateway::GatewayStatus;
use k8s_openapi::api::apps::v1::{Deployment, DeploymentStatus};

use crate::certificate::CertificateInfo;
use crate::conditions::Draft;
use crate::relay::urls;

/// What was observed of a gateway.
#[derive(Debug, Default)]
pub(crate) struct GatewayObservation {
    pub certificate: Option<CertificateInfo>,
    pub deployment: Option<Arc<Deployment>>,
    /// Why its objects are not in place. The relay itself does not wait for them.
    pub obstacle: Option<String>,
}

/// The gateway's part of the Relay's status. `None` for a Relay without a gateway.
pub(crate) fn status(
    relay: &Relay,
    observed: &GatewayObservation,
    cluster_domain: &str,
) -> Option<GatewayStatus> {
    let seen = state(observed.deployment.as_deref());
    let ready_replicas = seen.and_then(|status| status.ready_replicas).unwrap_or(0);
    urls::gateway_url(relay, cluster_domain).map(|url| GatewayStatus { url, ready_replicas })
}

/// The condition `GatewayReady`. One available pod is enough, because clients are served while an
/// update or the autoscaler adds others.
pub(crate) fn draft(observed: &GatewayObservation) -> Draft {
    if let Some(obstacle) = &observed.obstacle {
        return Draft::fails(Type::GatewayReady, Reason::WorkloadUnavailable, obstacle.clone());
    }
    let seen = state(observed.deployment.as_deref());
    if let Some(message) = seen.and_then(stuck_rollout) {
        return Draft::fails(Type::GatewayReady, Reason::WorkloadUnavailable, message);
    }
    if seen.and_then(|status| status.available_replicas).unwrap_or(0) > 0 {
        return Draft::holds(
            Type::GatewayReady,
            Reason::WorkloadAvailable,
            "the MCP gateway accepts connections",
        );
    }
    let message = "no pod of the MCP gateway is ready; check its Deployment";
    Draft::fails(Type::GatewayReady, Reason::WorkloadUnavailable, message)
}

fn state(deployment: Option<&Deployment>) -> Option<&DeploymentStatus> {
    deployment?.status.as_ref()
}

/// The message of a rollout that exceeded its progress deadline. The old pods still serve.
fn stuck_rollout(status: &DeploymentStatus) -> Option<String> {
    let progressing = status.conditions.iter().flatten().find(|found| found.type_ == "Progressing")?;
    let message = || progressing.message.clone().unwrap_or_default();
    (progressing.status == "False").then(|| format!("the rollout of the MCP gateway is stuck: {}", message()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::build::tests::relay;

    fn seen(status: serde_json::Value) -> GatewayObservation {
        let deployment = serde_json::json!({"metadata": {}, "status": status});
        let deployment = Some(Arc::new(serde_json::from_value(deployment).unwrap()));
        GatewayObservation { deployment, ..GatewayObservation::default() }
    }

    #[test]
    fn a_gateway_is_ready_while_more_of_its_pods_start() {
        assert!(!draft(&GatewayObservation::default()).is_true());
        assert!(!draft(&seen(serde_json::json!({"replicas": 2}))).is_true());
        assert!(draft(&seen(serde_json::json!({"replicas": 9, "availableReplicas": 1}))).is_true());
    }

    #[test]
    fn a_stuck_rollout_and_an_obstacle_are_reported() {
        let progressing = serde_json::json!({"type": "Progressing", "status": "False",
            "reason": "ProgressDeadlineExceeded", "message": "timed out"});
        let stuck = draft(&seen(serde_json::json!({"availableReplicas": 2, "conditions": [progressing]})));
        assert_eq!((stuck.is_true(), stuck.message.ends_with("timed out")), (false, true));
        let serving = seen(serde_json::json!({"availableReplicas": 2}));
        let blocked = GatewayObservation { obstacle: Some("Service x exists".into()), ..serving };
        assert_eq!(draft(&blocked).message, "Service x exists");
    }

    #[test]
    fn the_status_has_the_url_of_a_gateway_that_is_wanted() {
        let with = relay(serde_json::json!({"domain": "a.example",
            "gateway": {"enabled": true, "publicURL": "https://mcp.example.com/mcp"}}));
        let found = status(&with, &seen(serde_json::json!({"readyReplicas": 2})), "cluster.local").unwrap();
        assert_eq!((found.url.as_str(), found.ready_replicas), ("https://mcp.example.com/mcp", 2));
        let without = relay(serde_json::json!({"domain": "a.example"}));
        assert_eq!(status(&without, &GatewayObservation::default(), "cluster.local"), None);
    }
}
