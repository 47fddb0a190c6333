//! Objects for the tests of the agent modules.

use crds::{Agent, Relay, Tenant};

use super::resolve::ResolvedAgent;
use crate::object_key::NamespacedName;

pub(super) const EARLY: &str = "2026-01-01T00:00:00Z";
pub(super) const LATE: &str = "2026-06-01T00:00:00Z";

pub(super) fn agent(spec: serde_json::Value) -> Agent {
    aged("team", "alice", EARLY, spec)
}

pub(super) fn alice() -> Agent {
    agent(serde_json::json!({"tenantRef": {"name": "acme"}}))
}

pub(super) fn aged(namespace: &str, name: &str, created: &str, spec: serde_json::Value) -> Agent {
    serde_json::from_value(serde_json::json!({
        "apiVersion": "msg2agent.xyz/v1alpha1", "kind": "Agent",
        "metadata": {"name": name, "namespace": namespace, "uid": format!("uid-{namespace}-{name}"),
            "creationTimestamp": created, "generation": 3},
        "spec": spec,
    }))
    .unwrap()
}

/// What [`alice`] resolves to.
pub(super) fn resolved() -> ResolvedAgent {
    ResolvedAgent {
        did: "did:wba:agents.example.com:agent:acme:alice".parse().unwrap(),
        tenant_id: "acme".parse().unwrap(),
        tenant_uid: "uid-team-acme".into(),
        name: "alice".parse().unwrap(),
        relay: NamespacedName::new("platform", "main"),
        tenant_is_suspended: false,
        issuer: None,
        accounts: Vec::new(),
        gateway_url: None,
        public_host_is_granted: true,
        former_owner: None,
    }
}

pub(super) fn tenant(spec: serde_json::Value, accepted: &str) -> Tenant {
    serde_json::from_value(serde_json::json!({
        "apiVersion": "msg2agent.xyz/v1alpha1", "kind": "Tenant",
        "metadata": {"name": "acme", "namespace": "team", "uid": "uid-team-acme"},
        "spec": spec,
        "status": {"conditions": [{"type": "Accepted", "status": accepted, "reason": "Accepted", "message": "",
            "lastTransitionTime": EARLY}]},
    }))
    .unwrap()
}

pub(super) fn acme() -> Tenant {
    tenant(serde_json::json!({"relayRef": {"name": "main", "namespace": "platform"}}), "True")
}

pub(super) fn relay() -> Relay {
    serde_json::from_value(serde_json::json!({
        "apiVersion": "msg2agent.xyz/v1alpha1", "kind": "Relay",
        "metadata": {"name": "main", "namespace": "platform"}, "spec": {"domain": "agents.example.com"},
    }))
    .unwrap()
}
