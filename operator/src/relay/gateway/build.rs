//! Builds the objects of a Relay's MCP gateway. Pure: the same Relay and settings give the same
//! objects.

use crds::{Relay, label, name};
use daemon::listen::every_address;
use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment};
use k8s_openapi::api::core::v1::{
    Container, EnvVar, PodSpec, PodTemplateSpec, Service, ServiceAccount, ServiceSpec,
    TopologySpreadConstraint,
};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::ResourceExt as _;
use protocol::introspection;

use crate::component::MCP_GATEWAY;
use crate::pod_user::pod_security;
use crate::relay::urls;
use crate::settings::Settings;
use crate::{pod, pod_template};

mod autoscaler;
mod metadata;
mod network_policy;

pub use autoscaler::autoscaler;
pub(super) use metadata::labels;
use metadata::metadata;
pub use network_policy::network_policy;

/// Member of the gateway's TLS Secret: the authorities of the relay.
pub const RELAY_AUTHORITIES: &str = "ca.crt";
/// Member of the gateway's TLS Secret: the authorities of the MCP endpoints.
pub const ENDPOINT_AUTHORITIES: &str = "endpoint-ca.crt";
const TLS_PATH: &str = "/var/run/msg2agent/tls";
const TOKEN_PATH: &str = "/var/run/msg2agent/token";
/// Seconds between SIGTERM and SIGKILL. The gateway accepts connections for 5 s more, until every
/// node has updated its endpoints. Then open calls and its own tasks have 20 s each.
const TERMINATION_GRACE_SECONDS: i64 = 50;

fn namespace(relay: &Relay) -> String {
    relay.namespace().unwrap_or_default()
}

/// The objects that do not depend on the number of pods. The Deployment and the autoscaler do.
#[derive(Debug)]
pub struct GatewayObjects {
    pub service_account: ServiceAccount,
    pub service: Service,
    pub disruption_budget: PodDisruptionBudget,
    /// `None` when the Relay disables NetworkPolicies.
    pub network_policy: Option<NetworkPolicy>,
}

impl GatewayObjects {
    #[must_use]
    pub fn build(relay: &Relay, settings: &Settings) -> Self {
        Self {
            service_account: service_account(relay),
            service: service(relay),
            disruption_budget: disruption_budget(relay),
            network_policy: network_policy(relay, settings),
        }
    }
}

/// Every host name of the gateway.
#[must_use]
pub fn hosts(relay: &Relay, cluster_domain: &str) -> Vec<String> {
    let service = name::relay_gateway(&relay.name_any());
    let mut hosts = name::service_hosts(&service, &namespace(relay), cluster_domain);
    hosts.extend(relay.spec.gateway.public_url.as_ref().map(|url| url.host().to_owned()));
    hosts
}

fn service_account(relay: &Relay) -> ServiceAccount {
    let built = ServiceAccount {
        metadata: metadata(relay),
        automount_service_account_token: Some(false),
        ..ServiceAccount::default()
    };
    pod_template::merge_service_account(&relay.spec.gateway.template, built)
}

