//! The objects of a Relay. Pure: the same Relay and settings give the same objects.

use crds::{Relay, label, name};
use k8s_openapi::api::apps::v1::{StatefulSet, StatefulSetSpec};
use k8s_openapi::api::core::v1::{
    Container, ContainerPort, PersistentVolumeClaim, PersistentVolumeClaimSpec, PodSpec, PodTemplateSpec,
    ResourceRequirements, Service, ServiceAccount, ServicePort, ServiceSpec, VolumeResourceRequirements,
};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::ResourceExt as _;

use crate::pod;
use crate::settings::Settings;

pub(crate) mod policy;

/// `app.kubernetes.io/component` of a relay.
pub(crate) const COMPONENT: &str = "relay";
/// The embedded store has one writer.
const REPLICAS: i32 = 1;
const DATA: &str = "data";
const DATA_PATH: &str = "/var/lib/msg2agent";
const TLS_PATH: &str = "/var/run/msg2agent/tls";
const ADMIN_PATH: &str = "/var/run/msg2agent/admin";
/// What a pod needs beyond its drain to close its store.
const SHUTDOWN_SECONDS: i64 = 15;

fn metadata(relay: &Relay, name: String) -> ObjectMeta {
    pod::owned_by(relay, name, pod::labels(label::RELAY, &relay.name_any(), COMPONENT))
}

/// Every name under which the relay is reached: its domain and its Services.
pub(crate) fn hosts(relay: &Relay, cluster_domain: &str) -> Vec<String> {
    let (service, namespace) = (name::relay(&relay.name_any()), relay.namespace().unwrap_or_default());
    vec![
        relay.spec.domain.clone(),
        service.clone(),
        format!("{service}.{namespace}"),
        format!("{service}.{namespace}.svc"),
        name::service_host(&service, &namespace, cluster_domain),
    ]
}

pub(crate) fn service_account(relay: &Relay) -> ServiceAccount {
    ServiceAccount {
        metadata: metadata(relay, name::relay(&relay.name_any())),
        automount_service_account_token: Some(false),
        ..ServiceAccount::default()
    }
}

