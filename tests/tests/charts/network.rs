//! Checks which connections the NetworkPolicies of operator, relay and gateway allow.

use clap::Parser as _;
use crds::Relay;
use k8s_openapi::api::core::v1::PodTemplateSpec;
use operator::relay::{build, gateway};
use operator::settings::Settings;
use serde_json::Value;

use super::helm::{environment, find, rendered};
use super::reachability::{Pod, may_reach};

/// The port for probes and metrics of every program.
const METRICS: u64 = 8081;

/// The chart's policy, and those that the operator makes around a relay and its gateway.
fn policies() -> Vec<Value> {
    let objects = rendered(&[]);
    let monitoring = environment(&objects, "MSG2AGENT_OPERATOR_MONITORING_NAMESPACES");
    let mut policies: Vec<_> = objects.into_iter().filter(|o| o["kind"] == "NetworkPolicy").collect();
    let settings = Settings::parse_from([
        "msg2agent-operator",
        "--namespace=msg2agent-system",
        &format!("--monitoring-namespaces={monitoring}"),
    ]);
    let policy = build::network_policy(&relay_object(), &settings).unwrap();
    policies.push(serde_json::to_value(policy).unwrap());
    policies.push(serde_json::to_value(gateway::build::network_policy(&relay_object(), &settings)).unwrap());
    policies
}

fn relay_object() -> Relay {
    let relay = serde_json::json!({
        "apiVersion": "msg2agent.xyz/v1alpha1", "kind": "Relay",
        "metadata": { "name": "main", "namespace": "team", "uid": "1" },
        "spec": { "domain": "agents.example.com", "gateway": { "enabled": true } },
    });
    serde_json::from_value(relay).unwrap()
}

/// The operator with the labels and ports it is rendered with.
fn operator() -> Pod {
    let objects = rendered(&[]);
    let template = &find(&objects, "Deployment", "operator")["spec"]["template"];
    let labels = template["metadata"]["labels"].as_object().unwrap().iter();
    let labels: Vec<_> = labels.map(|(key, value)| (key.as_str(), value.as_str().unwrap())).collect();
    Pod::new("msg2agent-system", &labels, &[("admin", METRICS)])
}

/// A relay with the labels and ports that the operator gives it.
fn relay() -> Pod {
    let settings = Settings::parse_from(["msg2agent-operator"]);
    let file = build::config_map(&relay_object(), "cluster.local").unwrap();
    pod(build::stateful_set(&relay_object(), &settings, &file).spec.unwrap().template)
}

/// A gateway with the labels and ports that the operator gives it.
fn mcp_gateway() -> Pod {
    let settings = Settings::parse_from(["msg2agent-operator"]);
    pod(gateway::build::deployment(&relay_object(), &settings, Some(2)).spec.unwrap().template)
}

/// A pod of this template in the Relay's namespace.
fn pod(template: PodTemplateSpec) -> Pod {
    let template = serde_json::to_value(template).unwrap();
    let labels = template["metadata"]["labels"].as_object().unwrap().iter();
    let labels: Vec<_> = labels.map(|(key, value)| (key.as_str(), value.as_str().unwrap())).collect();
    let ports = template["spec"]["containers"][0]["ports"].as_array().unwrap().iter();
    let ports: Vec<_> =
        ports.map(|p| (p["name"].as_str().unwrap(), p["containerPort"].as_u64().unwrap())).collect();
    Pod::new("team", &labels, &ports)
}

/// The MCP endpoint of an agent, by the labels of its pods.
fn endpoint(namespace: &'static str) -> Pod {
    let labels = [
        ("app.kubernetes.io/name", "msg2agent"),
        ("app.kubernetes.io/component", "mcp-server"),
        ("msg2agent.xyz/agent", "alice"),
    ];
    Pod::new(namespace, &labels, &[("https", 8443), ("admin", METRICS)])
}

#[test]
fn only_the_monitoring_namespace_reads_metrics() {
    for server in [operator(), relay(), mcp_gateway()] {
        let from = |namespace| may_reach(&policies(), &Pod::new(namespace, &[], &[]), &server, METRICS);
        assert!(from("monitoring"));
        assert!(!from("team"));
        assert!(!from("msg2agent-system"));
    }
}

#[test]
fn the_operator_reaches_relays_on_their_admin_port_and_nothing_else_of_them() {
    let port = |name: &str| relay().ports[name];
    assert!(may_reach(&policies(), &operator(), &relay(), port("admin")));
    assert!(!may_reach(&policies(), &operator(), &relay(), port("wss")));
}

#[test]
fn whoever_reads_metrics_does_not_reach_the_administration_of_a_relay() {
    let prometheus = Pod::new("monitoring", &[], &[]);
    assert!(may_reach(&policies(), &prometheus, &relay(), relay().ports["health"]));
    assert!(!may_reach(&policies(), &prometheus, &relay(), relay().ports["admin"]));
    assert!(!may_reach(&policies(), &operator(), &relay(), relay().ports["health"]));
}

#[test]
fn agents_reach_the_relay_and_not_its_admin_port() {
    let agent = Pod::new("elsewhere", &[("app", "agent")], &[]);
    assert!(may_reach(&policies(), &agent, &relay(), relay().ports["wss"]));
    assert!(!may_reach(&policies(), &agent, &relay(), relay().ports["admin"]));
}

#[test]
fn everybody_reaches_the_gateway_and_nobody_its_admin_port() {
    let client = Pod::new("elsewhere", &[("app", "client")], &[]);
    let port = |name: &str| mcp_gateway().ports[name];
    assert!(may_reach(&policies(), &client, &mcp_gateway(), port("https")));
    assert!(!may_reach(&policies(), &client, &mcp_gateway(), port("admin")));
}

#[test]
fn the_gateway_reaches_its_relay_and_endpoints_in_every_namespace_and_nothing_else() {
    let reaches = |to: &Pod, port| may_reach(&policies(), &mcp_gateway(), to, port);
    assert!(reaches(&relay(), relay().ports["wss"]));
    assert!(!reaches(&relay(), relay().ports["admin"]));
    assert!(reaches(&endpoint("elsewhere"), 8443) && reaches(&endpoint("team"), 8443));
    assert!(!reaches(&endpoint("elsewhere"), METRICS));
    let stranger = Pod::new("team", &[("app", "database")], &[]);
    assert!(!reaches(&stranger, 8443) && !reaches(&operator(), METRICS));
}

#[test]
fn a_pod_that_calls_itself_the_operator_elsewhere_is_not_let_in() {
    let mut disguised = operator();
    disguised.namespace = "team";
    assert!(!may_reach(&policies(), &disguised, &relay(), relay().ports["admin"]));
}

#[test]
fn the_operator_reaches_no_other_pod() {
    let stranger = Pod::new("team", &[("app", "database")], &[("admin", 5432)]);
    assert!(!may_reach(&policies(), &operator(), &stranger, 5432));
}