fn service(relay: &Relay) -> Service {
    Service {
        metadata: metadata(relay),
        spec: Some(ServiceSpec {
            ip_family_policy: Some(pod::SERVICE_FAMILIES.into()),
            selector: Some(pod::selector_labels(label::RELAY, &relay.name_any(), MCP_GATEWAY)),
            ports: Some(vec![pod::service_port("https", name::MCP_PORT)]),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }
}

/// Allows the eviction of one pod at a time.
fn disruption_budget(relay: &Relay) -> PodDisruptionBudget {
    PodDisruptionBudget {
        metadata: metadata(relay),
        spec: Some(PodDisruptionBudgetSpec {
            max_unavailable: Some(IntOrString::Int(1)),
            selector: Some(pod::selector(label::RELAY, &relay.name_any(), MCP_GATEWAY)),
            ..PodDisruptionBudgetSpec::default()
        }),
        ..PodDisruptionBudget::default()
    }
}

/// `replicas` is `None` when an autoscaler owns the number of pods. An update stops no pod before
/// its successor is ready.
#[must_use]
pub fn deployment(relay: &Relay, settings: &Settings, replicas: Option<i32>) -> Deployment {
    let rolling_update = RollingUpdateDeployment {
        max_unavailable: Some(IntOrString::Int(0)),
        max_surge: Some(IntOrString::Int(1)),
    };
    let labels = pod::selector_labels(label::RELAY, &relay.name_any(), MCP_GATEWAY);
    let template = PodTemplateSpec {
        metadata: Some(ObjectMeta { labels: Some(labels), ..ObjectMeta::default() }),
        spec: Some(pod_spec(relay, settings)),
    };
    Deployment {
        metadata: metadata(relay),
        spec: Some(DeploymentSpec {
            replicas,
            selector: pod::selector(label::RELAY, &relay.name_any(), MCP_GATEWAY),
            strategy: Some(DeploymentStrategy {
                type_: Some("RollingUpdate".into()),
                rolling_update: Some(rolling_update),
            }),
            template: pod_template::merge(&relay.spec.gateway.template, template),
            ..DeploymentSpec::default()
        }),
        ..Deployment::default()
    }
}

fn pod_spec(relay: &Relay, settings: &Settings) -> PodSpec {
    let owner = relay.name_any();
    PodSpec {
        service_account_name: Some(name::relay_gateway(&owner)),
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        security_context: Some(pod_security(settings.pod_user)),
        termination_grace_period_seconds: Some(TERMINATION_GRACE_SECONDS),
        topology_spread_constraints: Some(vec![spread(relay)]),
        image_pull_secrets: pod::pull_secrets(&settings.image_pull_secrets),
        containers: vec![container(relay, settings)],
        volumes: Some(vec![
            pod::secret_volume("tls", name::relay_gateway_tls(&owner)),
            pod::secret_volume("token", name::relay_gateway_token(&owner)),
        ]),
        ..PodSpec::default()
    }
}

/// Prefers different nodes for pods of one template.
fn spread(relay: &Relay) -> TopologySpreadConstraint {
    TopologySpreadConstraint {
        max_skew: 1,
        topology_key: "kubernetes.io/hostname".into(),
        when_unsatisfiable: "ScheduleAnyway".into(),
        label_selector: Some(pod::selector(label::RELAY, &relay.name_any(), MCP_GATEWAY)),
        match_label_keys: Some(vec!["pod-template-hash".into()]),
        ..TopologySpreadConstraint::default()
    }
}

fn container(relay: &Relay, settings: &Settings) -> Container {
    let container = Container {
        name: "gateway".into(),
        image: Some(settings.mcp_server_image.clone()),
        image_pull_policy: Some(settings.mcp_server_image_pull_policy.as_str().into()),
        args: Some(vec!["gateway".into()]),
        env: Some(environment(relay, &settings.cluster_domain)),
        ports: Some(vec![pod::port("https", name::MCP_POD_PORT), pod::port("admin", name::MCP_ADMIN_PORT)]),
        resources: Some(pod::resources("50m", "32Mi", "256Mi")),
        security_context: Some(pod::container_security()),
        volume_mounts: Some(vec![pod::mount("tls", TLS_PATH, true), pod::mount("token", TOKEN_PATH, true)]),
        ..Container::default()
    };
    pod::with_probes(container, name::MCP_ADMIN_PORT)
}

/// Certificate, token and authorities are mounted files that the gateway reads again, so that their
/// renewal does not restart the pod.
fn environment(relay: &Relay, cluster_domain: &str) -> Vec<EnvVar> {
    let listen = every_address(name::MCP_POD_PORT).to_string();
    let admin_listen = every_address(name::MCP_ADMIN_PORT).to_string();
    // The address inside the cluster, even if the issuer has a public one.
    let relay_url = name::relay_issuer(&relay.name_any(), &namespace(relay), cluster_domain);
    let introspection = format!("{relay_url}{}", introspection::PATH);
    let in_tls = |file: &str| format!("{TLS_PATH}/{file}");
    let mut environment = pod::env(&[
        ("MSG2AGENT_GATEWAY_LISTEN", &listen),
        ("MSG2AGENT_GATEWAY_ADMIN_LISTEN", &admin_listen),
        ("MSG2AGENT_GATEWAY_TLS_CERT", &in_tls("tls.crt")),
        ("MSG2AGENT_GATEWAY_TLS_KEY", &in_tls("tls.key")),
        ("MSG2AGENT_GATEWAY_PUBLIC_URL", &urls::gateway_url(relay, cluster_domain).unwrap_or_default()),
        ("MSG2AGENT_GATEWAY_ALLOWED_HOSTS", &hosts(relay, cluster_domain).join(",")),
        ("MSG2AGENT_GATEWAY_ISSUER", &urls::issuer(relay, cluster_domain)),
        ("MSG2AGENT_GATEWAY_INTROSPECTION_URL", &introspection),
        ("MSG2AGENT_GATEWAY_TOKEN_FILE", &format!("{TOKEN_PATH}/token")),
        ("MSG2AGENT_GATEWAY_CA_FILE", &in_tls(RELAY_AUTHORITIES)),
        ("MSG2AGENT_GATEWAY_ENDPOINT_CA_FILE", &in_tls(ENDPOINT_AUTHORITIES)),
        ("MSG2AGENT_GATEWAY_LOG_FORMAT", "json"),
    ]);
    if let Some(endpoint) = &relay.spec.otlp_endpoint {
        environment.extend(pod::env(&[("MSG2AGENT_GATEWAY_OTLP_ENDPOINT", endpoint)]));
    }
    environment
}

#[cfg(test)]
mod tests;
