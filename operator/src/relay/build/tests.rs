//! Tests of the objects of a Relay.

use clap::Parser as _;
use daemon::listen::every_address;
use k8s_openapi::api::networking::v1::NetworkPolicyIngressRule;

use super::*;
use crate::network_policy::matches;
use crate::rollout::Stamp;

pub(crate) fn relay(spec: serde_json::Value) -> Relay {
    serde_json::from_value(serde_json::json!({
        "apiVersion": "msg2agent.xyz/v1alpha1", "kind": "Relay",
        "metadata": {"name": "main", "namespace": "platform", "uid": "u-1"},
        "spec": spec,
    }))
    .unwrap()
}

fn settings() -> Settings {
    Settings::parse_from(["operator", "--relay-image", "registry.test:5000/relay:1.2"])
}

fn minimal() -> Relay {
    relay(serde_json::json!({"domain": "agents.example.com"}))
}

fn stateful_set_of(relay: &Relay) -> StatefulSet {
    stateful_set(relay, &settings(), &config_map(relay, "cluster.local").unwrap())
}

/// The settings file, read again.
fn file(relay: &Relay) -> toml::Table {
    let data = config_map(relay, "cluster.local").unwrap().data.unwrap();
    data.values().next().unwrap().parse().unwrap()
}

#[test]
fn pods_meet_the_restricted_standard_and_hold_no_cluster_credentials() {
    let set = stateful_set_of(&minimal());
    let pod = set.spec.unwrap().template.spec.unwrap();
    assert_eq!(pod.automount_service_account_token, Some(false));
    let security = pod.security_context.unwrap();
    assert_eq!(security.run_as_non_root, Some(true));
    assert_eq!(security.seccomp_profile.unwrap().type_, "RuntimeDefault");
    let container = pod.containers[0].security_context.clone().unwrap();
    assert_eq!(container.allow_privilege_escalation, Some(false));
    assert_eq!(container.read_only_root_filesystem, Some(true));
    assert_eq!(container.capabilities.unwrap().drop, Some(vec!["ALL".into()]));
}

#[test]
fn the_admin_port_is_open_to_the_operator_alone() {
    let policy = network_policy(&minimal(), &settings()).unwrap().spec.unwrap();
    let admitting = |port: u16| -> Vec<_> {
        let wanted = Some(IntOrString::Int(port.into()));
        let rules = policy.ingress.iter().flatten();
        rules.filter(|rule| rule.ports.iter().flatten().any(|p| p.port == wanted)).cloned().collect()
    };
    assert_eq!(admitting(name::RELAY_PORT)[0].from, None);
    let admin = admitting(name::RELAY_ADMIN_PORT);
    assert_eq!(admin.len(), 1);
    let peer = &admin[0].from.as_ref().unwrap()[0];
    assert!(peer.namespace_selector.is_some() && peer.pod_selector.is_some());
}

#[test]
fn the_admin_listener_has_tls_and_probes_have_a_port_of_their_own() {
    let file = file(&minimal());
    assert_eq!(file["admin_listen"].as_str(), Some("[::]:8082"));
    assert_eq!(file["health_listen"].as_str(), Some("[::]:8081"));
    assert_eq!(file.get("insecure_admin_plaintext"), None);
    let set = stateful_set_of(&minimal());
    let pod = set.spec.unwrap().template.spec.unwrap();
    let probe = pod.containers[0].readiness_probe.clone().unwrap().http_get.unwrap();
    assert_eq!((probe.port, probe.scheme), (IntOrString::Int(8081), None));
}

#[test]
fn secrets_are_referred_to_by_their_files_only() {
    let set = serde_json::to_string(&stateful_set_of(&minimal())).unwrap();
    assert!(!set.contains("secretKeyRef"), "Secrets are mounted, never in the environment");
    let file = file(&minimal());
    assert_eq!(file["admin_token_file"].as_str(), Some("/var/run/msg2agent/admin/token"));
    assert_eq!(file["tls"]["key_file"].as_str(), Some("/var/run/msg2agent/tls/tls.key"));
}

