//! The objects of a Relay. Pure: the same Relay and settings give the same objects.

use crds::{Relay, label, name};
use k8s_openapi::api::apps::v1::{StatefulSet, StatefulSetSpec};
use k8s_openapi::api::core::v1::{
    ConfigMap, Container, PersistentVolumeClaim, PersistentVolumeClaimSpec, PodSpec, PodTemplateSpec,
    Service, ServiceAccount, ServiceSpec, Volume, VolumeMount, VolumeResourceRequirements,
};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::ResourceExt as _;

use crate::pod;
use crate::settings::Settings;

mod file;
mod image;
mod policy;

pub use file::config_map;

/// `app.kubernetes.io/component` of a relay.
pub const COMPONENT: &str = "relay";
/// The embedded store has one writer.
const REPLICAS: i32 = 1;
const DATA: &str = "data";
const DATA_PATH: &str = "/var/lib/msg2agent";
const TLS_PATH: &str = "/var/run/msg2agent/tls";
const ADMIN_PATH: &str = "/var/run/msg2agent/admin";
const OAUTH_KEYS_PATH: &str = "/var/run/msg2agent/oauth-keys";
const PROVIDER_PATH: &str = "/var/run/msg2agent/provider";
const GATEWAY_PATH: &str = "/var/run/msg2agent/gateway";
/// What a pod needs beyond its drain to close its store.
const SHUTDOWN_SECONDS: i64 = 15;

fn metadata(relay: &Relay, name: String) -> ObjectMeta {
    pod::owned_by(relay, name, pod::labels(label::RELAY, &relay.name_any(), COMPONENT))
}

/// Every name under which the relay is reached: its domain and its Services.
pub fn hosts(relay: &Relay, cluster_domain: &str) -> Vec<String> {
    let (service, namespace) = (name::relay(&relay.name_any()), relay.namespace().unwrap_or_default());
    vec![
        relay.spec.domain.clone(),
        service.clone(),
        format!("{service}.{namespace}"),
        format!("{service}.{namespace}.svc"),
        name::service_host(&service, &namespace, cluster_domain),
    ]
}

/// The issuer of access tokens: as the spec says, or the relay's Service.
pub fn issuer(relay: &Relay, cluster_domain: &str) -> String {
    let inside =
        || name::relay_issuer(&relay.name_any(), &relay.namespace().unwrap_or_default(), cluster_domain);
    relay.spec.oauth.issuer.clone().unwrap_or_else(inside)
}

pub fn service_account(relay: &Relay) -> ServiceAccount {
    ServiceAccount {
        metadata: metadata(relay, name::relay(&relay.name_any())),
        automount_service_account_token: Some(false),
        ..ServiceAccount::default()
    }
}

