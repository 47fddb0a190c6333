//! Builds the objects of a Relay. Pure: the same Relay and settings give the same objects.

use crds::relay::Tenants;
use crds::{Relay, RelaySpec, label, name};
use k8s_openapi::api::apps::v1::{StatefulSet, StatefulSetSpec};
use k8s_openapi::api::core::v1::{
    ConfigMap, Container, EnvVar, PodSpec, PodTemplateSpec, Service, ServiceAccount, ServiceSpec, Volume,
    VolumeMount,
};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::ResourceExt as _;

use super::metadata::metadata;
use crate::component;
use crate::pod_user::pod_security;
use crate::settings::Settings;
use crate::{pod, pod_template};

mod image;
mod network_policy;
mod path;
mod settings_file;

pub use settings_file::config_map;

/// The embedded store allows one writer.
const REPLICAS: i32 = 1;
const DATA: &str = "data";
/// Time that a pod gets after its drain, to close its store.
const SHUTDOWN_GRACE_SECONDS: i64 = 15;

/// All objects of a Relay, except Secrets and the objects of its MCP gateway.
#[derive(Debug)]
pub struct RelayObjects {
    pub service_account: ServiceAccount,
    pub service: Service,
    pub headless_service: Service,
    pub disruption_budget: PodDisruptionBudget,
    /// `None` when the Relay disables NetworkPolicies.
    pub network_policy: Option<NetworkPolicy>,
    pub settings_file: ConfigMap,
    pub stateful_set: StatefulSet,
}

impl RelayObjects {
    /// # Errors
    /// A setting that TOML cannot represent.
    pub fn build(relay: &Relay, settings: &Settings) -> Result<Self, toml::ser::Error> {
        let settings_file = config_map(relay, &settings.cluster_domain)?;
        Ok(Self {
            service_account: service_account(relay),
            service: service(relay),
            headless_service: headless_service(relay),
            disruption_budget: disruption_budget(relay),
            network_policy: network_policy(relay, settings),
            stateful_set: stateful_set(relay, settings, &settings_file),
            settings_file,
        })
    }
}

/// Every host name of the relay: its domain, and those of its Service.
pub fn hosts(relay: &Relay, cluster_domain: &str) -> Vec<String> {
    let service = name::relay(&relay.name_any());
    let mut hosts = vec![relay.spec.domain.clone()];
    hosts.extend(name::service_hosts(&service, &relay.namespace().unwrap_or_default(), cluster_domain));
    hosts
}

/// What the author of a Relay wrote about its workloads: the spec without consent, which is not a
/// part of any pod.
pub fn authored(relay: &Relay) -> RelaySpec {
    RelaySpec { tenants: Tenants::default(), public_hosts: Vec::new(), ..relay.spec.clone() }
}

fn service_account(relay: &Relay) -> ServiceAccount {
    let built = ServiceAccount {
        metadata: metadata(relay, name::relay(&relay.name_any())),
        automount_service_account_token: Some(false),
        ..ServiceAccount::default()
    };
    pod_template::merge_service_account(&relay.spec.template, built)
}

