//! Finds the operators that are installed in the cluster, by their Deployments. Two that work in
//! the same namespaces would undo each other's changes without an error.

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt as _};

use crate::error::{Error, Result};
use crate::observed::Observed;
use crate::settings::{Settings, WATCH_NAMESPACES_VARIABLE};

/// The labels that the chart sets on every operator's Deployment.
const SELECTOR: &str = "app.kubernetes.io/name=msg2agent,app.kubernetes.io/component=operator";

/// An operator's Deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installation {
    pub namespace: String,
    pub name: String,
    created: Option<Timestamp>,
    /// Empty: all namespaces.
    watched: Vec<String>,
}

/// Lists the operators that run. Unknown when this operator may not list Deployments of all
/// namespaces, as with `watchNamespaces`.
///
/// # Errors
/// The API server does not answer, or refuses for another reason.
pub async fn list(client: &Client) -> Result<Observed<Vec<Installation>>> {
    let api = Api::<Deployment>::all(client.clone());
    match api.list(&ListParams::default().labels(SELECTOR)).await {
        Ok(found) => Ok(Observed::Known(found.items.iter().filter_map(Installation::running).collect())),
        Err(kube::Error::Api(status)) if status.code == 403 => Ok(Observed::Unknown),
        Err(error) => Err(Error::cluster("list the operators of the cluster")(error)),
    }
}

/// The operator that was installed before `own` and works in one of its namespaces.
#[must_use]
pub fn older_rival<'a>(own: &Installation, all: &'a [Installation]) -> Option<&'a Installation> {
    all.iter().find(|other| other.order() < own.order() && other.overlaps(own))
}

/// Two operators that work in the same namespace.
#[must_use]
pub fn rivals(all: &[Installation]) -> Option<(&Installation, &Installation)> {
    all.iter().find_map(|own| older_rival(own, all).map(|older| (older, own)))
}

/// The operator of another namespace that works in one of the namespaces of these settings.
#[must_use]
pub fn in_namespaces_of<'a>(settings: &Settings, all: &'a [Installation]) -> Option<&'a Installation> {
    let others = all.iter().filter(|other| other.namespace != settings.namespace);
    others.into_iter().find(|other| share_a_namespace(&other.watched, &settings.watch_namespaces))
}

/// An empty list means all namespaces.
fn share_a_namespace(one: &[String], other: &[String]) -> bool {
    one.is_empty() || other.is_empty() || one.iter().any(|namespace| other.contains(namespace))
}

impl Installation {
    /// `None` for a Deployment that is being deleted or has no pods.
    fn running(deployment: &Deployment) -> Option<Self> {
        let spec = deployment.spec.as_ref()?;
        if deployment.metadata.deletion_timestamp.is_some() || spec.replicas == Some(0) {
            return None;
        }
        let containers = spec.template.spec.iter().flat_map(|pod| &pod.containers);
        let mut variables = containers.flat_map(|container| container.env.iter().flatten());
        let watched = variables.find(|variable| variable.name == WATCH_NAMESPACES_VARIABLE);
        let watched = watched.and_then(|variable| variable.value.as_deref()).unwrap_or_default();
        Some(Self {
            namespace: deployment.namespace().unwrap_or_default(),
            name: deployment.name_any(),
            created: deployment.creation_timestamp().map(|time| time.0),
            watched: watched.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect(),
        })
    }

    /// Whether the pod of these settings belongs to it.
    #[must_use]
    pub fn is_own(&self, settings: &Settings) -> bool {
        let pod = settings.pod_name.strip_prefix(&self.name);
        self.namespace == settings.namespace && pod.is_some_and(|rest| rest.starts_with('-'))
    }

    fn order(&self) -> (Option<Timestamp>, &str, &str) {
        (self.created, &self.namespace, &self.name)
    }

    fn overlaps(&self, other: &Self) -> bool {
        share_a_namespace(&self.watched, &other.watched)
    }
}

