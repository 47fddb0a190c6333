//! Builds the manifests that are applied: one Relay, some Tenants, many Agents. They are JSON, as a
//! user's YAML arrives at the API server.

use clap::ValueEnum;
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use serde_json::{Value, json};

const API_VERSION: &str = "msg2agent.xyz/v1alpha1";
/// The Relay's name.
pub const RELAY: &str = "opbench";

/// The kinds of this API group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Relay,
    Tenant,
    Agent,
}

/// How an Agent's key is revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Revocation {
    /// The Agent is deleted.
    Delete,
    /// `suspend: true` is applied.
    Suspend,
    /// A rotation without overlap is applied; the old key is watched.
    Rotate,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Relay => "Relay",
            Self::Tenant => "Tenant",
            Self::Agent => "Agent",
        }
    }

    #[must_use]
    pub fn resource(self) -> ApiResource {
        ApiResource::from_gvk(&GroupVersionKind::gvk("msg2agent.xyz", "v1alpha1", self.name()))
    }
}

fn object(kind: Kind, name: &str, spec: &Value) -> Value {
    json!({"apiVersion": API_VERSION, "kind": kind.name(), "metadata": {"name": name}, "spec": spec})
}

#[must_use]
pub fn relay() -> Value {
    object(Kind::Relay, RELAY, &json!({"domain": "opbench.example.com"}))
}

#[must_use]
pub fn tenant_name(number: u32) -> String {
    format!("tenant-{number}")
}

#[must_use]
pub fn tenant(number: u32) -> Value {
    object(Kind::Tenant, &tenant_name(number), &json!({"relayRef": {"name": RELAY}}))
}

#[must_use]
pub fn agent_name(number: u32) -> String {
    format!("agent-{number}")
}

/// Agent `number`, in one of `tenants` Tenants, without an MCP endpoint.
#[must_use]
pub fn agent(number: u32, tenants: u32) -> Value {
    let tenant = tenant_name(number % tenants.max(1));
    object(Kind::Agent, &agent_name(number), &json!({"tenantRef": {"name": tenant}}))
}

/// The same Agent with its key taken away; `None` where that is a deletion.
#[must_use]
pub fn revoked_agent(number: u32, tenants: u32, by: Revocation) -> Option<Value> {
    let mut agent = agent(number, tenants);
    let spec = agent.get_mut("spec")?.as_object_mut()?;
    match by {
        Revocation::Delete => return None,
        Revocation::Suspend => drop(spec.insert("suspend".into(), json!(true))),
        Revocation::Rotate => {
            let rotation = json!({"rotation": {"overlap": "0s", "requestedRotation": "opbench"}});
            drop(spec.insert("credentials".into(), rotation));
        }
    }
    Some(agent)
}

/// Whether the object's condition `Ready` is true for its current spec.
#[must_use]
pub fn is_ready(object: &DynamicObject) -> bool {
    let status = object.data.get("status");
    let observed = status.and_then(|status| status.get("observedGeneration")).and_then(Value::as_i64);
    let conditions = status.and_then(|status| status.get("conditions")).and_then(Value::as_array);
    let ready = conditions.into_iter().flatten().any(|condition| {
        condition.get("type").is_some_and(|word| word == "Ready")
            && condition.get("status").is_some_and(|word| word == "True")
    });
    ready && observed == object.metadata.generation
}

#[cfg(test)]
mod tests {
    use super::*;

    fn observed(generation: i64, ready: &str) -> DynamicObject {
        let conditions = json!([{"type": "Accepted", "status": "True"}, {"type": "Ready", "status": ready}]);
        let mut value = agent(1, 1);
        value["metadata"]["generation"] = json!(2);
        value["status"] = json!({"observedGeneration": generation, "conditions": conditions});
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn ready_counts_only_for_the_current_generation() {
        assert!(is_ready(&observed(2, "True")));
        assert!(!is_ready(&observed(1, "True")));
        assert!(!is_ready(&observed(2, "False")));
    }

    #[test]
    fn agents_are_spread_over_the_tenants() {
        assert_eq!(agent(13, 10)["spec"]["tenantRef"]["name"], "tenant-3");
    }
}
