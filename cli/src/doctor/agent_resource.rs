//! Checks an Agent object: its spec and the conditions in its status. Pure.

use serde::Deserialize;

use super::finding::{Component, Fault};
use super::kubectl::Service;
use super::target::Target;

/// The checked part of an object of `agents.msg2agent.xyz`.
#[derive(Debug, Deserialize)]
pub(super) struct AgentResource {
    pub(super) metadata: Metadata,
    spec: Spec,
    #[serde(default)]
    pub(super) status: Status,
}

#[derive(Debug, Deserialize)]
pub(super) struct Metadata {
    pub(super) name: String,
    pub(super) namespace: String,
    #[serde(default)]
    generation: i64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Spec {
    mcp: Mcp,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Mcp {
    enabled: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Status {
    observed_generation: i64,
    #[serde(rename = "mcpURL")]
    pub(super) mcp_url: Option<String>,
    url: Option<String>,
    pub(super) secret_name: String,
    conditions: Vec<Condition>,
}

#[derive(Debug, Deserialize)]
struct Condition {
    r#type: String,
    status: String,
    reason: String,
    message: String,
}

/// Returns the first failing condition, in the order in which the operator reaches them.
pub(super) fn check(agent: &AgentResource) -> Result<String, Fault> {
    let status = &agent.status;
    if !agent.spec.mcp.enabled {
        return Err(Fault::new(
            Component::Cluster,
            "the Agent has no MCP endpoint",
            "set spec.mcp.enabled: true",
        ));
    }
    if status.observed_generation < agent.metadata.generation {
        let remedy = "check that the operator runs and leads: kubectl get pods,lease in its namespace";
        return Err(Fault::new(
            Component::Operator,
            "the operator has not processed the current version of the Agent",
            remedy,
        ));
    }
    if let Some(suspended) = status.find("Suspended").filter(|found| found.status == "True") {
        let remedy = "set spec.suspend: false on the Agent or on its Tenant, as the cause says";
        return Err(Fault::new(Component::Cluster, describe(suspended), remedy));
    }
    let parts = [
        ("Accepted", Component::Cluster, "fix the reference or the permission that the cause describes"),
        ("Programmed", Component::Relay, "run kubectl describe relay, and check that its pod is ready"),
        ("CredentialsReady", Component::Operator, "fix the Secret that the cause describes"),
        ("McpReady", Component::Endpoint, "run kubectl describe pod, and read the log of the endpoint's pod"),
    ];
    for (part, side, remedy) in parts {
        if let Some(failed) = status.find(part).filter(|found| found.status != "True") {
            return Err(Fault::new(side, describe(failed), remedy));
        }
    }
    match status.find("Ready") {
        Some(ready) if ready.status == "True" => {
            Ok(format!("{}/{} is Ready", agent.metadata.namespace, agent.metadata.name))
        }
        Some(ready) => Err(Fault::new(Component::Cluster, describe(ready), "run kubectl describe agent")),
        None => {
            Err(Fault::new(Component::Operator, "the Agent has no status", "check that the operator runs"))
        }
    }
}

fn describe(condition: &Condition) -> String {
    let Condition { r#type, status, reason, message } = condition;
    format!("{type} is {status}, {reason}: {message}")
}

impl Status {
    fn find(&self, wanted: &str) -> Option<&Condition> {
        self.conditions.iter().find(|condition| condition.r#type == wanted)
    }
}

/// The Services of the endpoint and its relay, if their host names resolve only inside the cluster.
/// None for a public endpoint.
pub(super) fn services(agent: &AgentResource, target: &Target) -> Vec<Service> {
    let Some(endpoint) = parse_service(&target.host, target.port) else { return Vec::new() };
    let relay = agent.status.url.as_deref().and_then(|url| {
        let url: reqwest::Url = url.parse().ok()?;
        parse_service(url.host_str()?, url.port_or_known_default()?)
    });
    std::iter::once(endpoint).chain(relay).collect()
}

/// Parses `<name>.<namespace>.svc.<cluster domain>`.
fn parse_service(host: &str, port: u16) -> Option<Service> {
    let mut labels = host.split('.');
    let (name, namespace, kind) = (labels.next()?, labels.next()?, labels.next()?);
    (kind == "svc").then(|| Service {
        host: host.to_owned(),
        port,
        name: name.to_owned(),
        namespace: namespace.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn agent(conditions: &[(&str, &str)]) -> AgentResource {
        let conditions: Vec<_> = conditions
            .iter()
            .map(|(kind, status)| json!({"type": kind, "status": status, "reason": "R", "message": "why"}))
            .collect();
        serde_json::from_value(json!({
            "metadata": {"name": "alice", "namespace": "team", "generation": 2},
            "spec": {"mcp": {"enabled": true}},
            "status": {"observedGeneration": 2, "secretName": "alice-relay", "conditions": conditions,
                "url": "wss://main.platform.svc.cluster.local:8443/ws",
                "mcpURL": "https://alice-mcp.team.svc.cluster.local/mcp"},
        }))
        .unwrap()
    }

    #[test]
    fn the_first_failing_condition_is_reported_with_its_component() {
        for (part, side) in [
            ("Accepted", Component::Cluster),
            ("Programmed", Component::Relay),
            ("McpReady", Component::Endpoint),
        ] {
            let fault = check(&agent(&[("Ready", "False"), (part, "False")])).unwrap_err();
            assert_eq!((fault.side, fault.cause), (side, format!("{part} is False, R: why")));
        }
        assert_eq!(check(&agent(&[("Ready", "True")])), Ok("team/alice is Ready".into()));
    }

    #[test]
    fn a_suspension_is_reported_before_its_consequences() {
        let fault = check(&agent(&[("Suspended", "True"), ("McpReady", "False")])).unwrap_err();
        assert!(fault.cause.starts_with("Suspended is True") && fault.remedy.contains("spec.suspend"));
    }

    #[test]
    fn a_status_that_is_older_than_the_spec_blames_the_operator() {
        let mut late = agent(&[("Ready", "True")]);
        late.metadata.generation = 3;
        assert_eq!(check(&late).unwrap_err().side, Component::Operator);
    }

    #[test]
    fn services_of_the_cluster_are_forwarded_and_public_hosts_are_not() {
        let services = |url: &str| super::services(&agent(&[]), &Target::parse(url).unwrap());
        let found = services("https://alice-mcp.team.svc.cluster.local/mcp");
        let named: Vec<_> = found.iter().map(|s| (s.name.as_str(), s.namespace.as_str(), s.port)).collect();
        assert_eq!(named, [("alice-mcp", "team", 443), ("main", "platform", 8443)]);
        assert!(services("https://alice.mcp.example.com/mcp").is_empty());
    }
}