fn service(relay: &Relay) -> Service {
    Service {
        metadata: metadata(relay, name::relay(&relay.name_any())),
        spec: Some(ServiceSpec {
            selector: Some(pod::selector_labels(label::RELAY, &relay.name_any(), component::RELAY)),
            ports: Some(vec![pod::service_port("wss", name::RELAY_PORT)]),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }
}

/// Gives each pod a DNS name. The operator finds the admin listeners by its endpoint slices.
fn headless_service(relay: &Relay) -> Service {
    Service {
        metadata: metadata(relay, name::relay_headless(&relay.name_any())),
        spec: Some(ServiceSpec {
            cluster_ip: Some("None".into()),
            selector: Some(pod::selector_labels(label::RELAY, &relay.name_any(), component::RELAY)),
            ports: Some(vec![pod::service_port("admin", name::RELAY_ADMIN_PORT)]),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }
}

/// Allows the eviction of one pod at a time. A stricter budget on one replica would block node
/// drains.
fn disruption_budget(relay: &Relay) -> PodDisruptionBudget {
    PodDisruptionBudget {
        metadata: metadata(relay, name::relay(&relay.name_any())),
        spec: Some(PodDisruptionBudgetSpec {
            max_unavailable: Some(IntOrString::Int(1)),
            selector: Some(pod::selector(label::RELAY, &relay.name_any(), component::RELAY)),
            ..PodDisruptionBudgetSpec::default()
        }),
        ..PodDisruptionBudget::default()
    }
}

/// `None` when the Relay disables NetworkPolicies.
pub fn network_policy(relay: &Relay, settings: &Settings) -> Option<NetworkPolicy> {
    relay.spec.network_policy.enabled.then(|| NetworkPolicy {
        metadata: metadata(relay, name::relay(&relay.name_any())),
        spec: Some(network_policy::spec(relay, settings)),
    })
}

/// `settings_file` is the ConfigMap of the same Relay. Its hash is on the pod template.
///
/// With `Parallel`, a pod that never became ready is replaced as soon as its template is put right.
/// The default, `OrderedReady`, waits for that pod for ever, and the field is immutable.
pub fn stateful_set(relay: &Relay, settings: &Settings, settings_file: &ConfigMap) -> StatefulSet {
    let labels = pod::selector_labels(label::RELAY, &relay.name_any(), component::RELAY);
    let embedded = relay.spec.store.embedded();
    let template = PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: Some(labels),
            annotations: Some(settings_file::annotations(settings_file)),
            ..ObjectMeta::default()
        }),
        spec: Some(pod_spec(relay, settings)),
    };
    StatefulSet {
        metadata: metadata(relay, name::relay(&relay.name_any())),
        spec: Some(StatefulSetSpec {
            replicas: Some(REPLICAS),
            pod_management_policy: Some("Parallel".into()),
            service_name: Some(name::relay_headless(&relay.name_any())),
            selector: pod::selector(label::RELAY, &relay.name_any(), component::RELAY),
            template: pod_template::merge(&relay.spec.template, template),
            volume_claim_templates: Some(vec![pod::volume_claim(DATA, &embedded.volume)]),
            persistent_volume_claim_retention_policy: Some(pod::claim_retention(embedded.deletion_policy)),
            ..StatefulSetSpec::default()
        }),
        ..StatefulSet::default()
    }
}

fn volumes(relay: &Relay) -> Vec<Volume> {
    let owner = relay.name_any();
    let mut volumes = vec![
        settings_file::volume(relay),
        pod::secret_volume("tls", name::relay_tls(&owner)),
        pod::secret_volume("admin", name::relay_admin(&owner)),
        pod::secret_volume("oauth-keys", name::relay_oauth_keys(&owner)),
    ];
    volumes.extend(relay.spec.oauth.provider.as_ref().map(|provider| {
        // Only this key is mounted, because a Secret of somebody else may hold more.
        pod::secret_key_volume("provider", &provider.client_secret_ref.name, &provider.client_secret_ref.key)
    }));
    let gateway = || pod::secret_volume("gateway", name::relay_gateway_token(&owner));
    volumes.extend(relay.spec.gateway.enabled.then(gateway));
    volumes
}

fn mounts(relay: &Relay) -> Vec<VolumeMount> {
    let mut mounts = vec![
        pod::mount(DATA, path::DATA, false),
        pod::mount(settings_file::VOLUME, path::SETTINGS, true),
        pod::mount("tls", path::TLS, true),
        pod::mount("admin", path::ADMIN, true),
        pod::mount("oauth-keys", path::OAUTH_KEYS, true),
    ];
    mounts.extend(relay.spec.oauth.provider.as_ref().map(|_| pod::mount("provider", path::PROVIDER, true)));
    mounts.extend(relay.spec.gateway.enabled.then(|| pod::mount("gateway", path::GATEWAY, true)));
    mounts
}

fn pod_spec(relay: &Relay, settings: &Settings) -> PodSpec {
    let owner = relay.name_any();
    PodSpec {
        service_account_name: Some(name::relay(&owner)),
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        security_context: Some(pod_security(settings.pod_user)),
        termination_grace_period_seconds: Some(
            settings_file::drain_timeout_seconds(relay) + SHUTDOWN_GRACE_SECONDS,
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
        args: Some(settings_file::arguments()),
        env: proxy_environment(settings),
        ports: Some(vec![
            pod::port("wss", name::RELAY_PORT),
            pod::port("admin", name::RELAY_ADMIN_PORT),
            pod::port("health", name::RELAY_HEALTH_PORT),
        ]),
        resources: Some(pod::resources("50m", "64Mi", "512Mi")),
        security_context: Some(pod::container_security()),
        volume_mounts: Some(mounts(relay)),
        ..Container::default()
    };
    pod::with_probes(container, name::RELAY_HEALTH_PORT)
}

/// Variables instead of settings, because a relay of another version may not know the settings.
fn proxy_environment(settings: &Settings) -> Option<Vec<EnvVar>> {
    let proxy = settings.relay_https_proxy.as_deref()?;
    let except = settings.relay_no_proxy.as_deref().unwrap_or_default();
    Some(pod::env(&[("HTTPS_PROXY", proxy), ("NO_PROXY", except)]))
}

#[cfg(test)]
pub(super) mod tests;
