//! Merges what the author of a Relay or an Agent sets (`template`) into a pod that the operator
//! built. Pure.
//!
//! Labels, annotations and `MSG2AGENT_` variables of the operator win, because selectors and the
//! program depend on them. The security context is not part of the template.

use std::collections::BTreeMap;

use crds::PodTemplate;
use crds::pod_template::{ContainerTemplate, PodSettings};
use k8s_openapi::api::core::v1::{
    Container, EnvVar, LocalObjectReference, PodSpec, PodTemplateSpec, ServiceAccount,
    TopologySpreadConstraint,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

/// Prefix of the environment variables of every program. The resource definitions refuse it too.
const OWN_VARIABLES: &str = "MSG2AGENT_";

/// The pod that the operator built, with the parts of `template`.
#[must_use]
pub fn merge(template: &PodTemplate, built: PodTemplateSpec) -> PodTemplateSpec {
    let mut metadata = built.metadata.unwrap_or_default();
    let own_labels = metadata.labels.clone().unwrap_or_default();
    metadata.labels = with_own(&template.metadata.labels, metadata.labels);
    metadata.annotations = with_own(&template.metadata.annotations, metadata.annotations);
    let spec = built.spec.unwrap_or_default();
    let containers = spec.containers.into_iter().map(|built| container(&template.container, built));
    let spec = PodSpec { containers: containers.collect(), ..spec };
    PodTemplateSpec { metadata: Some(metadata), spec: Some(pod_spec(&template.spec, spec, &own_labels)) }
}

/// The ServiceAccount that the operator built, with the annotations of `template`.
#[must_use]
pub fn merge_service_account(template: &PodTemplate, mut built: ServiceAccount) -> ServiceAccount {
    let annotations = with_own(&template.service_account.annotations, built.metadata.annotations);
    built.metadata.annotations = annotations;
    built
}

/// `given` with the operator's `own` pairs, which win. `None` for an empty map, which the API
/// server would drop.
fn with_own(
    given: &BTreeMap<String, String>,
    own: Option<BTreeMap<String, String>>,
) -> Option<BTreeMap<String, String>> {
    let mut merged = given.clone();
    merged.extend(own.unwrap_or_default());
    (!merged.is_empty()).then_some(merged)
}

fn pod_spec(template: &PodSettings, built: PodSpec, own_labels: &BTreeMap<String, String>) -> PodSpec {
    let node_selector = (!template.node_selector.is_empty()).then(|| template.node_selector.clone());
    let tolerations = (!template.tolerations.is_empty()).then(|| template.tolerations.clone());
    let constraints = &template.topology_spread_constraints;
    let spread = constraints.iter().map(|constraint| spread(constraint, own_labels)).collect();
    PodSpec {
        node_selector: node_selector.or(built.node_selector),
        tolerations: tolerations.or(built.tolerations),
        affinity: template.affinity.clone().or(built.affinity),
        topology_spread_constraints: if constraints.is_empty() {
            built.topology_spread_constraints
        } else {
            Some(spread)
        },
        priority_class_name: template.priority_class_name.clone().or(built.priority_class_name),
        image_pull_secrets: pull_secrets(&template.image_pull_secrets, built.image_pull_secrets),
        ..built
    }
}

/// A constraint without a selector counts the pods of this program. Without this it would count
/// none.
fn spread(
    given: &TopologySpreadConstraint,
    own_labels: &BTreeMap<String, String>,
) -> TopologySpreadConstraint {
    let own = || LabelSelector { match_labels: Some(own_labels.clone()), match_expressions: None };
    TopologySpreadConstraint {
        label_selector: Some(given.label_selector.clone().unwrap_or_else(own)),
        ..given.clone()
    }
}

fn pull_secrets(
    given: &[LocalObjectReference],
    own: Option<Vec<LocalObjectReference>>,
) -> Option<Vec<LocalObjectReference>> {
    let mut merged = own.unwrap_or_default();
    for secret in given {
        if !merged.contains(secret) {
            merged.push(secret.clone());
        }
    }
    (!merged.is_empty()).then_some(merged)
}

fn container(template: &ContainerTemplate, built: Container) -> Container {
    Container {
        resources: template.resources.clone().or(built.resources),
        env: environment(&template.env, built.env.unwrap_or_default()),
        ..built
    }
}

/// The operator's variables, then those of the author. An author may replace a variable that is not
/// of the program, such as the proxy of the operator's settings.
fn environment(given: &[EnvVar], own: Vec<EnvVar>) -> Option<Vec<EnvVar>> {
    let given: Vec<_> = given.iter().filter(|variable| !variable.name.starts_with(OWN_VARIABLES)).collect();
    let is_replaced = |own: &EnvVar| given.iter().any(|variable| variable.name == own.name);
    let mut merged: Vec<_> = own.into_iter().filter(|own| !is_replaced(own)).collect();
    merged.extend(given.into_iter().cloned());
    (!merged.is_empty()).then_some(merged)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::PodSecurityContext;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
    use serde_json::json;

    use super::*;
    use crate::pod;

    fn template(value: serde_json::Value) -> PodTemplate {
        serde_json::from_value(value).unwrap()
    }

    fn security() -> PodSecurityContext {
        PodSecurityContext { run_as_non_root: Some(true), ..PodSecurityContext::default() }
    }

    fn built() -> PodTemplateSpec {
        let labels = pod::selector_labels("msg2agent.xyz/relay", "main", "relay");
        let container = Container {
            name: "relay".into(),
            env: Some(pod::env(&[("MSG2AGENT_DIR", "/run"), ("HTTPS_PROXY", "http://default")])),
            resources: Some(pod::resources("50m", "64Mi", "512Mi")),
            security_context: Some(pod::container_security()),
            ..Container::default()
        };
        PodTemplateSpec {
            metadata: Some(ObjectMeta {
                labels: Some(labels),
                annotations: Some([("msg2agent.xyz/settings-hash".to_owned(), "ab".to_owned())].into()),
                ..ObjectMeta::default()
            }),
            spec: Some(PodSpec {
                containers: vec![container],
                image_pull_secrets: pod::pull_secrets(&["registry".into()]),
                security_context: Some(security()),
                ..PodSpec::default()
            }),
        }
    }

    fn merged(value: serde_json::Value) -> PodTemplateSpec {
        merge(&template(value), built())
    }

    #[test]
    fn an_empty_template_changes_nothing() {
        assert_eq!(merged(json!({})), built());
    }

    #[test]
    fn labels_and_annotations_are_added_and_the_operators_own_win() {
        let metadata = merged(json!({"metadata": {
            "labels": {"team": "a", "app.kubernetes.io/name": "theirs", "msg2agent.xyz/relay": "theirs"},
            "annotations": {"inject": "true", "msg2agent.xyz/settings-hash": "theirs"},
        }}))
        .metadata
        .unwrap();
        let own = built().metadata.unwrap();
        let labels = metadata.labels.unwrap();
        assert_eq!(labels["team"], "a");
        assert!(own.labels.unwrap().iter().all(|(key, value)| labels[key] == *value));
        let annotations = metadata.annotations.unwrap();
        assert_eq!((&*annotations["inject"], &*annotations["msg2agent.xyz/settings-hash"]), ("true", "ab"));
    }

    #[test]
    fn variables_are_added_and_those_of_the_program_stay_the_operators() {
        let spec = merged(json!({"container": {"env": [
            {"name": "HTTPS_PROXY", "value": "http://proxy"},
            {"name": "NO_PROXY", "value": ".svc"},
            {"name": "MSG2AGENT_DIR", "value": "/theirs"},
            {"name": "MSG2AGENT_NEW", "value": "theirs"},
        ]}}))
        .spec
        .unwrap();
        let env: Vec<_> =
            spec.containers[0].env.iter().flatten().map(|v| (&*v.name, v.value.as_deref())).collect();
        let expected = [("MSG2AGENT_DIR", "/run"), ("HTTPS_PROXY", "http://proxy"), ("NO_PROXY", ".svc")];
        assert_eq!(env, expected.map(|(name, value)| (name, Some(value))));
    }

    #[test]
    fn resources_are_replaced_as_a_whole_and_security_is_never_touched() {
        let spec = merged(json!({"container": {"resources": {"requests": {"cpu": "1"}}}})).spec.unwrap();
        let resources = spec.containers[0].resources.clone().unwrap();
        assert_eq!((resources.requests.unwrap().len(), resources.limits), (1, None));
        assert_eq!(spec.security_context, Some(security()));
        assert_eq!(spec.containers[0].security_context, Some(pod::container_security()));
    }

    #[test]
    fn scheduling_is_taken_over_and_pull_secrets_are_added() {
        let spec = merged(json!({"spec": {
            "nodeSelector": {"disk": "fast"},
            "tolerations": [{"key": "dedicated", "operator": "Exists"}],
            "affinity": {"nodeAffinity": {}},
            "priorityClassName": "high",
            "imagePullSecrets": [{"name": "registry"}, {"name": "other"}],
        }}))
        .spec
        .unwrap();
        assert_eq!(spec.node_selector.unwrap()["disk"], "fast");
        assert_eq!(spec.tolerations.unwrap().len(), 1);
        assert!(spec.affinity.unwrap().node_affinity.is_some());
        assert_eq!(spec.priority_class_name.as_deref(), Some("high"));
        let names: Vec<_> = spec.image_pull_secrets.unwrap().into_iter().map(|secret| secret.name).collect();
        assert_eq!(names, ["registry", "other"]);
    }

    #[test]
    fn a_spread_without_a_selector_counts_the_pods_of_the_program() {
        let constraint = |selector: serde_json::Value| {
            let mut given =
                json!({"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"});
            given.as_object_mut().unwrap().extend(selector.as_object().unwrap().clone());
            let spec = merged(json!({"spec": {"topologySpreadConstraints": [given]}})).spec.unwrap();
            spec.topology_spread_constraints.unwrap()[0].label_selector.clone().unwrap()
        };
        let own = built().metadata.unwrap().labels;
        assert_eq!(constraint(json!({})).match_labels, own);
        let given = constraint(json!({"labelSelector": {"matchLabels": {"a": "b"}}}));
        assert_eq!(given.match_labels.unwrap().len(), 1);
    }

    #[test]
    fn a_service_account_gets_its_annotations() {
        let given = template(json!({"serviceAccount": {"annotations": {"role": "x"}}}));
        let merged = merge_service_account(&given, ServiceAccount::default());
        assert_eq!(merged.metadata.annotations.unwrap()["role"], "x");
        let none = merge_service_account(&PodTemplate::default(), ServiceAccount::default());
        assert_eq!(none, ServiceAccount::default());
    }
}