#[test]
fn the_certificate_is_for_every_name_of_the_relay() {
    let names = hosts(&minimal(), "cluster.local");
    for host in ["agents.example.com", "main.platform.svc", "main.platform.svc.cluster.local"] {
        assert!(names.iter().any(|name| name == host), "{host}");
    }
}

#[test]
fn clients_reach_the_relay_over_both_families_and_the_operator_finds_each_pod_once() {
    let families = |service: Service| service.spec.unwrap().ip_family_policy;
    assert_eq!(families(service(&minimal())).as_deref(), Some("PreferDualStack"));
    assert_eq!(families(headless_service(&minimal())), None);
}

#[test]
fn the_same_relay_gives_the_same_objects() {
    assert_eq!(stateful_set_of(&minimal()), stateful_set_of(&minimal()));
}

#[test]
fn the_settings_file_says_what_the_spec_says() {
    let spec = serde_json::json!({
        "domain": "agents.example.com", "logFilter": "debug,hyper=\"warn\"", "drainTimeout": "7s",
        "otlpEndpoint": "http://collector:4318",
    });
    let file = file(&relay(spec));
    assert_eq!(file["domain"].as_str(), Some("agents.example.com"));
    assert_eq!(file["log_filter"].as_str(), Some("debug,hyper=\"warn\""));
    assert_eq!(file["drain_timeout_seconds"].as_integer(), Some(7));
    assert_eq!(file["otlp_endpoint"].as_str(), Some("http://collector:4318"));
    assert!(!super::tests::file(&minimal()).contains_key("otlp_endpoint"));
}

#[test]
fn changed_settings_roll_the_pod_and_a_changed_consent_does_not() {
    let template = |spec| stateful_set_of(&relay(spec)).spec.unwrap().template;
    let domain = "agents.example.com";
    let before = template(serde_json::json!({"domain": domain}));
    assert_ne!(before, template(serde_json::json!({"domain": domain, "logFilter": "debug"})));
    let consent = serde_json::json!({"domain": domain, "tenants": {"allowedFrom": {"from": "All"}}});
    assert_eq!(before, template(consent));
}

#[test]
fn without_settings_the_issuer_is_the_service_and_there_is_no_provider() {
    let oauth = file(&minimal())["oauth"].as_table().unwrap().clone();
    assert_eq!(oauth["issuer"].as_str(), Some("https://main.platform.svc.cluster.local:8443"));
    assert_eq!(oauth["keys_dir"].as_str(), Some("/var/run/msg2agent/oauth-keys"));
    assert!(!oauth.contains_key("provider_issuer"));
}

#[test]
fn one_key_of_the_providers_secret_is_mounted_and_named_in_the_settings() {
    let provider = serde_json::json!({"issuer": "https://accounts.google.com", "clientID": "id",
        "clientSecretRef": {"name": "google", "key": "client-secret"}});
    let relay = relay(serde_json::json!({"domain": "agents.example.com",
        "oauth": {"issuer": "https://relay.example.com", "provider": provider, "trustedProxies": ["10.0.0.0/8"]}}));
    let oauth = file(&relay)["oauth"].clone();
    assert_eq!(oauth["issuer"].as_str(), Some("https://relay.example.com"));
    let path = oauth["provider_client_secret_file"].as_str().unwrap();
    assert_eq!(path, "/var/run/msg2agent/provider/client-secret");
    let pod = stateful_set_of(&relay).spec.unwrap().template.spec.unwrap();
    let volume = pod.volumes.unwrap().into_iter().find(|volume| volume.name == "provider").unwrap();
    let items: Vec<_> = volume.secret.unwrap().items.unwrap().into_iter().map(|item| item.key).collect();
    assert_eq!(items, ["client-secret"]);
}

