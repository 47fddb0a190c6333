//! Checks that every rendered pod passes the `restricted` Pod Security Standard and more, and that
//! nothing rendered is a secret.

use serde_json::Value;

use super::helm::rendered;

/// Settings under which the whole is checked again.
const PROFILES: [&[&str]; 3] = [
    &[],
    &["replicaCount=1", "hostUsers=false", "networkPolicy.enabled=false"],
    &["log.format=\"text\"", "otlpEndpoint=\"http://collector:4318\"", "runAsUser=1000"],
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
    assert!(pod["securityContext"]["runAsUser"].as_u64().is_some_and(|user| user > 0));
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
