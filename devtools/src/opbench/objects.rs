//! Builds the manifests that are applied: some Relays and Tenants, many Agents. They are JSON, as a
//! user's YAML arrives at the API server.

use clap::ValueEnum;
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use serde_json::{Value, json};

const API_VERSION: &str = "msg2agent.xyz/v1alpha1";
/// The Tenant, at the first Relay, of the Agents whose keys are revoked.
pub const VICTIMS: &str = "victims";
/// Tells the Agents of the scenarios apart.
pub const GROUP_LABEL: &str = "opbench";

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
pub fn relay_name(number: u32) -> String {
    format!("relay-{number}")
}

#[must_use]
pub fn relay(number: u32) -> Value {
    object(Kind::Relay, &relay_name(number), &json!({"domain": format!("relay-{number}.example.com")}))
}

#[must_use]
pub fn tenant_name(number: u32) -> String {
    format!("tenant-{number}")
}

/// Tenant `name` at Relay `relay`.
#[must_use]
pub fn tenant(name: &str, relay: u32) -> Value {
    object(Kind::Tenant, name, &json!({"relayRef": {"name": relay_name(relay)}}))
}

#[must_use]
pub fn agent_name(group: &str, number: u32) -> String {
    format!("{group}-{number}")
}

/// An Agent without an MCP endpoint; `group` is the beginning of its name and its label.
#[must_use]
pub fn agent(group: &str, number: u32, tenant: &str) -> Value {
    let mut agent = object(Kind::Agent, &agent_name(group, number), &json!({"tenantRef": {"name": tenant}}));
    if let Some(metadata) = agent.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.insert("labels".into(), json!({ GROUP_LABEL: group }));
    }
    agent
}

/// The change of a spec that takes a key away; `None` where that is a deletion.
#[must_use]
pub fn revocation(by: Revocation) -> Option<Value> {
    match by {
        Revocation::Delete => None,
        Revocation::Suspend => Some(json!({"spec": {"suspend": true}})),
        Revocation::Rotate => {
            let rotation = json!({"overlap": "0s", "requestedRotation": "opbench"});
            Some(json!({"spec": {"credentials": {"rotation": rotation}}}))
        }
    }
}

/// The change of a spec that asks for a new key.
#[must_use]
pub fn rotation(request: &str) -> Value {
    json!({"spec": {"credentials": {"rotation": {"requestedRotation": request}}}})
}

/// The last request for a new key that was carried out.
#[must_use]
pub fn handled_rotation(agent: &DynamicObject) -> Option<&str> {
    agent.data.pointer("/status/lastHandledRotation")?.as_str()
}

/// Whether the object's condition `Ready` is true for its current spec.
#[must_use]
pub fn is_ready(object: &DynamicObject) -> bool {
    let observed = object.data.pointer("/status/observedGeneration").and_then(Value::as_i64);
    ready(object).is_some_and(|condition| condition.get("status").is_some_and(|word| word == "True"))
        && observed == object.metadata.generation
}

/// When the condition `Ready` has changed last.
#[must_use]
pub fn ready_since(object: &DynamicObject) -> Option<&str> {
    ready(object)?.get("lastTransitionTime")?.as_str()
}

/// The conditions as text, in the order of the status.
#[must_use]
pub fn conditions(object: &DynamicObject) -> String {
    let conditions = object.data.pointer("/status/conditions").and_then(Value::as_array);
    let text = |condition: &Value, name: &str| {
        condition.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let words = conditions.into_iter().flatten().map(|condition| {
        let [about, status, reason, since] =
            ["type", "status", "reason", "lastTransitionTime"].map(|name| text(condition, name));
        format!("{about}={status} {reason} {since}")
    });
    words.collect::<Vec<_>>().join("; ")
}

fn ready(object: &DynamicObject) -> Option<&Value> {
    let conditions = object.data.pointer("/status/conditions")?.as_array()?;
    conditions.iter().find(|condition| condition.get("type").is_some_and(|word| word == "Ready"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn observed(generation: i64, ready: &str) -> DynamicObject {
        let conditions = json!([{"type": "Accepted", "status": "True"}, {"type": "Ready", "status": ready}]);
        let mut value = agent("agent", 1, "tenant-1");
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
    fn an_agent_is_found_by_the_label_of_its_group() {
        assert_eq!(agent("victim", 13, "t")["metadata"]["labels"][GROUP_LABEL], "victim");
    }
}