#[test]
fn a_relay_with_a_gateway_has_its_url_and_token_file_in_its_settings() {
    let with = relay(serde_json::json!({"domain": "agents.example.com", "gateway": {"enabled": true}}));
    let oauth = file(&with)["oauth"].clone();
    let url = "https://main-gateway.platform.svc.cluster.local/mcp";
    assert_eq!(oauth["gateway_url"].as_str(), Some(url));
    assert_eq!(oauth["gateway_token_file"].as_str(), Some("/var/run/msg2agent/gateway/token"));
    let secrets = |relay: &Relay| -> Vec<_> {
        let pod = stateful_set_of(relay).spec.unwrap().template.spec.unwrap();
        pod.volumes.unwrap().into_iter().filter_map(|volume| volume.secret?.secret_name).collect()
    };
    assert!(secrets(&with).contains(&"main-gateway-token".to_owned()));
    assert!(!secrets(&minimal()).contains(&"main-gateway-token".to_owned()));
    assert!(!file(&minimal())["oauth"].as_table().unwrap().contains_key("gateway_url"));
}

#[test]
fn the_relay_reaches_public_addresses_over_https_and_nothing_private() {
    let policy = network_policy(&minimal(), &settings()).unwrap().spec.unwrap();
    let blocks: Vec<_> = policy.egress.unwrap().into_iter().filter_map(|rule| rule.to).flatten().collect();
    let except: Vec<_> = blocks.into_iter().filter_map(|peer| peer.ip_block?.except).flatten().collect();
    for private in ["10.0.0.0/8", "169.254.0.0/16", "fc00::/7"] {
        assert!(except.iter().any(|network| network == private), "{private}");
    }
}

#[test]
fn a_broken_pod_is_replaced_when_its_template_is_put_right() {
    let set = stateful_set_of(&minimal()).spec.unwrap();
    assert_eq!(set.pod_management_policy.as_deref(), Some("Parallel"));
}

#[test]
fn the_store_is_kept_unless_the_spec_says_purge() {
    let when_deleted = |policy: &str| {
        let embedded = serde_json::json!({"deletionPolicy": policy});
        let store = serde_json::json!({"type": "Embedded", "embedded": embedded});
        let relay = relay(serde_json::json!({"domain": "agents.example.com", "store": store}));
        let spec = stateful_set_of(&relay).spec.unwrap();
        spec.persistent_volume_claim_retention_policy.unwrap().when_deleted.unwrap()
    };
    assert_eq!((&*when_deleted("Retain"), &*when_deleted("Purge")), ("Retain", "Delete"));
    let default = stateful_set_of(&minimal()).spec.unwrap().persistent_volume_claim_retention_policy;
    assert_eq!(default.unwrap().when_deleted.as_deref(), Some("Retain"));
}

#[test]
fn limits_are_in_the_settings_file_under_the_relays_names() {
    let limits = serde_json::json!({"agents": 50, "mailboxBytes": 1_048_576, "relayMailboxBytes": 1_073_741_824, "tenantSendsPerSecond": 10});
    let file = file(&relay(serde_json::json!({"domain": "agents.example.com", "limits": limits})));
    let limits = file["limits"].as_table().unwrap();
    assert_eq!(limits.len(), 4, "the relay has its own defaults for the others");
    assert_eq!(limits["agents"].as_integer(), Some(50));
    assert_eq!(limits["mailbox_bytes"].as_integer(), Some(1_048_576));
    assert_eq!(limits["relay_mailbox_bytes"].as_integer(), Some(1_073_741_824));
    assert_eq!(limits["tenant_sends_per_second"].as_integer(), Some(10));
    assert!(!super::tests::file(&minimal()).contains_key("limits"));
}

#[test]
fn the_authors_template_is_in_the_pod_and_its_service_account() {
    let relay = relay(serde_json::json!({"domain": "agents.example.com", "template": {
        "metadata": {"labels": {"team": "platform"}},
        "spec": {"nodeSelector": {"disk": "fast"}},
        "container": {"resources": {"requests": {"memory": "1Gi"}}},
        "serviceAccount": {"annotations": {"role": "x"}},
    }}));
    let template = stateful_set_of(&relay).spec.unwrap().template;
    assert_eq!(template.metadata.unwrap().labels.unwrap()["team"], "platform");
    let pod = template.spec.unwrap();
    assert_eq!(pod.node_selector.unwrap()["disk"], "fast");
    assert_eq!(pod.containers[0].resources.clone().unwrap().limits, None);
    assert_eq!(service_account(&relay).metadata.annotations.unwrap()["role"], "x");
}