impl std::fmt::Display for Installation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Deployment {}/{}", self.namespace, self.name)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use serde_json::{Value, json};

    use super::*;

    fn deployment(namespace: &str, created: &str, watched: Value) -> Deployment {
        let variable = json!([{"name": WATCH_NAMESPACES_VARIABLE, "value": watched}]);
        serde_json::from_value(json!({
            "metadata": {"name": "msg2agent-operator", "namespace": namespace, "creationTimestamp": created},
            "spec": {"selector": {}, "replicas": 2, "template": {"spec": {"containers": [
                {"name": "operator", "env": variable},
            ]}}},
        }))
        .unwrap()
    }

    fn installation(namespace: &str, created: &str, watched: Value) -> Installation {
        Installation::running(&deployment(namespace, created, watched)).unwrap()
    }

    const EARLY: &str = "2026-01-01T00:00:00Z";
    const LATE: &str = "2026-01-02T00:00:00Z";

    #[test]
    fn of_two_operators_in_the_same_namespaces_the_younger_has_a_rival() {
        for watched in [json!(null), json!(""), json!("team,other")] {
            let (old, new) = (installation("a", EARLY, watched), installation("b", LATE, json!("team")));
            let all = [new.clone(), old.clone()];
            assert_eq!(older_rival(&new, &all), Some(&old));
            assert_eq!(older_rival(&old, &all), None);
            assert_eq!(rivals(&all), Some((&old, &new)));
        }
    }

    #[test]
    fn operators_of_different_namespaces_are_no_rivals() {
        let all = [installation("a", EARLY, json!("team")), installation("b", LATE, json!("other"))];
        assert_eq!(rivals(&all), None);
        assert_eq!(rivals(&all[..1]), None);
    }

    #[test]
    fn one_of_two_that_were_installed_in_the_same_second_yields() {
        let all = [installation("b", EARLY, json!("")), installation("a", EARLY, json!(""))];
        assert_eq!(rivals(&all), Some((&all[1], &all[0])));
    }

    #[test]
    fn an_operator_without_pods_or_on_its_way_out_does_not_count() {
        let mut scaled = deployment("a", EARLY, json!(""));
        scaled.spec.as_mut().unwrap().replicas = Some(0);
        let mut deleted = deployment("a", EARLY, json!(""));
        deleted.metadata.deletion_timestamp = deleted.metadata.creation_timestamp.clone();
        assert_eq!(Installation::running(&scaled), None);
        assert_eq!(Installation::running(&deleted), None);
    }

    #[test]
    fn an_operator_that_is_gone_leaves_the_objects_of_another_one_alone() {
        let all = [installation("a", EARLY, json!("")), installation("b", LATE, json!("team"))];
        let found = |namespace: &str, watched: &str, all: &[Installation]| {
            let arguments = ["operator", "--namespace", namespace, "--watch-namespaces", watched];
            let settings = Settings::parse_from(arguments).normalized();
            in_namespaces_of(&settings, all).map(|other| other.namespace.clone())
        };
        assert_eq!(found("b", "team", &all).as_deref(), Some("a"));
        assert_eq!(found("a", "", &all).as_deref(), Some("b"));
        assert_eq!(found("c", "other", &all[1..]), None);
        assert_eq!(found("b", "team", &all[1..]), None, "its own Deployment is on its way out");
    }

    #[test]
    fn a_pod_knows_its_own_deployment_by_name_and_namespace() {
        let is_own = |pod: &str, namespace: &str| {
            let settings = Settings::parse_from(["operator", "--pod-name", pod, "--namespace", namespace]);
            installation("a", EARLY, json!("")).is_own(&settings)
        };
        assert!(is_own("msg2agent-operator-6d5f-x2x", "a"));
        assert!(!is_own("msg2agent-operator-6d5f-x2x", "b"));
        assert!(!is_own("other-operator-6d5f-x2x", "a"));
        assert!(!is_own("msg2agent-operator", "a"));
    }
}