pub fn service(relay: &Relay) -> Service {
    Service {
        metadata: metadata(relay, name::relay(&relay.name_any())),
        spec: Some(ServiceSpec {
            selector: Some(pod::selector_labels(label::RELAY, &relay.name_any(), COMPONENT)),
            ports: Some(vec![pod::service_port("wss", name::RELAY_PORT)]),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }
}

/// Gives each pod a name. Its endpoints, which carry our labels, tell the operator where the admin listeners are.
pub fn headless_service(relay: &Relay) -> Service {
    Service {
        metadata: metadata(relay, name::relay_headless(&relay.name_any())),
        spec: Some(ServiceSpec {
            cluster_ip: Some("None".into()),
            selector: Some(pod::selector_labels(label::RELAY, &relay.name_any(), COMPONENT)),
            ports: Some(vec![pod::service_port("admin", name::RELAY_ADMIN_PORT)]),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }
}

/// One replica cannot be kept available through an eviction; the budget keeps evictions one at a time and allowed.
pub fn disruption_budget(relay: &Relay) -> PodDisruptionBudget {
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

/// `file` is the ConfigMap of the same Relay.
pub fn stateful_set(relay: &Relay, settings: &Settings, file: &ConfigMap) -> StatefulSet {
    let labels = pod::selector_labels(label::RELAY, &relay.name_any(), COMPONENT);
    StatefulSet {
        metadata: metadata(relay, name::relay(&relay.name_any())),
        spec: Some(StatefulSetSpec {
            replicas: Some(REPLICAS),
            service_name: Some(name::relay_headless(&relay.name_any())),
            selector: pod::selector(label::RELAY, &relay.name_any(), COMPONENT),
            template: PodTemplateSpec {
                metadata: Some(ObjectMeta {
                    labels: Some(labels),
                    annotations: Some(file::annotations(file)),
                    ..ObjectMeta::default()
                }),
                spec: Some(pod_spec(relay, settings)),
            },
            volume_claim_templates: Some(vec![volume_claim(relay)]),
            ..StatefulSetSpec::default()
        }),
        ..StatefulSet::default()
    }
}

fn volumes(relay: &Relay) -> Vec<Volume> {
    let owner = relay.name_any();
    let mut volumes = vec![
        file::volume(relay),
        pod::secret_volume("tls", name::relay_tls(&owner)),
        pod::secret_volume("admin", name::relay_admin(&owner)),
        pod::secret_volume("oauth-keys", name::relay_oauth_keys(&owner)),
    ];
    volumes.extend(relay.spec.oauth.provider.as_ref().map(|provider| {
        // That one key alone: a Secret of somebody else may hold more than the relay should see.
        pod::secret_key_volume("provider", &provider.client_secret_ref.name, &provider.client_secret_ref.key)
    }));
    let gateway = || pod::secret_volume("gateway", name::relay_gateway_token(&owner));
    volumes.extend(relay.spec.mcp.enabled.then(gateway));
    volumes
}

fn mounts(relay: &Relay) -> Vec<VolumeMount> {
    let mut mounts = vec![
        pod::mount(DATA, DATA_PATH, false),
        pod::mount(file::VOLUME, file::FOLDER, true),
        pod::mount("tls", TLS_PATH, true),
        pod::mount("admin", ADMIN_PATH, true),
        pod::mount("oauth-keys", OAUTH_KEYS_PATH, true),
    ];
    mounts.extend(relay.spec.oauth.provider.as_ref().map(|_| pod::mount("provider", PROVIDER_PATH, true)));
    mounts.extend(relay.spec.mcp.enabled.then(|| pod::mount("gateway", GATEWAY_PATH, true)));
    mounts
}

fn pod_spec(relay: &Relay, settings: &Settings) -> PodSpec {
    let owner = relay.name_any();
    PodSpec {
        service_account_name: Some(name::relay(&owner)),
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        security_context: Some(pod::pod_security()),
        termination_grace_period_seconds: Some(
            i64::from(relay.spec.drain_timeout_seconds) + SHUTDOWN_SECONDS,
        ),
        image_pull_secrets: pod::pull_secrets(&settings.image_pull_secrets),
        containers: vec![container(relay, settings)],
        volumes: Some(volumes(relay)),
        ..PodSpec::default()
    }
}

fn container(relay: &Relay, settings: &Settings) -> Container {
    let container = Container {
        name: "relay".into(),
        image: Some(image::reference(relay, settings)),
        image_pull_policy: Some(image::pull_policy(relay, settings).into()),
        args: Some(file::arguments()),
        ports: Some(vec![pod::port("wss", name::RELAY_PORT), pod::port("admin", name::RELAY_ADMIN_PORT)]),
        resources: Some(
            relay.spec.resources.clone().unwrap_or_else(|| pod::resources("50m", "64Mi", "512Mi")),
        ),
        security_context: Some(pod::container_security()),
        volume_mounts: Some(mounts(relay)),
        ..Container::default()
    };
    pod::with_probes(container, name::RELAY_ADMIN_PORT)
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