#[test]
fn metrics_are_open_to_the_monitoring_namespaces_alone() {
    let ingress = |settings: &Settings| -> Vec<_> {
        let spec = network_policy(&minimal(), settings).unwrap().spec.unwrap();
        let wanted = Some(IntOrString::Int(name::RELAY_HEALTH_PORT.into()));
        let is_for_metrics =
            |rule: &NetworkPolicyIngressRule| rule.ports.iter().flatten().any(|port| port.port == wanted);
        spec.ingress.unwrap().into_iter().filter(is_for_metrics).collect()
    };
    assert!(ingress(&settings()).is_empty());
    let monitored = Settings::parse_from(["operator", "--monitoring-namespaces", "monitoring"]);
    let peers = ingress(&monitored)[0].from.clone().unwrap();
    assert_eq!(peers.len(), 1);
    assert_eq!(peers[0].namespace_selector, Some(matches(&[("kubernetes.io/metadata.name", "monitoring")])));
}

#[test]
fn the_proxy_of_the_settings_reaches_the_relay_and_its_policy() {
    let arguments =
        ["operator", "--relay-https-proxy", "http://proxy.corp:3128", "--relay-no-proxy", ".corp"];
    let settings = Settings::parse_from(arguments);
    let file = config_map(&minimal(), "cluster.local").unwrap();
    let template = stateful_set(&minimal(), &settings, &file).spec.unwrap().template;
    let variables = template.spec.unwrap().containers[0].env.clone().unwrap();
    let variables: Vec<_> =
        variables.iter().map(|it| (it.name.as_str(), it.value.as_deref().unwrap())).collect();
    assert_eq!(variables, [("HTTPS_PROXY", "http://proxy.corp:3128"), ("NO_PROXY", ".corp")]);
    let egress = network_policy(&minimal(), &settings).unwrap().spec.unwrap().egress.unwrap();
    let proxy_port = Some(IntOrString::Int(3128));
    assert!(egress.iter().flat_map(|rule| rule.ports.iter().flatten()).any(|it| it.port == proxy_port));
}

#[test]
fn an_upgrade_of_the_operator_is_told_from_a_change_by_the_author() {
    let stamp = |relay: &Relay, image: &str| {
        let settings = Settings::parse_from(["operator", "--relay-image", image]);
        let set = stateful_set(relay, &settings, &config_map(relay, "cluster.local").unwrap());
        Stamp::new(&set.spec.unwrap().template, &authored(relay))
    };
    let before = stamp(&minimal(), "relay:1");
    let upgraded = stamp(&minimal(), "relay:2");
    assert_ne!(before.template, upgraded.template);
    assert_eq!(before.author, upgraded.author);
    let domain = "agents.example.com";
    let edited = stamp(&relay(serde_json::json!({"domain": domain, "logFilter": "debug"})), "relay:1");
    assert_ne!(before.author, edited.author);
    let consent = serde_json::json!({"domain": domain, "tenants": {"allowedFrom": {"from": "All"}}});
    assert_eq!(before, stamp(&relay(consent), "relay:1"));
}

#[test]
fn administration_and_health_have_different_ports_and_the_kubelet_probes_health() {
    let file = file(&minimal());
    let listen = |setting: &str| file[setting].as_str().unwrap().parse::<std::net::SocketAddr>().unwrap();
    assert_eq!(listen("admin_listen"), every_address(8082));
    assert_eq!(listen("health_listen"), every_address(8081));
    assert!(!file.contains_key("insecure_admin_plaintext"), "administration has TLS");
    let template = stateful_set_of(&minimal()).spec.unwrap().template;
    let container = template.spec.unwrap().containers.remove(0);
    for probe in [container.startup_probe, container.liveness_probe, container.readiness_probe] {
        assert_eq!(probe.unwrap().http_get.unwrap().port, IntOrString::Int(8081));
    }
}
