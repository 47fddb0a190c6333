//! Checks that every value of the charts has an effect and that wrong values are refused by name.

use serde_json::Value;

use super::helm::{both, chart, container, environment, find, rendered};

#[test]
fn a_wrong_value_is_refused_and_named() {
    let wrong = [
        ("replicaCount=\"two\"", "replicaCount"),
        ("image.tga=\"x\"", "tga"),
        ("image.digest=\"sha256:12\"", "digest"),
        ("relay.image.pullPolicy=\"Sometimes\"", "pullPolicy"),
        ("networkPolicy.apiServerPorts=[0]", "apiServerPorts"),
        ("networkPolicy.monitoringNamespaces=[\"Monitoring\"]", "monitoringNamespaces"),
        ("watchNamespaces=[\"Team\"]", "watchNamespaces"),
        ("relay.httpsProxy=\"socks5://proxy:1080\"", "httpsProxy"),
        ("relay.httpsProxy=\"http://me:secret@proxy:3128\"", "httpsProxy"),
        ("serviceAccount.tokenExpirationSeconds=60", "tokenExpirationSeconds"),
        ("log.format=\"xml\"", "format"),
        ("otlpEndpoint=\"collector:4317\"", "otlpEndpoint"),
        ("podUser.id=0", "id"),
        ("podUser.mode=\"Any\"", "mode"),
        ("replicas=3", "replicas"),
    ];
    for helm in both() {
        for (setting, field) in wrong {
            let complaint = helm.run(&["template", "msg2agent"], "msg2agent", &[setting]).unwrap_err();
            assert!(complaint.contains(field), "{setting}: {complaint}");
        }
    }
}

#[test]
fn every_default_value_has_an_entry_in_the_schema_and_the_other_way_round() {
    let read = |name: &str| std::fs::read_to_string(chart("msg2agent").join(name)).unwrap();
    let values: Value = serde_yaml_ng::from_str(&read("values.yaml")).unwrap();
    let schema: Value = serde_json::from_str(&read("values.schema.json")).unwrap();
    same_names(&values, &schema, &schema, "values");
}

/// Names of `values` and of the properties of `schema` are equal, at every depth where the schema
/// lists names.
fn same_names(values: &Value, schema: &Value, root: &Value, path: &str) {
    let schema = match schema["$ref"].as_str().and_then(|name| name.strip_prefix("#/definitions/")) {
        Some(name) => &root["definitions"][name],
        None => schema,
    };
    let (Some(values), Some(properties)) = (values.as_object(), schema["properties"].as_object()) else {
        return;
    };
    for name in properties.keys().filter(|name| *name != "claims") {
        assert!(values.contains_key(name), "values.yaml does not explain {path}.{name}");
    }
    for (name, value) in values {
        let property =
            properties.get(name).unwrap_or_else(|| panic!("the schema does not know {path}.{name}"));
        same_names(value, property, root, &format!("{path}.{name}"));
    }
}

#[test]
fn default_images_are_those_the_demo_builds() {
    let objects = rendered(&[]);
    assert_eq!(container(&objects)["image"], "localhost/msg2agent-operator:dev");
    assert_eq!(environment(&objects, "MSG2AGENT_OPERATOR_RELAY_IMAGE"), "localhost/msg2agent-relay:dev");
    assert_eq!(
        environment(&objects, "MSG2AGENT_OPERATOR_MCP_SERVER_IMAGE"),
        "localhost/msg2agent-mcp-server:dev"
    );
    assert_eq!(container(&objects)["imagePullPolicy"], "IfNotPresent");
}

#[test]
fn a_mirror_and_a_digest_change_the_reference() {
    let digest = "0".repeat(64);
    let objects = rendered(&[
        "global.imageRegistry=\"mirror.example:5000/team\"",
        &format!("image.digest=\"sha256:{digest}\""),
    ]);
    let image = format!("mirror.example:5000/team/msg2agent-operator@sha256:{digest}");
    assert_eq!(container(&objects)["image"], image);
    assert_eq!(
        environment(&objects, "MSG2AGENT_OPERATOR_RELAY_IMAGE"),
        "mirror.example:5000/team/msg2agent-relay:dev"
    );
}

#[test]
fn one_replica_has_no_disruption_budget_that_would_block_a_drain() {
    assert!(rendered(&["replicaCount=1"]).iter().all(|o| o["kind"] != "PodDisruptionBudget"));
    assert_eq!(find(&rendered(&[]), "PodDisruptionBudget", "operator")["spec"]["maxUnavailable"], 1);
}

#[test]
fn switched_off_parts_are_not_rendered() {
    let kinds = |setting: &str| -> Vec<String> {
        rendered(&[setting]).iter().map(|o| o["kind"].as_str().unwrap().to_owned()).collect()
    };
    assert!(!kinds("networkPolicy.enabled=false").contains(&"NetworkPolicy".to_owned()));
    assert!(!kinds("metrics.service.enabled=false").contains(&"Service".to_owned()));
    assert!(!kinds("serviceAccount.create=false").contains(&"ServiceAccount".to_owned()));
    assert!(!kinds("rbac.create=false").contains(&"ClusterRoleBinding".to_owned()));
    // Without a right of its own, what runs after uninstalling would only fail.
    assert!(!kinds("rbac.create=false").contains(&"Job".to_owned()));
    assert!(kinds("serviceAccount.create=false").contains(&"Job".to_owned()));
}
