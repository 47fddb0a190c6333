//! Parts of pods and of other owned objects: labels, owner references, volumes, ports, probes, and
//! the restricted Pod Security Standard.

use std::collections::BTreeMap;

use crds::DeletionPolicy;
use crds::label;
use crds::volume::Volume as VolumeSpec;
use k8s_openapi::api::apps::v1::StatefulSetPersistentVolumeClaimRetentionPolicy;
use k8s_openapi::api::core::v1::{
    Capabilities, Container, ContainerPort, EnvVar, HTTPGetAction, KeyToPath, LocalObjectReference,
    PersistentVolumeClaim, PersistentVolumeClaimSpec, Probe, ResourceRequirements, SecretVolumeSource,
    SecurityContext, ServicePort, Volume, VolumeMount, VolumeResourceRequirements,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta, OwnerReference};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::{Resource, ResourceExt as _};

/// Mode of the files of mounted Secrets. Only the pod's group can read them.
const SECRET_MODE: i32 = 0o440;

/// Labels of an owned object: its manager, its component and its owner.
#[must_use]
pub fn labels(owner_label: &str, owner: &str, component: &str) -> BTreeMap<String, String> {
    let mut labels = selector_labels(owner_label, owner, component);
    labels.insert(label::MANAGED_BY.into(), label::MANAGER.into());
    labels
}

/// The labels that select pods.
#[must_use]
pub fn selector_labels(owner_label: &str, owner: &str, component: &str) -> BTreeMap<String, String> {
    [(label::APP_NAME, "msg2agent"), (label::COMPONENT, component), (owner_label, owner)]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

/// The selector of pods.
#[must_use]
pub fn selector(owner_label: &str, owner: &str, component: &str) -> LabelSelector {
    LabelSelector {
        match_labels: Some(selector_labels(owner_label, owner, component)),
        match_expressions: None,
    }
}

/// The owner reference of an owned object. It does not block the owner's deletion.
#[must_use]
pub fn owner_reference<K: Resource<DynamicType = ()>>(owner: &K) -> OwnerReference {
    OwnerReference {
        api_version: K::api_version(&()).into_owned(),
        kind: K::kind(&()).into_owned(),
        name: owner.name_any(),
        uid: owner.uid().unwrap_or_default(),
        controller: Some(true),
        block_owner_deletion: Some(false),
    }
}

/// Metadata of an object that `owner` owns.
#[must_use]
pub fn owned_by<K: Resource<DynamicType = ()>>(
    owner: &K,
    name: String,
    labels: BTreeMap<String, String>,
) -> ObjectMeta {
    ObjectMeta {
        name: Some(name),
        namespace: owner.namespace(),
        labels: Some(labels),
        owner_references: Some(vec![owner_reference(owner)]),
        ..ObjectMeta::default()
    }
}

/// The container's part of the restricted Pod Security Standard.
#[must_use]
pub fn container_security() -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: Some(false),
        read_only_root_filesystem: Some(true),
        capabilities: Some(Capabilities { drop: Some(vec!["ALL".into()]), add: None }),
        ..SecurityContext::default()
    }
}

/// Adds probes of the port for probes and metrics. The startup probe allows 60 s.
#[must_use]
pub fn with_probes(container: Container, port: u16) -> Container {
    let probe = |path: &str, period: i32, failures: i32| Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.into()),
            port: IntOrString::Int(port.into()),
            ..HTTPGetAction::default()
        }),
        period_seconds: Some(period),
        failure_threshold: Some(failures),
        timeout_seconds: Some(2),
        ..Probe::default()
    };
    Container {
        startup_probe: Some(probe("/livez", 1, 60)),
        liveness_probe: Some(probe("/livez", 10, 3)),
        readiness_probe: Some(probe("/readyz", 2, 2)),
        ..container
    }
}

/// Environment variables by name and value.
#[must_use]
pub fn env(values: &[(&str, &str)]) -> Vec<EnvVar> {
    values
        .iter()
        .map(|(name, value)| EnvVar {
            name: (*name).to_owned(),
            value: Some((*value).to_owned()),
            value_from: None,
        })
        .collect()
}

