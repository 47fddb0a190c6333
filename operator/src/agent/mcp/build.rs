//! Builds the objects of an MCP endpoint. Pure: the same Agent and settings give the same objects.

use crds::agent::Mcp;
use crds::{Agent, label, name};
use daemon::listen::every_address;
use k8s_openapi::api::apps::v1::{StatefulSet, StatefulSetSpec};
use k8s_openapi::api::core::v1::{
    Container, EnvVar, PodSpec, PodTemplateSpec, Secret, Service, ServiceAccount, ServiceSpec,
};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt as _;

use crate::agent::labels::{labels, secret_labels};
use crate::agent::resolve::ResolvedAgent;
use crate::agent::urls;
use crate::certificate::CertifiedKey;
use crate::component::MCP_SERVER;
use crate::object_key::NamespacedName;
use crate::pod_user::pod_security;
use crate::settings::Settings;
use crate::{pod, pod_template, secret, tls_secret};

mod network_policy;

use network_policy::network_policy;

const RUN: &str = "/var/run/msg2agent";
const STATE: &str = "/var/lib/msg2agent";
/// Holds the inbox, the tasks, the ids of processed messages, and the root keys of known agents.
const STATE_VOLUME: &str = "state";

fn metadata(agent: &Agent) -> ObjectMeta {
    pod::owned_by(agent, name::agent_mcp(&agent.name_any()), labels(agent))
}

/// All objects of an MCP endpoint, except its Secret.
#[derive(Debug)]
pub(super) struct McpObjects {
    pub service_account: ServiceAccount,
    /// `None` when the Agent disables it.
    pub network_policy: Option<NetworkPolicy>,
    pub service: Service,
    pub stateful_set: StatefulSet,
}

impl McpObjects {
    pub(super) fn build(agent: &Agent, resolved: &ResolvedAgent, settings: &Settings) -> Self {
        Self {
            service_account: service_account(agent),
            network_policy: network_policy(agent, &resolved.relay, settings),
            service: service(agent),
            stateful_set: stateful_set(agent, resolved, settings),
        }
    }
}

/// What the author of an Agent wrote about the pod of its endpoint.
pub(super) fn authored(agent: &Agent) -> (&Mcp, String) {
    (&agent.spec.mcp, agent.credentials_secret_name())
}

/// The host names in the endpoint's certificate: those of its Service and no other. The author of
/// an Agent chooses the public host name, and a certificate for it could pass for another program.
pub(super) fn certificate_hosts(agent: &Agent, cluster_domain: &str) -> Vec<String> {
    let (service, namespace) = (name::agent_mcp(&agent.name_any()), agent.namespace().unwrap_or_default());
    let hosts = name::service_hosts(&service, &namespace, cluster_domain);
    // A name of one label means another Service in every namespace.
    hosts.into_iter().filter(|host| host.contains('.')).collect()
}

/// Every host name by which requests may reach the endpoint. A proxy in front of it keeps the
/// public one.
fn allowed_hosts(agent: &Agent, cluster_domain: &str) -> Vec<String> {
    let (service, namespace) = (name::agent_mcp(&agent.name_any()), agent.namespace().unwrap_or_default());
    let mut hosts = name::service_hosts(&service, &namespace, cluster_domain);
    hosts.extend(agent.spec.mcp.public_url.as_ref().map(|url| url.host().to_owned()));
    hosts
}

/// The Secret of the certificate. Clients of the endpoint find its authorities there too.
pub(super) fn serving_secret(
    agent: &Agent,
    secret_name: &NamespacedName,
    issued: &CertifiedKey,
    authorities: &str,
) -> Secret {
    let labels = secret_labels(agent, label::SECRET_SERVING);
    let mut secret = tls_secret::build(pod::owned_by(agent, secret_name.name.to_string(), labels), issued);
    secret.data.get_or_insert_default().extend(secret::data([("ca.crt", authorities)]));
    secret
}

