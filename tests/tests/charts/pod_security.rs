//! Checks that every rendered pod passes the `restricted` Pod Security Standard and more, and that
//! nothing rendered is a secret.

use operator::pod_user::PodUser;
use serde_json::Value;

use super::helm::{environment, rendered};

/// Settings under which the whole is checked again.
const PROFILES: [&[&str]; 4] = [
    &[],
    &["replicaCount=1", "hostUsers=false", "networkPolicy.enabled=false"],
    &["log.format=\"text\"", "otlpEndpoint=\"http://collector:4318\"", "podUser.id=1000660000"],
    &["podUser.mode=\"Platform\""],
];

#[test]
fn every_pod_is_restricted() {
    for profile in PROFILES {
        let objects = rendered(profile);
        let pods: Vec<_> = objects.iter().filter_map(pod_spec).collect();
        assert!(!pods.is_empty());
        pods.into_iter().for_each(assert_restricted);
    }
}

fn pod_spec(object: &Value) -> Option<&Value> {
    let spec = &object["spec"];
    [&spec["template"]["spec"], &spec["jobTemplate"]["spec"]["template"]["spec"], spec]
        .into_iter()
        .find(|spec| spec["containers"].is_array())
}

fn assert_restricted(pod: &Value) {
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    assert_ne!(pod["securityContext"]["runAsUser"], 0);
    assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
    assert_eq!(pod["automountServiceAccountToken"], false);
    for host in ["hostNetwork", "hostPID", "hostIPC"] {
        assert!(pod[host].is_null(), "{host}");
    }
    for volume in pod["volumes"].as_array().into_iter().flatten() {
        let kinds: Vec<_> = volume.as_object().unwrap().keys().filter(|key| *key != "name").collect();
        assert_eq!(kinds, ["projected"], "{volume}");
    }
    for container in
        [&pod["containers"], &pod["initContainers"]].into_iter().flat_map(Value::as_array).flatten()
    {
        assert_restricted_container(container);
    }
}

fn assert_restricted_container(container: &Value) {
    let security = &container["securityContext"];
    assert_eq!(security["allowPrivilegeEscalation"], false);
    assert_eq!(security["readOnlyRootFilesystem"], true);
    assert_eq!(security["capabilities"]["drop"], serde_json::json!(["ALL"]));
    assert!(security["capabilities"]["add"].is_null() && security["privileged"].is_null());
    assert!(container["ports"].as_array().into_iter().flatten().all(|port| port["hostPort"].is_null()));
    assert!(container["resources"]["limits"]["memory"].is_string(), "a leak ends in this pod");
    let image = container["image"].as_str().unwrap();
    assert!(
        image.contains('@') || image.rsplit('/').next().unwrap().contains(':'),
        "{image} names no version"
    );
}

#[test]
fn the_user_of_all_pods_is_one_value_and_may_be_left_to_the_platform() {
    let ids = |settings: &[&str]| -> Vec<Value> {
        let objects = rendered(settings);
        let pods: Vec<_> = objects.iter().filter_map(pod_spec).collect();
        assert_eq!(pods.len(), 3, "the operator, the check, and what runs after uninstalling");
        let names = ["runAsUser", "runAsGroup", "fsGroup"];
        pods.iter().flat_map(|pod| names.map(|name| pod["securityContext"][name].clone())).collect()
    };
    assert_eq!(ids(&["podUser.id=1000660000"]), vec![Value::from(1_000_660_000); 9]);
    assert_eq!(ids(&["podUser.mode=\"Platform\""]), vec![Value::Null; 9]);
    let setting = |settings: &[&str]| {
        environment(&rendered(settings), "MSG2AGENT_OPERATOR_POD_USER").parse::<PodUser>().unwrap()
    };
    assert_eq!(setting(&[]), PodUser::Fixed(65532));
    assert_eq!(setting(&["podUser.id=1000660000"]), PodUser::Fixed(1_000_660_000));
    assert_eq!(setting(&["podUser.mode=\"Platform\""]), PodUser::Platform);
}

#[test]
fn the_operator_listens_to_both_families() {
    let address = environment(&rendered(&[]), "MSG2AGENT_OPERATOR_ADMIN_LISTEN").parse();
    assert_eq!(address, Ok(daemon::listen::every_address(8081)));
}

#[test]
fn probes_tell_started_alive_and_ready_apart() {
    let objects = rendered(&[]);
    let pod = objects.iter().find_map(pod_spec).unwrap();
    let path = |probe: &str| pod["containers"][0][probe]["httpGet"]["path"].clone();
    assert_eq!(path("startupProbe"), "/livez");
    assert_eq!(path("livenessProbe"), "/livez");
    assert_eq!(path("readinessProbe"), "/readyz");
}

#[test]
fn nothing_rendered_is_a_secret() {
    for profile in PROFILES {
        for object in rendered(profile) {
            assert_ne!(object["kind"], "Secret", "{object}");
            let text = object.to_string();
            for sign in ["sk_live_", "sk_test_", "PRIVATE KEY", "secretKeyRef", "password"] {
                assert!(!text.contains(sign), "{sign} in {text}");
            }
        }
    }
}
