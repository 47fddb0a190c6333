//! The objects of a Relay's MCP gateway. Pure: the same Relay and settings give the same objects.

use crds::{Relay, label, name};
use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment};
use k8s_openapi::api::core::v1::{
    Container, EnvVar, PodSpec, PodTemplateSpec, Service, ServiceAccount, ServiceSpec,
    TopologySpreadConstraint,
};
use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::ResourceExt as _;
use protocol::introspection;

use crate::network_policy::url_host;
use crate::pod;
use crate::relay::build;
use crate::settings::Settings;

mod autoscaler;
mod policy;

pub use autoscaler::autoscaler;
pub use policy::network_policy;

/// `app.kubernetes.io/component` of a gateway.
pub const COMPONENT: &str = "mcp-gateway";
const TLS_PATH: &str = "/var/run/msg2agent/tls";
const TOKEN_PATH: &str = "/var/run/msg2agent/token";
/// Seconds until a pod that was told to end is killed. It takes connections for 5 s more, so that every node has learned of it; then calls
/// under way and its own tasks have 20 s each.
const TERMINATION_SECONDS: i64 = 50;

fn metadata(relay: &Relay) -> ObjectMeta {
    let labels = pod::labels(label::RELAY, &relay.name_any(), COMPONENT);
    pod::owned_by(relay, name::relay_gateway(&relay.name_any()), labels)
}

fn namespace(relay: &Relay) -> String {
    relay.namespace().unwrap_or_default()
}

/// Where clients reach the gateway: the audience of its access tokens. `None` where the Relay has none.
#[must_use]
pub fn url(relay: &Relay, cluster_domain: &str) -> Option<String> {
    let inside = || name::gateway_url(&relay.name_any(), &namespace(relay), cluster_domain);
    relay.spec.mcp.enabled.then(|| relay.spec.mcp.public_url.clone().unwrap_or_else(inside))
}

/// Every name under which the gateway is reached.
#[must_use]
pub fn hosts(relay: &Relay, cluster_domain: &str) -> Vec<String> {
    let (service, namespace) = (name::relay_gateway(&relay.name_any()), namespace(relay));
    let mut hosts = vec![
        service.clone(),
        format!("{service}.{namespace}"),
        format!("{service}.{namespace}.svc"),
        name::service_host(&service, &namespace, cluster_domain),
    ];
    hosts.extend(relay.spec.mcp.public_url.as_deref().and_then(url_host));
    hosts
}

#[must_use]
pub fn service_account(relay: &Relay) -> ServiceAccount {
    ServiceAccount {
        metadata: metadata(relay),
        automount_service_account_token: Some(false),
        ..ServiceAccount::default()
    }
}

