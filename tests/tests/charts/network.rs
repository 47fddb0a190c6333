//! Who may talk to the operator, and to whom it may talk.

use serde_json::Value;

use super::helm::{find, rendered};
use super::reachability::{Pod, may_reach};

const ADMIN: u64 = 8081;

fn policies() -> Vec<Value> {
    rendered(&[]).into_iter().filter(|o| o["kind"] == "NetworkPolicy").collect()
}

/// The operator with the labels and ports it is rendered with.
fn operator() -> Pod {
    let objects = rendered(&[]);
    let template = &find(&objects, "Deployment", "operator")["spec"]["template"];
    let labels = template["metadata"]["labels"].as_object().unwrap().iter();
    let labels: Vec<_> = labels.map(|(key, value)| (key.as_str(), value.as_str().unwrap())).collect();
    Pod::new("msg2agent-system", &labels, &[("admin", ADMIN)])
}

fn relay() -> Pod {
    let labels =
        [("app.kubernetes.io/managed-by", "msg2agent-operator"), ("app.kubernetes.io/component", "relay")];
    Pod::new("team", &labels, &[("admin", ADMIN), ("public", 8443)])
}

#[test]
fn only_the_monitoring_namespace_reads_metrics() {
    let from = |namespace| may_reach(&policies(), &Pod::new(namespace, &[], &[]), &operator(), ADMIN);
    assert!(from("monitoring"));
    assert!(!from("team"));
    assert!(!from("msg2agent-system"));
}

#[test]
fn the_operator_reaches_relays_on_their_admin_port_and_nothing_else_of_them() {
    assert!(may_reach(&policies(), &operator(), &relay(), ADMIN));
    assert!(!may_reach(&policies(), &operator(), &relay(), 8443));
}

#[test]
fn the_operator_reaches_no_other_pod() {
    let stranger = Pod::new("team", &[("app", "database")], &[("admin", 5432)]);
    assert!(!may_reach(&policies(), &operator(), &stranger, 5432));
}

#[test]
fn a_label_alone_does_not_make_a_relay_of_a_pod_that_the_operator_does_not_manage() {
    let disguised = Pod::new("team", &[("app.kubernetes.io/component", "relay")], &[("admin", ADMIN)]);
    assert!(!may_reach(&policies(), &operator(), &disguised, ADMIN));
}
