//! What an Agent's object says. Pure.

use serde::Deserialize;

use crate::doctor::finding::{Fault, Side};
use crate::doctor::target::Target;

/// As much of `agents.msg2agent.xyz` as is judged.
#[derive(Debug, Deserialize)]
pub(super) struct Agent {
    pub(super) metadata: Metadata,
    spec: Spec,
    #[serde(default)]
    pub(super) status: Status,
}

#[derive(Debug, Deserialize)]
pub(super) struct Metadata {
    name: String,
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

/// A Service to forward a port of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::doctor) struct Service {
    pub(in crate::doctor) host: String,
    pub(in crate::doctor) port: u16,
    pub(in crate::doctor) name: String,
    pub(in crate::doctor) namespace: String,
}

/// The first thing that keeps the Agent from working, in the order in which the operator builds on it.
pub(super) fn judge(agent: &Agent) -> Result<String, Fault> {
    let status = &agent.status;
    if !agent.spec.mcp.enabled {
        return Err(Fault::new(Side::Cluster, "the Agent has no MCP endpoint", "set spec.mcp.enabled: true"));
    }
    if status.observed_generation < agent.metadata.generation {
        let remedy = "see whether the operator runs and leads: kubectl get pods,lease in its namespace";
        return Err(Fault::new(Side::Operator, "the operator has not seen the Agent as it is now", remedy));
    }
    if let Some(suspended) = status.find("Suspended").filter(|found| found.status == "True") {
        let remedy = "set spec.suspend: false, on the Agent or on its Tenant as the cause says";
        return Err(Fault::new(Side::Cluster, told(suspended), remedy));
    }
    let parts = [
        ("Accepted", Side::Cluster, "the cause says which name, or whose consent, is missing"),
        ("Programmed", Side::Relay, "see the Relay: kubectl describe relay, and whether its pod is ready"),
        ("CredentialsReady", Side::Operator, "the cause says which Secret is in the way"),
        ("McpReady", Side::Endpoint, "kubectl describe pod and the log of the endpoint's pod say why"),
    ];
    for (part, side, remedy) in parts {
        if let Some(failed) = status.find(part).filter(|found| found.status != "True") {
            return Err(Fault::new(side, told(failed), remedy));
        }
    }
    match status.find("Ready") {
        Some(ready) if ready.status == "True" => {
            Ok(format!("{}/{} is Ready", agent.metadata.namespace, agent.metadata.name))
        }
        Some(ready) => Err(Fault::new(Side::Cluster, told(ready), "kubectl describe agent says more")),
        None => Err(Fault::new(Side::Operator, "the Agent has no status", "see whether the operator runs")),
    }
}

fn told(condition: &Condition) -> String {
    let Condition { r#type, status, reason, message } = condition;
    format!("{type} is {status}, {reason}: {message}")
}

impl Status {
    fn find(&self, wanted: &str) -> Option<&Condition> {
        self.conditions.iter().find(|condition| condition.r#type == wanted)
    }
}

/// The Services behind the endpoint and its relay where their names are good inside the cluster only; none for a public endpoint.
pub(super) fn services(agent: &Agent, target: &Target) -> Vec<Service> {
    let Some(endpoint) = service(&target.host, target.port) else { return Vec::new() };
    let relay = agent.status.url.as_deref().and_then(|url| {
        let url: reqwest::Url = url.parse().ok()?;
        service(url.host_str()?, url.port_or_known_default()?)
    });
    std::iter::once(endpoint).chain(relay).collect()
}

/// `<name>.<namespace>.svc.<cluster domain>`.
fn service(host: &str, port: u16) -> Option<Service> {
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

    fn agent(conditions: &[(&str, &str)]) -> Agent {
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
    fn the_first_part_that_does_not_hold_is_named_with_its_side() {
        for (part, side) in
            [("Accepted", Side::Cluster), ("Programmed", Side::Relay), ("McpReady", Side::Endpoint)]
        {
            let fault = judge(&agent(&[("Ready", "False"), (part, "False")])).unwrap_err();
            assert_eq!((fault.side, fault.cause), (side, format!("{part} is False, R: why")));
        }
        assert_eq!(judge(&agent(&[("Ready", "True")])), Ok("team/alice is Ready".into()));
    }

    #[test]
    fn a_suspension_comes_before_what_follows_from_it() {
        let fault = judge(&agent(&[("Suspended", "True"), ("McpReady", "False")])).unwrap_err();
        assert!(fault.cause.starts_with("Suspended is True") && fault.remedy.contains("spec.suspend"));
    }

    #[test]
    fn a_status_that_is_older_than_the_spec_is_the_operators() {
        let mut late = agent(&[("Ready", "True")]);
        late.metadata.generation = 3;
        assert_eq!(judge(&late).unwrap_err().side, Side::Operator);
    }

    #[test]
    fn names_of_the_cluster_are_forwarded_and_public_ones_are_not() {
        let services = |url: &str| super::services(&agent(&[]), &Target::parse(url).unwrap());
        let found = services("https://alice-mcp.team.svc.cluster.local/mcp");
        let named: Vec<_> = found.iter().map(|s| (s.name.as_str(), s.namespace.as_str(), s.port)).collect();
        assert_eq!(named, [("alice-mcp", "team", 443), ("main", "platform", 8443)]);
        assert!(services("https://alice.mcp.example.com/mcp").is_empty());
    }
}
