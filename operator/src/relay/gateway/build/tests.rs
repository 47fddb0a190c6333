//! Tests of the objects of a Relay's MCP gateway.

use clap::Parser as _;
use serde_json::json;

use super::*;
use crate::relay::build::tests::relay;

fn settings() -> Settings {
    Settings::parse_from(["operator", "--mcp-server-image", "registry.test:5000/mcp-server:1.2"])
}

fn with(gateway: serde_json::Value) -> Relay {
    let mut spec = json!({"domain": "agents.example.com", "gateway": {"enabled": true}});
    spec["gateway"].as_object_mut().unwrap().extend(gateway.as_object().unwrap().clone());
    relay(spec)
}

fn minimal() -> Relay {
    with(json!({}))
}

fn pod_of(relay: &Relay) -> PodSpec {
    deployment(relay, &settings(), Some(2)).spec.unwrap().template.spec.unwrap()
}

fn variable(relay: &Relay, name: &str) -> Option<String> {
    let environment = environment(relay, "cluster.local").into_iter();
    environment.filter(|var| var.name == name).find_map(|var| var.value)
}

#[test]
fn pods_meet_the_restricted_standard_and_hold_no_cluster_credentials() {
    let pod = pod_of(&minimal());
    assert_eq!(pod.automount_service_account_token, Some(false));
    assert_eq!(service_account(&minimal()).automount_service_account_token, Some(false));
    let security = pod.security_context.unwrap();
    assert_eq!(security.run_as_non_root, Some(true));
    assert_eq!(security.seccomp_profile.unwrap().type_, "RuntimeDefault");
    let container = pod.containers[0].security_context.clone().unwrap();
    assert_eq!(container.allow_privilege_escalation, Some(false));
    assert_eq!(container.read_only_root_filesystem, Some(true));
    assert_eq!(container.capabilities.unwrap().drop, Some(vec!["ALL".into()]));
}

#[test]
fn a_pod_holds_its_certificate_and_one_token_and_nothing_of_an_agent() {
    let secrets: Vec<_> =
        pod_of(&minimal()).volumes.unwrap().into_iter().filter_map(|it| it.secret?.secret_name).collect();
    assert_eq!(secrets, ["main-gateway-tls", "main-gateway-token"]);
    let text = serde_json::to_string(&pod_of(&minimal())).unwrap();
    assert!(!text.contains("secretKeyRef"), "Secrets are mounted, never in the environment");
}

#[test]
fn every_file_that_the_settings_name_is_below_a_mount() {
    let mounts = pod_of(&minimal()).containers[0].volume_mounts.clone().unwrap();
    for name in ["TLS_CERT", "TLS_KEY", "CA_FILE", "ENDPOINT_CA_FILE", "TOKEN_FILE"] {
        let path = variable(&minimal(), &format!("MSG2AGENT_GATEWAY_{name}")).unwrap();
        let folder = path.rsplit_once('/').unwrap().0;
        assert!(mounts.iter().any(|mount| mount.mount_path == folder), "{path}");
    }
}

#[test]
fn it_runs_the_program_of_the_endpoints_in_another_role() {
    let container = pod_of(&minimal()).containers.remove(0);
    assert_eq!(container.image.as_deref(), Some("registry.test:5000/mcp-server:1.2"));
    assert_eq!(container.args, Some(vec!["gateway".into()]));
}

#[test]
fn an_update_ends_no_pod_before_another_serves_and_kills_none_that_drains() {
    let spec = deployment(&minimal(), &settings(), Some(2)).spec.unwrap();
    let rolling = spec.strategy.unwrap().rolling_update.unwrap();
    assert_eq!(rolling.max_unavailable, Some(IntOrString::Int(0)));
    assert_eq!(rolling.max_surge, Some(IntOrString::Int(1)));
    let grace = pod_of(&minimal()).termination_grace_period_seconds.unwrap();
    assert!(grace > 5 + 20 + 20, "what the program takes by default, `gateway --help`");
}

#[test]
fn its_public_name_is_the_audience_and_in_the_certificate_and_the_relay_is_asked_inside() {
    let url = "https://mcp.example.com:8443/mcp";
    let mut relay = with(json!({"publicURL": url}));
    relay.spec.oauth.issuer = Some("https://relay.example.com".into());
    let value = |name: &str| variable(&relay, &format!("MSG2AGENT_GATEWAY_{name}")).unwrap();
    assert_eq!(value("PUBLIC_URL"), url);
    assert_eq!(value("ISSUER"), "https://relay.example.com");
    let inside = "https://main.platform.svc.cluster.local:8443/oauth/introspect";
    assert_eq!(value("INTROSPECTION_URL"), inside);
    assert!(value("ALLOWED_HOSTS").ends_with(",mcp.example.com"));
    assert!(hosts(&relay, "cluster.local").contains(&"mcp.example.com".to_owned()));
}

#[test]
fn inside_the_cluster_nothing_has_to_be_set() {
    let inside = "https://main-gateway.platform.svc.cluster.local/mcp";
    assert_eq!(urls::gateway_url(&minimal(), "cluster.local").as_deref(), Some(inside));
    assert_eq!(urls::gateway_url(&relay(json!({"domain": "agents.example.com"})), "cluster.local"), None);
    assert_eq!(variable(&minimal(), "MSG2AGENT_GATEWAY_OTLP_ENDPOINT"), None);
}

#[test]
fn traces_go_where_those_of_the_relay_go_and_the_policy_lets_them() {
    let mut relay = minimal();
    relay.spec.otlp_endpoint = Some("http://collector:4318".into());
    assert_eq!(variable(&relay, "MSG2AGENT_GATEWAY_OTLP_ENDPOINT").as_deref(), Some("http://collector:4318"));
    let ports = |relay: &Relay| -> Vec<_> {
        let egress = network_policy(relay, &settings()).unwrap().spec.unwrap().egress.unwrap().into_iter();
        egress.filter_map(|rule| rule.ports).flatten().filter_map(|port| port.port).collect()
    };
    assert!(ports(&relay).contains(&IntOrString::Int(4318)));
    assert!(!ports(&minimal()).contains(&IntOrString::Int(4318)));
}

#[test]
fn an_autoscaler_is_there_for_a_range_and_the_number_of_pods_is_then_not_ours() {
    assert_eq!(minimal().spec.gateway.replicas.scaled_to(), None);
    assert_eq!(with(json!({"replicas": {"min": 3, "max": 3}})).spec.gateway.replicas.scaled_to(), None);
    let scaled = with(json!({"replicas": {"min": 3, "max": 9, "targetCPUUtilizationPercentage": 55}}));
    let max = scaled.spec.gateway.replicas.scaled_to().unwrap();
    let spec = autoscaler(&scaled, max).spec.unwrap();
    assert_eq!((spec.min_replicas, spec.max_replicas), (Some(3), 9));
    assert_eq!(spec.scale_target_ref.name, deployment(&scaled, &settings(), None).metadata.name.unwrap());
    let target = spec.metrics.unwrap().remove(0).resource.unwrap().target;
    assert_eq!(target.average_utilization, Some(55));
    let json = serde_json::to_value(deployment(&scaled, &settings(), None)).unwrap();
    assert_eq!(json.pointer("/spec/replicas"), None);
    let requests = pod_of(&scaled).containers[0].resources.clone().unwrap().requests.unwrap();
    assert!(requests.contains_key("cpu"), "the autoscaler measures against it");
}
