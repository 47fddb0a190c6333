//! What is said about a Relay's MCP gateway, from what was observed. Pure.

use crds::Relay;
use crds::condition::{Reason, Type};
use crds::gateway::GatewayStatus;
use k8s_openapi::api::apps::v1::{Deployment, DeploymentStatus};

use super::{Observed, build};
use crate::conditions::Draft;

/// `None` where the Relay has no gateway.
pub(in crate::relay) fn status(
    relay: &Relay,
    observed: &Observed,
    cluster_domain: &str,
) -> Option<GatewayStatus> {
    let seen = state(observed.deployment.as_deref());
    let ready_replicas = seen.and_then(|status| status.ready_replicas).unwrap_or(0);
    build::url(relay, cluster_domain).map(|url| GatewayStatus { url, ready_replicas })
}

/// One pod that serves is enough: while an update or the autoscaler adds others, clients are answered.
pub(in crate::relay) fn draft(observed: &Observed) -> Draft {
    if let Some(obstacle) = &observed.obstacle {
        return Draft::fails(Type::McpReady, Reason::WorkloadUnavailable, obstacle.clone());
    }
    let seen = state(observed.deployment.as_deref());
    if let Some(message) = seen.and_then(stuck) {
        return Draft::fails(Type::McpReady, Reason::WorkloadUnavailable, message);
    }
    if seen.and_then(|status| status.available_replicas).unwrap_or(0) > 0 {
        return Draft::holds(Type::McpReady, Reason::WorkloadAvailable, "the MCP gateway serves");
    }
    let message = "no pod of the MCP gateway is ready; see its Deployment";
    Draft::fails(Type::McpReady, Reason::WorkloadUnavailable, message)
}

fn state(deployment: Option<&Deployment>) -> Option<&DeploymentStatus> {
    deployment?.status.as_ref()
}

/// An update whose pods did not become ready in time, in the words of the Deployment: the former ones still serve.
fn stuck(status: &DeploymentStatus) -> Option<String> {
    let progressing = status.conditions.iter().flatten().find(|found| found.type_ == "Progressing")?;
    let said = || progressing.message.clone().unwrap_or_default();
    (progressing.status == "False").then(|| format!("the update of the MCP gateway is stuck: {}", said()))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::super::build::tests::relay;
    use super::*;

    fn seen(status: serde_json::Value) -> Observed {
        let deployment = serde_json::json!({"metadata": {}, "status": status});
        let deployment = Some(Arc::new(serde_json::from_value(deployment).unwrap()));
        Observed { deployment, ..Observed::default() }
    }

    #[test]
    fn a_gateway_serves_while_others_of_its_pods_start() {
        assert!(!draft(&Observed::default()).holds);
        assert!(!draft(&seen(serde_json::json!({"replicas": 2}))).holds);
        assert!(draft(&seen(serde_json::json!({"replicas": 9, "availableReplicas": 1}))).holds);
    }

    #[test]
    fn an_update_that_is_stuck_or_in_the_way_of_something_is_said() {
        let progressing = serde_json::json!({"type": "Progressing", "status": "False",
            "reason": "ProgressDeadlineExceeded", "message": "timed out"});
        let stuck = draft(&seen(serde_json::json!({"availableReplicas": 2, "conditions": [progressing]})));
        assert_eq!((stuck.holds, stuck.message.ends_with("timed out")), (false, true));
        let serving = seen(serde_json::json!({"availableReplicas": 2}));
        let obstructed = Observed { obstacle: Some("Service x exists".into()), ..serving };
        assert_eq!(draft(&obstructed).message, "Service x exists");
    }

    #[test]
    fn the_status_has_the_url_of_a_gateway_that_is_wanted() {
        let with = relay(serde_json::json!({"domain": "a.example",
            "mcp": {"enabled": true, "publicURL": "https://mcp.example.com/mcp"}}));
        let found = status(&with, &seen(serde_json::json!({"readyReplicas": 2})), "cluster.local").unwrap();
        assert_eq!((found.url.as_str(), found.ready_replicas), ("https://mcp.example.com/mcp", 2));
        let without = relay(serde_json::json!({"domain": "a.example"}));
        assert_eq!(status(&without, &Observed::default(), "cluster.local"), None);
    }
}