pub(crate) fn service(relay: &Relay) -> Service {
    Service {
        metadata: metadata(relay, name::relay(&relay.name_any())),
        spec: Some(ServiceSpec {
            selector: Some(pod::selector_labels(label::RELAY, &relay.name_any(), COMPONENT)),
            ports: Some(vec![service_port("wss", name::RELAY_PORT)]),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }
}

/// Gives each pod a name. Its endpoints, which carry our labels, tell the operator where the admin listeners are.
pub(crate) fn headless_service(relay: &Relay) -> Service {
    Service {
        metadata: metadata(relay, name::relay_headless(&relay.name_any())),
        spec: Some(ServiceSpec {
            cluster_ip: Some("None".into()),
            selector: Some(pod::selector_labels(label::RELAY, &relay.name_any(), COMPONENT)),
            ports: Some(vec![service_port("admin", name::RELAY_ADMIN_PORT)]),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }
}

fn service_port(port_name: &str, port: u16) -> ServicePort {
    ServicePort {
        name: Some(port_name.into()),
        port: port.into(),
        target_port: Some(IntOrString::String(port_name.into())),
        protocol: Some("TCP".into()),
        ..ServicePort::default()
    }
}

/// One replica cannot be kept available through an eviction; the budget keeps evictions one at a time and allowed.
pub(crate) fn disruption_budget(relay: &Relay) -> PodDisruptionBudget {
    PodDisruptionBudget {
        metadata: metadata(relay, name::relay(&relay.name_any())),
        spec: Some(PodDisruptionBudgetSpec {
            max_unavailable: Some(IntOrString::Int(1)),
            selector: Some(pod::selector(label::RELAY, &relay.name_any(), COMPONENT)),
            ..PodDisruptionBudgetSpec::default()
        }),
        ..PodDisruptionBudget::default()
    }
}

pub fn network_policy(relay: &Relay, settings: &Settings) -> Option<NetworkPolicy> {
    let wanted = relay.spec.network_policy.enabled;
    wanted.then(|| NetworkPolicy {
        metadata: metadata(relay, name::relay(&relay.name_any())),
        spec: Some(policy::relay(relay, settings)),
    })
}

pub fn stateful_set(relay: &Relay, settings: &Settings) -> StatefulSet {
    let labels = pod::selector_labels(label::RELAY, &relay.name_any(), COMPONENT);
    StatefulSet {
        metadata: metadata(relay, name::relay(&relay.name_any())),
        spec: Some(StatefulSetSpec {
            replicas: Some(REPLICAS),
            service_name: Some(name::relay_headless(&relay.name_any())),
            selector: pod::selector(label::RELAY, &relay.name_any(), COMPONENT),
            template: PodTemplateSpec {
                metadata: Some(ObjectMeta { labels: Some(labels), ..ObjectMeta::default() }),
                spec: Some(pod_spec(relay, settings)),
            },
            volume_claim_templates: Some(vec![volume_claim(relay)]),
            ..StatefulSetSpec::default()
        }),
        ..StatefulSet::default()
    }
}

fn pod_spec(relay: &Relay, settings: &Settings) -> PodSpec {
    let owner = relay.name_any();
    PodSpec {
        service_account_name: Some(name::relay(&owner)),
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        security_context: Some(pod::pod_security()),
        termination_grace_period_seconds: Some(i64::from(relay.spec.drain_timeout_seconds) + SHUTDOWN_SECONDS),
        image_pull_secrets: pod::pull_secrets(&settings.image_pull_secrets),
        containers: vec![container(relay, settings)],
        volumes: Some(vec![
            pod::secret_volume("tls", name::relay_tls(&owner)),
            pod::secret_volume("admin", name::relay_admin(&owner)),
        ]),
        ..PodSpec::default()
    }
}

fn container(relay: &Relay, settings: &Settings) -> Container {
    let port = |port_name: &str, port: u16| ContainerPort {
        name: Some(port_name.into()),
        container_port: port.into(),
        protocol: Some("TCP".into()),
        ..ContainerPort::default()
    };
    let container = Container {
        name: "relay".into(),
        image: Some(image(relay, settings)),
        image_pull_policy: Some(pull_policy(relay, settings).into()),
        env: Some(environment(relay)),
        ports: Some(vec![port("wss", name::RELAY_PORT), port("admin", name::RELAY_ADMIN_PORT)]),
        resources: Some(relay.spec.resources.clone().unwrap_or_else(default_resources)),
        security_context: Some(pod::container_security()),
        volume_mounts: Some(vec![
            pod::mount(DATA, DATA_PATH, false),
            pod::mount("tls", TLS_PATH, true),
            pod::mount("admin", ADMIN_PATH, true),
        ]),
        ..Container::default()
    };
    pod::with_probes(container, name::RELAY_ADMIN_PORT)
}

/// The relay's settings. A change of them rolls the pod; tenants, agents and keys never do.
fn environment(relay: &Relay) -> Vec<k8s_openapi::api::core::v1::EnvVar> {
    let listen = format!("0.0.0.0:{}", name::RELAY_PORT);
    let admin_listen = format!("0.0.0.0:{}", name::RELAY_ADMIN_PORT);
    let (certificate, key) = (format!("{TLS_PATH}/tls.crt"), format!("{TLS_PATH}/tls.key"));
    let (token, drain) = (format!("{ADMIN_PATH}/token"), relay.spec.drain_timeout_seconds.to_string());
    let mut values = vec![
        ("MSG2AGENT_RELAY_DOMAIN", relay.spec.domain.as_str()),
        ("MSG2AGENT_RELAY_LISTEN", listen.as_str()),
        ("MSG2AGENT_RELAY_TLS_CERT_FILE", certificate.as_str()),
        ("MSG2AGENT_RELAY_TLS_KEY_FILE", key.as_str()),
        ("MSG2AGENT_RELAY_ADMIN_LISTEN", admin_listen.as_str()),
        // The NetworkPolicy above admits the operator alone to it.
        ("MSG2AGENT_RELAY_INSECURE_ADMIN_PLAINTEXT", "true"),
        ("MSG2AGENT_RELAY_ADMIN_TOKEN_FILE", token.as_str()),
        ("MSG2AGENT_RELAY_DATA_DIR", DATA_PATH),
        ("MSG2AGENT_RELAY_LOG_FORMAT", "json"),
        ("MSG2AGENT_RELAY_LOG_FILTER", relay.spec.log_filter.as_deref().unwrap_or("info")),
        ("MSG2AGENT_RELAY_DRAIN_TIMEOUT_SECONDS", drain.as_str()),
    ];
    if let Some(endpoint) = &relay.spec.otlp_endpoint {
        values.push(("MSG2AGENT_RELAY_OTLP_ENDPOINT", endpoint));
    }
    pod::env(&values)
}

/// The operator's image, with what the Relay names in place of its parts.
fn image(relay: &Relay, settings: &Settings) -> String {
    let Some(wanted) = &relay.spec.image else { return settings.relay_image.clone() };
    let (repository, reference) = split_image(&settings.relay_image);
    let repository = wanted.repository.as_deref().unwrap_or(repository);
    match (&wanted.digest, &wanted.tag) {
        (Some(digest), _) => format!("{repository}@{digest}"),
        (None, Some(tag)) => format!("{repository}:{tag}"),
        (None, None) => format!("{repository}{reference}"),
    }
}

/// Repository, and tag or digest with its separator. A colon before the last slash is a port.
fn split_image(image: &str) -> (&str, &str) {
    let slash = image.rfind('/').map_or(0, |at| at + 1);
    let at = image.find('@').or_else(|| image.get(slash..).and_then(|last| last.find(':')).map(|colon| slash + colon));
    at.and_then(|at| image.split_at_checked(at)).unwrap_or((image, ""))
}

fn pull_policy(relay: &Relay, settings: &Settings) -> &'static str {
    let wanted = relay.spec.image.as_ref().and_then(|image| image.pull_policy);
    wanted.unwrap_or(settings.relay_image_pull_policy).as_str()
}

fn default_resources() -> ResourceRequirements {
    let quantities = |pairs: &[(&str, &str)]| {
        Some(pairs.iter().map(|(name, value)| ((*name).to_owned(), Quantity((*value).to_owned()))).collect())
    };
    ResourceRequirements {
        requests: quantities(&[("cpu", "50m"), ("memory", "64Mi")]),
        limits: quantities(&[("memory", "512Mi")]),
        claims: None,
    }
}

fn volume_claim(relay: &Relay) -> PersistentVolumeClaim {
    let volume = &relay.spec.store.embedded.volume;
    let storage = [("storage".to_owned(), Quantity(volume.size.clone()))].into();
    PersistentVolumeClaim {
        metadata: ObjectMeta { name: Some(DATA.into()), ..ObjectMeta::default() },
        spec: Some(PersistentVolumeClaimSpec {
            access_modes: Some(vec!["ReadWriteOnce".into()]),
            resources: Some(VolumeResourceRequirements { requests: Some(storage), limits: None }),
            storage_class_name: volume.storage_class_name.clone(),
            ..PersistentVolumeClaimSpec::default()
        }),
        ..PersistentVolumeClaim::default()
    }
}

#[cfg(test)]
pub(super) mod tests;