#[must_use]
pub fn service(relay: &Relay) -> Service {
    Service {
        metadata: metadata(relay),
        spec: Some(ServiceSpec {
            selector: Some(pod::selector_labels(label::RELAY, &relay.name_any(), COMPONENT)),
            ports: Some(vec![pod::service_port("https", name::MCP_PORT)]),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }
}

/// Evictions take one pod at a time.
#[must_use]
pub fn disruption_budget(relay: &Relay) -> PodDisruptionBudget {
    PodDisruptionBudget {
        metadata: metadata(relay),
        spec: Some(PodDisruptionBudgetSpec {
            max_unavailable: Some(IntOrString::Int(1)),
            selector: Some(pod::selector(label::RELAY, &relay.name_any(), COMPONENT)),
            ..PodDisruptionBudgetSpec::default()
        }),
        ..PodDisruptionBudget::default()
    }
}

/// `replicas` is `None` where an autoscaler decides: the field is then not ours. An update ends no pod before its successor serves.
#[must_use]
pub fn deployment(relay: &Relay, settings: &Settings, replicas: Option<i32>) -> Deployment {
    let one_more = RollingUpdateDeployment {
        max_unavailable: Some(IntOrString::Int(0)),
        max_surge: Some(IntOrString::Int(1)),
    };
    let labels = pod::selector_labels(label::RELAY, &relay.name_any(), COMPONENT);
    Deployment {
        metadata: metadata(relay),
        spec: Some(DeploymentSpec {
            replicas,
            selector: pod::selector(label::RELAY, &relay.name_any(), COMPONENT),
            strategy: Some(DeploymentStrategy {
                type_: Some("RollingUpdate".into()),
                rolling_update: Some(one_more),
            }),
            template: PodTemplateSpec {
                metadata: Some(ObjectMeta { labels: Some(labels), ..ObjectMeta::default() }),
                spec: Some(pod_spec(relay, settings)),
            },
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
        security_context: Some(pod::pod_security()),
        termination_grace_period_seconds: Some(TERMINATION_SECONDS),
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

/// Pods of one template go to different nodes, as far as there are any.
fn spread(relay: &Relay) -> TopologySpreadConstraint {
    TopologySpreadConstraint {
        max_skew: 1,
        topology_key: "kubernetes.io/hostname".into(),
        when_unsatisfiable: "ScheduleAnyway".into(),
        label_selector: Some(pod::selector(label::RELAY, &relay.name_any(), COMPONENT)),
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
        resources: Some(
            relay.spec.mcp.resources.clone().unwrap_or_else(|| pod::resources("50m", "32Mi", "256Mi")),
        ),
        security_context: Some(pod::container_security()),
        volume_mounts: Some(vec![pod::mount("tls", TLS_PATH, true), pod::mount("token", TOKEN_PATH, true)]),
        ..Container::default()
    };
    pod::with_probes(container, name::MCP_ADMIN_PORT)
}

/// Certificate, token and authorities are files that are replaced while the pod runs, so their renewal does not roll it.
fn environment(relay: &Relay, cluster_domain: &str) -> Vec<EnvVar> {
    let listen = format!("0.0.0.0:{}", name::MCP_POD_PORT);
    let admin_listen = format!("0.0.0.0:{}", name::MCP_ADMIN_PORT);
    // Inside the cluster, whatever the issuer is called outside.
    let relay_inside = name::relay_issuer(&relay.name_any(), &namespace(relay), cluster_domain);
    let introspection = format!("{relay_inside}{}", introspection::PATH);
    let in_tls = |file: &str| format!("{TLS_PATH}/{file}");
    let mut environment = pod::env(&[
        ("MSG2AGENT_GATEWAY_LISTEN", &listen),
        ("MSG2AGENT_GATEWAY_ADMIN_LISTEN", &admin_listen),
        ("MSG2AGENT_GATEWAY_TLS_CERT", &in_tls("tls.crt")),
        ("MSG2AGENT_GATEWAY_TLS_KEY", &in_tls("tls.key")),
        ("MSG2AGENT_GATEWAY_PUBLIC_URL", &url(relay, cluster_domain).unwrap_or_default()),
        ("MSG2AGENT_GATEWAY_ALLOWED_HOSTS", &hosts(relay, cluster_domain).join(",")),
        ("MSG2AGENT_GATEWAY_ISSUER", &build::issuer(relay, cluster_domain)),
        ("MSG2AGENT_GATEWAY_INTROSPECTION_URL", &introspection),
        ("MSG2AGENT_GATEWAY_TOKEN_FILE", &format!("{TOKEN_PATH}/token")),
        ("MSG2AGENT_GATEWAY_CA_FILE", &in_tls("ca.crt")),
        ("MSG2AGENT_GATEWAY_LOG_FORMAT", "json"),
    ]);
    if let Some(endpoint) = &relay.spec.otlp_endpoint {
        environment.extend(pod::env(&[("MSG2AGENT_GATEWAY_OTLP_ENDPOINT", endpoint)]));
    }
    environment
}

#[cfg(test)]
mod tests;
