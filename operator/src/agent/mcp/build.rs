//! The objects of an MCP endpoint. Pure: the same Agent and settings give the same objects.

use crds::{Agent, label, name};
use k8s_openapi::api::apps::v1::{
    StatefulSet, StatefulSetPersistentVolumeClaimRetentionPolicy, StatefulSetSpec,
};
use k8s_openapi::api::core::v1::{
    Container, EnvVar, PersistentVolumeClaim, PersistentVolumeClaimSpec, PodSpec, PodTemplateSpec, Secret,
    Service, ServiceAccount, ServiceSpec, VolumeResourceRequirements,
};
use k8s_openapi::api::networking::v1::{
    NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt as _;

use crate::agent::labels::{self, COMPONENT};
use crate::agent::plan::{self, Place};
use crate::certificate::Pair;
use crate::key::Name;
use crate::network_policy::{dns, matches, port, url_host};
use crate::settings::Settings;
use crate::{pod, secret};

const RUN: &str = "/var/run/msg2agent";
const STATE: &str = "/var/lib/msg2agent";
/// Inbox, tasks, ids of processed messages and root keys of known agents.
const STATE_VOLUME: &str = "state";

fn metadata(agent: &Agent) -> ObjectMeta {
    pod::owned_by(agent, name::agent_mcp(&agent.name_any()), labels::of(agent))
}

/// Every name under which the endpoint is reached.
pub(crate) fn hosts(agent: &Agent, cluster_domain: &str) -> Vec<String> {
    let (service, namespace) = (name::agent_mcp(&agent.name_any()), agent.namespace().unwrap_or_default());
    let mut hosts = vec![
        service.clone(),
        format!("{service}.{namespace}"),
        format!("{service}.{namespace}.svc"),
        name::service_host(&service, &namespace, cluster_domain),
    ];
    hosts.extend(agent.spec.mcp.public_url.as_deref().and_then(url_host));
    hosts
}

pub(crate) fn tls_secret(agent: &Agent, secret_name: &Name, pair: &Pair) -> Secret {
    let labels = labels::of_kind(agent, label::SECRET_SERVING);
    Secret {
        metadata: pod::owned_by(agent, secret_name.name.to_string(), labels),
        type_: Some("kubernetes.io/tls".into()),
        data: Some(secret::data([("tls.crt", pair.certificate.as_str()), ("tls.key", pair.key.as_str())])),
        ..Secret::default()
    }
}

pub(crate) fn service_account(agent: &Agent) -> ServiceAccount {
    ServiceAccount {
        metadata: metadata(agent),
        automount_service_account_token: Some(false),
        ..ServiceAccount::default()
    }
}

pub(crate) fn service(agent: &Agent) -> Service {
    Service {
        metadata: metadata(agent),
        spec: Some(ServiceSpec {
            selector: Some(pod::selector_labels(label::AGENT, &agent.name_any(), COMPONENT)),
            ports: Some(vec![pod::service_port("https", name::MCP_PORT)]),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }
}

/// In comes HTTPS from everybody, because the key decides who may speak; out go names and the agent's relay.
pub(crate) fn network_policy(agent: &Agent, relay: &Name) -> NetworkPolicy {
    let relay_pods = NetworkPolicyPeer {
        namespace_selector: Some(matches(&[("kubernetes.io/metadata.name", &relay.namespace)])),
        pod_selector: Some(matches(&[(label::RELAY, &relay.name), (label::COMPONENT, "relay")])),
        ip_block: None,
    };
    NetworkPolicy {
        metadata: metadata(agent),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(pod::selector(label::AGENT, &agent.name_any(), COMPONENT)),
            policy_types: Some(vec!["Ingress".into(), "Egress".into()]),
            ingress: Some(vec![NetworkPolicyIngressRule {
                from: None,
                ports: Some(vec![port("TCP", name::MCP_POD_PORT)]),
            }]),
            egress: Some(vec![
                dns(),
                NetworkPolicyEgressRule {
                    to: Some(vec![relay_pods]),
                    ports: Some(vec![port("TCP", name::RELAY_PORT)]),
                },
            ]),
        }),
    }
}

/// One pod, never two at a time: one identity has one session at the relay, and two would replace each other for ever. Its
/// volume is the agent's mailbox, so it outlives the pod, and goes with the endpoint.
pub(crate) fn stateful_set(agent: &Agent, place: &Place, settings: &Settings) -> StatefulSet {
    let pod_labels = pod::selector_labels(label::AGENT, &agent.name_any(), COMPONENT);
    StatefulSet {
        metadata: metadata(agent),
        spec: Some(StatefulSetSpec {
            replicas: Some(1),
            service_name: Some(name::agent_mcp(&agent.name_any())),
            selector: pod::selector(label::AGENT, &agent.name_any(), COMPONENT),
            template: PodTemplateSpec {
                metadata: Some(ObjectMeta { labels: Some(pod_labels), ..ObjectMeta::default() }),
                spec: Some(pod_spec(agent, place, settings)),
            },
            volume_claim_templates: Some(vec![volume_claim(agent)]),
            persistent_volume_claim_retention_policy: Some(StatefulSetPersistentVolumeClaimRetentionPolicy {
                when_deleted: Some("Delete".into()),
                when_scaled: Some("Retain".into()),
            }),
            ..StatefulSetSpec::default()
        }),
        ..StatefulSet::default()
    }
}

fn volume_claim(agent: &Agent) -> PersistentVolumeClaim {
    let volume = &agent.spec.mcp.volume;
    let storage = [("storage".to_owned(), Quantity(volume.size.clone()))].into();
    PersistentVolumeClaim {
        metadata: ObjectMeta { name: Some(STATE_VOLUME.into()), ..ObjectMeta::default() },
        spec: Some(PersistentVolumeClaimSpec {
            access_modes: Some(vec!["ReadWriteOnce".into()]),
            resources: Some(VolumeResourceRequirements { requests: Some(storage), limits: None }),
            storage_class_name: volume.storage_class_name.clone(),
            ..PersistentVolumeClaimSpec::default()
        }),
        ..PersistentVolumeClaim::default()
    }
}

fn pod_spec(agent: &Agent, place: &Place, settings: &Settings) -> PodSpec {
    let owner = agent.name_any();
    PodSpec {
        service_account_name: Some(name::agent_mcp(&owner)),
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        security_context: Some(pod::pod_security()),
        image_pull_secrets: pod::pull_secrets(&settings.image_pull_secrets),
        containers: vec![container(agent, place, settings)],
        volumes: Some(vec![
            pod::secret_volume("credentials", super::super::credentials_name(agent)),
            pod::secret_volume("identity", name::agent_identity(&owner)),
            pod::secret_volume("tls", name::agent_mcp_tls(&owner)),
        ]),
        ..PodSpec::default()
    }
}

fn container(agent: &Agent, place: &Place, settings: &Settings) -> Container {
    let folders = ["credentials", "identity", "tls"];
    let mut mounts: Vec<_> =
        folders.iter().map(|name| pod::mount(name, &format!("{RUN}/{name}"), true)).collect();
    mounts.push(pod::mount(STATE_VOLUME, STATE, false));
    let container = Container {
        name: "mcp-server".into(),
        image: Some(settings.mcp_server_image.clone()),
        image_pull_policy: Some(settings.mcp_server_image_pull_policy.as_str().into()),
        env: Some(environment(agent, place, &settings.cluster_domain)),
        ports: Some(vec![pod::port("https", name::MCP_POD_PORT), pod::port("admin", name::MCP_ADMIN_PORT)]),
        resources: Some(
            agent.spec.mcp.resources.clone().unwrap_or_else(|| pod::resources("20m", "32Mi", "256Mi")),
        ),
        security_context: Some(pod::container_security()),
        volume_mounts: Some(mounts),
        ..Container::default()
    };
    pod::with_probes(container, name::MCP_ADMIN_PORT)
}

/// Which key speaks and for whom is in the mounted Secrets, so a rotation does not roll the pod.
fn environment(agent: &Agent, place: &Place, cluster_domain: &str) -> Vec<EnvVar> {
    let listen = format!("0.0.0.0:{}", name::MCP_POD_PORT);
    let admin_listen = format!("0.0.0.0:{}", name::MCP_ADMIN_PORT);
    // Inside the cluster, whatever the issuer is called outside.
    let jwks = format!(
        "{}/oauth/jwks",
        name::relay_issuer(&place.relay.name, &place.relay.namespace, cluster_domain)
    );
    let in_run = |path: &str| format!("{RUN}/{path}");
    let mut environment = pod::env(&[
        ("MSG2AGENT_MCP_TRANSPORT", "http"),
        ("MSG2AGENT_DIR", RUN),
        ("MSG2AGENT_MCP_LISTEN", &listen),
        ("MSG2AGENT_MCP_ADMIN_LISTEN", &admin_listen),
        ("MSG2AGENT_MCP_TLS_CERT", &in_run("tls/tls.crt")),
        ("MSG2AGENT_MCP_TLS_KEY", &in_run("tls/tls.key")),
        ("MSG2AGENT_MCP_ALLOWED_HOSTS", &hosts(agent, cluster_domain).join(",")),
        ("MSG2AGENT_MCP_PUBLIC_URL", &plan::mcp_url(agent, cluster_domain)),
        ("MSG2AGENT_MCP_OAUTH_ISSUER", &place.issuer(cluster_domain)),
        ("MSG2AGENT_MCP_OAUTH_JWKS_URL", &jwks),
        ("MSG2AGENT_MCP_STATE_DIR", STATE),
        ("MSG2AGENT_MCP_LOG_FORMAT", "json"),
    ]);
    if let Some(url) = &place.gateway_url {
        environment.extend(pod::env(&[("MSG2AGENT_MCP_GATEWAY_URL", url)]));
    }
    environment
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::super::super::plan::tests::{agent, place};
    use super::*;

    fn alice() -> Agent {
        agent(serde_json::json!({"tenantRef": {"name": "acme"}, "mcp": {"enabled": true}}))
    }

    #[test]
    fn the_pod_meets_the_restricted_standard_and_mounts_its_secrets() {
        let settings = Settings::parse_from(["operator"]);
        let pod = stateful_set(&alice(), &place(), &settings).spec.unwrap().template.spec.unwrap();
        assert_eq!(pod.automount_service_account_token, Some(false));
        assert_eq!(pod.security_context.unwrap().run_as_non_root, Some(true));
        assert_eq!(pod.containers[0].security_context.clone().unwrap().read_only_root_filesystem, Some(true));
        let secrets: Vec<_> =
            pod.volumes.unwrap().into_iter().filter_map(|volume| volume.secret?.secret_name).collect();
        assert_eq!(secrets, ["alice-relay", "alice-identity", "alice-mcp-tls"]);
    }

    #[test]
    fn the_mailbox_outlives_the_pod_and_goes_with_the_endpoint() {
        let set = stateful_set(&alice(), &place(), &Settings::parse_from(["operator"])).spec.unwrap();
        let claim = &set.volume_claim_templates.as_ref().unwrap()[0];
        let mounts = set.template.spec.unwrap().containers[0].volume_mounts.clone().unwrap();
        let mounted = mounts.iter().find(|mount| Some(&mount.name) == claim.metadata.name.as_ref()).unwrap();
        assert_eq!(mounted.mount_path, STATE);
        let kept = set.persistent_volume_claim_retention_policy.unwrap();
        assert_eq!(kept.when_deleted.as_deref(), Some("Delete"));
    }

    #[test]
    fn the_endpoint_knows_its_public_name_and_its_issuer_and_asks_the_issuer_inside() {
        let agent = agent(serde_json::json!({"tenantRef": {"name": "acme"},
            "mcp": {"enabled": true, "publicURL": "https://alice.mcp.example.com/mcp"}}));
        let place = Place { issuer: Some("https://relay.example.com".into()), ..place() };
        let environment = environment(&agent, &place, "cluster.local");
        let value =
            |name: &str| environment.iter().find(|var| var.name == name).unwrap().value.clone().unwrap();
        assert_eq!(value("MSG2AGENT_MCP_PUBLIC_URL"), "https://alice.mcp.example.com/mcp");
        assert_eq!(value("MSG2AGENT_MCP_OAUTH_ISSUER"), "https://relay.example.com");
        let jwks = "https://main.platform.svc.cluster.local:8443/oauth/jwks";
        assert_eq!(value("MSG2AGENT_MCP_OAUTH_JWKS_URL"), jwks);
        assert!(value("MSG2AGENT_MCP_ALLOWED_HOSTS").ends_with(",alice.mcp.example.com"));
    }

    #[test]
    fn tokens_for_the_relays_gateway_are_good_at_the_endpoint_while_there_is_one() {
        let variable = |place: &Place| {
            let environment = environment(&alice(), place, "cluster.local");
            environment
                .into_iter()
                .find(|var| var.name == "MSG2AGENT_MCP_GATEWAY_URL")
                .and_then(|var| var.value)
        };
        let url = "https://mcp.example.com/mcp";
        assert_eq!(variable(&Place { gateway_url: Some(url.into()), ..place() }).as_deref(), Some(url));
        assert_eq!(variable(&place()), None);
    }

    #[test]
    fn the_endpoint_reaches_its_relay_and_nothing_else() {
        let policy = network_policy(&alice(), &Name::new("platform", "main")).spec.unwrap();
        let peers: Vec<_> = policy.egress.unwrap().into_iter().filter_map(|rule| rule.to).flatten().collect();
        assert_eq!(peers.len(), 1);
        assert_eq!(
            peers[0].pod_selector,
            Some(matches(&[(label::RELAY, "main"), (label::COMPONENT, "relay")]))
        );
    }
}