/// A Secret as a volume.
#[must_use]
pub fn secret_volume(name: &str, secret: String) -> Volume {
    Volume {
        name: name.to_owned(),
        secret: Some(SecretVolumeSource {
            secret_name: Some(secret),
            default_mode: Some(SECRET_MODE),
            ..SecretVolumeSource::default()
        }),
        ..Volume::default()
    }
}

/// A volume with a single key of a Secret.
#[must_use]
pub fn secret_key_volume(name: &str, secret: &str, key: &str) -> Volume {
    let mut volume = secret_volume(name, secret.to_owned());
    if let Some(source) = &mut volume.secret {
        source.items = Some(vec![KeyToPath { key: key.to_owned(), path: key.to_owned(), mode: None }]);
    }
    volume
}

/// A claim template for the volume of a StatefulSet. One pod at a time may mount it.
#[must_use]
pub fn volume_claim(name: &str, volume: &VolumeSpec) -> PersistentVolumeClaim {
    let storage = [("storage".to_owned(), Quantity(volume.size.clone()))].into();
    PersistentVolumeClaim {
        metadata: ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() },
        spec: Some(PersistentVolumeClaimSpec {
            access_modes: Some(vec!["ReadWriteOnce".into()]),
            resources: Some(VolumeResourceRequirements { requests: Some(storage), limits: None }),
            storage_class_name: volume.storage_class_name.clone(),
            ..PersistentVolumeClaimSpec::default()
        }),
        ..PersistentVolumeClaim::default()
    }
}

/// What happens to the claims of a StatefulSet that is deleted.
#[must_use]
pub fn claim_retention(policy: DeletionPolicy) -> StatefulSetPersistentVolumeClaimRetentionPolicy {
    let when_deleted = match policy {
        DeletionPolicy::Retain => "Retain",
        DeletionPolicy::Purge => "Delete",
    };
    StatefulSetPersistentVolumeClaimRetentionPolicy {
        when_deleted: Some(when_deleted.into()),
        when_scaled: Some("Retain".into()),
    }
}

#[must_use]
pub fn mount(volume: &str, path: &str, read_only: bool) -> VolumeMount {
    VolumeMount {
        name: volume.to_owned(),
        mount_path: path.to_owned(),
        read_only: read_only.then_some(true),
        ..VolumeMount::default()
    }
}

/// References to pull Secrets. `None` for an empty list, which the API server would drop.
#[must_use]
pub fn pull_secrets(names: &[String]) -> Option<Vec<LocalObjectReference>> {
    (!names.is_empty())
        .then(|| names.iter().map(|name| LocalObjectReference { name: name.clone() }).collect())
}

/// A named TCP port of a container.
#[must_use]
pub fn port(name: &str, port: u16) -> ContainerPort {
    ContainerPort {
        name: Some(name.to_owned()),
        container_port: port.into(),
        protocol: Some("TCP".into()),
        ..ContainerPort::default()
    }
}

/// A TCP port of a Service. Its target is the container port of the same name.
#[must_use]
pub fn service_port(name: &str, port: u16) -> ServicePort {
    ServicePort {
        name: Some(name.to_owned()),
        port: port.into(),
        target_port: Some(IntOrString::String(name.to_owned())),
        protocol: Some("TCP".into()),
        ..ServicePort::default()
    }
}

/// Requests of CPU and memory, and a limit of memory. A limit of CPU would only slow the pod down.
#[must_use]
pub fn resources(cpu: &str, memory: &str, memory_limit: &str) -> ResourceRequirements {
    let quantities = |pairs: &[(&str, &str)]| {
        Some(pairs.iter().map(|(name, value)| ((*name).to_owned(), Quantity((*value).to_owned()))).collect())
    };
    ResourceRequirements {
        requests: quantities(&[("cpu", cpu), ("memory", memory)]),
        limits: quantities(&[("memory", memory_limit)]),
        claims: None,
    }
}