fn service_account(agent: &Agent) -> ServiceAccount {
    let built = ServiceAccount {
        metadata: metadata(agent),
        automount_service_account_token: Some(false),
        ..ServiceAccount::default()
    };
    pod_template::merge_service_account(&agent.spec.mcp.template, built)
}

fn service(agent: &Agent) -> Service {
    Service {
        metadata: metadata(agent),
        spec: Some(ServiceSpec {
            ip_family_policy: Some(pod::SERVICE_FAMILIES.into()),
            selector: Some(pod::selector_labels(label::AGENT, &agent.name_any(), MCP_SERVER)),
            ports: Some(vec![pod::service_port("https", name::MCP_PORT)]),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }
}

/// A StatefulSet, because two pods must never run at a time: a DID has one session at the relay,
/// and two pods would keep replacing each other's. The volume holds the agent's mailbox. It
/// outlives the pod, and the Agent's `deletionPolicy` says whether it outlives the endpoint.
///
/// With `Parallel`, a pod that never became ready is replaced as soon as its template is put right.
fn stateful_set(agent: &Agent, resolved: &ResolvedAgent, settings: &Settings) -> StatefulSet {
    let pod_labels = pod::selector_labels(label::AGENT, &agent.name_any(), MCP_SERVER);
    let template = PodTemplateSpec {
        metadata: Some(ObjectMeta { labels: Some(pod_labels), ..ObjectMeta::default() }),
        spec: Some(pod_spec(agent, resolved, settings)),
    };
    StatefulSet {
        metadata: metadata(agent),
        spec: Some(StatefulSetSpec {
            replicas: Some(1),
            pod_management_policy: Some("Parallel".into()),
            service_name: Some(name::agent_mcp(&agent.name_any())),
            selector: pod::selector(label::AGENT, &agent.name_any(), MCP_SERVER),
            template: pod_template::merge(&agent.spec.mcp.template, template),
            volume_claim_templates: Some(vec![pod::volume_claim(STATE_VOLUME, &agent.spec.mcp.volume)]),
            persistent_volume_claim_retention_policy: Some(pod::claim_retention(agent.spec.deletion_policy)),
            ..StatefulSetSpec::default()
        }),
        ..StatefulSet::default()
    }
}

fn pod_spec(agent: &Agent, resolved: &ResolvedAgent, settings: &Settings) -> PodSpec {
    let owner = agent.name_any();
    PodSpec {
        service_account_name: Some(name::agent_mcp(&owner)),
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        security_context: Some(pod_security(settings.pod_user)),
        image_pull_secrets: pod::pull_secrets(&settings.image_pull_secrets),
        containers: vec![container(agent, resolved, settings)],
        volumes: Some(vec![
            pod::secret_volume("credentials", agent.credentials_secret_name()),
            pod::secret_volume("identity", name::agent_identity(&owner)),
            pod::secret_volume("tls", name::agent_mcp_tls(&owner)),
        ]),
        ..PodSpec::default()
    }
}

fn container(agent: &Agent, resolved: &ResolvedAgent, settings: &Settings) -> Container {
    let folders = ["credentials", "identity", "tls"];
    let mut mounts: Vec<_> =
        folders.iter().map(|name| pod::mount(name, &format!("{RUN}/{name}"), true)).collect();
    mounts.push(pod::mount(STATE_VOLUME, STATE, false));
    let container = Container {
        name: "mcp-server".into(),
        image: Some(settings.mcp_server_image.clone()),
        image_pull_policy: Some(settings.mcp_server_image_pull_policy.as_str().into()),
        env: Some(environment(agent, resolved, &settings.cluster_domain)),
        ports: Some(vec![pod::port("https", name::MCP_POD_PORT), pod::port("admin", name::MCP_ADMIN_PORT)]),
        resources: Some(pod::resources("20m", "32Mi", "256Mi")),
        security_context: Some(pod::container_security()),
        volume_mounts: Some(mounts),
        ..Container::default()
    };
    pod::with_probes(container, name::MCP_ADMIN_PORT)
}

/// Identity and key are in the mounted Secrets, so that a rotation does not restart the pod.
fn environment(agent: &Agent, resolved: &ResolvedAgent, cluster_domain: &str) -> Vec<EnvVar> {
    let listen = every_address(name::MCP_POD_PORT).to_string();
    let admin_listen = every_address(name::MCP_ADMIN_PORT).to_string();
    // The address inside the cluster, even if the issuer has a public one.
    let jwks = format!(
        "{}/oauth/jwks",
        name::relay_issuer(&resolved.relay.name, &resolved.relay.namespace, cluster_domain)
    );
    let in_run = |path: &str| format!("{RUN}/{path}");
    let mut environment = pod::env(&[
        ("MSG2AGENT_MCP_TRANSPORT", "http"),
        ("MSG2AGENT_DIR", RUN),
        ("MSG2AGENT_MCP_LISTEN", &listen),
        ("MSG2AGENT_MCP_ADMIN_LISTEN", &admin_listen),
        ("MSG2AGENT_MCP_TLS_CERT", &in_run("tls/tls.crt")),
        ("MSG2AGENT_MCP_TLS_KEY", &in_run("tls/tls.key")),
        ("MSG2AGENT_MCP_ALLOWED_HOSTS", &allowed_hosts(agent, cluster_domain).join(",")),
        ("MSG2AGENT_MCP_PUBLIC_URL", &urls::mcp_url(agent, cluster_domain)),
        ("MSG2AGENT_MCP_OAUTH_ISSUER", &resolved.issuer(cluster_domain)),
        ("MSG2AGENT_MCP_OAUTH_JWKS_URL", &jwks),
        ("MSG2AGENT_MCP_STATE_DIR", STATE),
        ("MSG2AGENT_MCP_LOG_FORMAT", "json"),
    ]);
    if let Some(url) = &resolved.gateway_url {
        environment.extend(pod::env(&[("MSG2AGENT_MCP_GATEWAY_URL", url)]));
    }
    environment
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::agent::fixtures::{agent, resolved};

    fn alice() -> Agent {
        agent(serde_json::json!({"tenantRef": {"name": "acme"}, "mcp": {"enabled": true}}))
    }

    #[test]
    fn the_pod_meets_the_restricted_standard_and_mounts_its_secrets() {
        let settings = Settings::parse_from(["operator"]);
        let pod = stateful_set(&alice(), &resolved(), &settings).spec.unwrap().template.spec.unwrap();
        assert_eq!(pod.automount_service_account_token, Some(false));
        assert_eq!(pod.security_context.unwrap().run_as_non_root, Some(true));
        assert_eq!(pod.containers[0].security_context.clone().unwrap().read_only_root_filesystem, Some(true));
        let secrets: Vec<_> =
            pod.volumes.unwrap().into_iter().filter_map(|volume| volume.secret?.secret_name).collect();
        assert_eq!(secrets, ["alice-relay", "alice-identity", "alice-mcp-tls"]);
    }

    #[test]
    fn the_mailbox_outlives_the_pod_and_the_deletion_policy_decides_about_the_endpoint() {
        let settings = Settings::parse_from(["operator"]);
        let set = stateful_set(&alice(), &resolved(), &settings).spec.unwrap();
        let claim = &set.volume_claim_templates.as_ref().unwrap()[0];
        let mounts = set.template.spec.unwrap().containers[0].volume_mounts.clone().unwrap();
        let mounted = mounts.iter().find(|mount| Some(&mount.name) == claim.metadata.name.as_ref()).unwrap();
        assert_eq!(mounted.mount_path, STATE);
        let when_deleted = |agent: &Agent| {
            let spec = stateful_set(agent, &resolved(), &settings).spec.unwrap();
            spec.persistent_volume_claim_retention_policy.unwrap().when_deleted.unwrap()
        };
        assert_eq!(when_deleted(&alice()), "Retain");
        let mut purged = alice();
        purged.spec.deletion_policy = crds::DeletionPolicy::Purge;
        assert_eq!(when_deleted(&purged), "Delete");
    }

    #[test]
    fn a_broken_pod_is_replaced_when_its_template_is_put_right() {
        let set = stateful_set(&alice(), &resolved(), &Settings::parse_from(["operator"])).spec.unwrap();
        assert_eq!(set.pod_management_policy.as_deref(), Some("Parallel"));
    }

    #[test]
    fn the_certificate_names_the_endpoints_own_service_and_nothing_that_its_author_chose() {
        let agent = agent(serde_json::json!({"tenantRef": {"name": "acme"},
            "mcp": {"enabled": true, "publicURL": "https://main.platform.svc.cluster.local/mcp"}}));
        let hosts = certificate_hosts(&agent, "cluster.local");
        let own = ["alice-mcp.team", "alice-mcp.team.svc", "alice-mcp.team.svc.cluster.local"];
        assert_eq!(hosts, own);
    }

    #[test]
    fn the_authors_template_is_in_the_pod_and_its_service_account() {
        let agent =
            agent(serde_json::json!({"tenantRef": {"name": "acme"}, "mcp": {"enabled": true, "template": {
                "metadata": {"labels": {"team": "a"}},
                "container": {"env": [{"name": "NO_PROXY", "value": ".svc"}]},
                "serviceAccount": {"annotations": {"role": "x"}},
            }}}));
        let set = stateful_set(&agent, &resolved(), &Settings::parse_from(["operator"])).spec.unwrap();
        assert_eq!(set.template.metadata.unwrap().labels.unwrap()["team"], "a");
        let env = set.template.spec.unwrap().containers[0].env.clone().unwrap();
        assert!(env.iter().any(|variable| variable.name == "NO_PROXY"));
        assert_eq!(service_account(&agent).metadata.annotations.unwrap()["role"], "x");
    }

    #[test]
    fn the_endpoint_listens_and_is_reached_over_both_families() {
        let environment = environment(&alice(), &resolved(), "cluster.local");
        let listens = environment.iter().filter(|variable| variable.name.ends_with("_LISTEN"));
        let listens: Vec<_> = listens.map(|variable| variable.value.as_deref().unwrap()).collect();
        assert_eq!(listens, ["[::]:8443", "[::]:8081"]);
        let families = service(&alice()).spec.unwrap().ip_family_policy;
        assert_eq!(families.as_deref(), Some("PreferDualStack"));
    }

    #[test]
    fn the_endpoint_knows_its_public_url_and_fetches_keys_of_its_issuer_inside_the_cluster() {
        let agent = agent(serde_json::json!({"tenantRef": {"name": "acme"},
            "mcp": {"enabled": true, "publicURL": "https://alice.mcp.example.com/mcp"}}));
        let resolved = ResolvedAgent { issuer: Some("https://relay.example.com".into()), ..resolved() };
        let environment = environment(&agent, &resolved, "cluster.local");
        let value =
            |name: &str| environment.iter().find(|var| var.name == name).unwrap().value.clone().unwrap();
        assert_eq!(value("MSG2AGENT_MCP_PUBLIC_URL"), "https://alice.mcp.example.com/mcp");
        assert_eq!(value("MSG2AGENT_MCP_OAUTH_ISSUER"), "https://relay.example.com");
        let jwks = "https://main.platform.svc.cluster.local:8443/oauth/jwks";
        assert_eq!(value("MSG2AGENT_MCP_OAUTH_JWKS_URL"), jwks);
        assert!(value("MSG2AGENT_MCP_ALLOWED_HOSTS").ends_with(",alice.mcp.example.com"));
    }

    #[test]
    fn the_endpoint_accepts_tokens_for_the_relays_gateway_while_there_is_one() {
        let variable = |resolved: &ResolvedAgent| {
            let environment = environment(&alice(), resolved, "cluster.local");
            environment
                .into_iter()
                .find(|var| var.name == "MSG2AGENT_MCP_GATEWAY_URL")
                .and_then(|var| var.value)
        };
        let url = "https://mcp.example.com/mcp";
        assert_eq!(
            variable(&ResolvedAgent { gateway_url: Some(url.into()), ..resolved() }).as_deref(),
            Some(url)
        );
        assert_eq!(variable(&resolved()), None);
    }
}
