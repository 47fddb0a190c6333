//! Tests of what lists and events of owned objects and namespaces lead to.

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::Secret;
use serde_json::{Value, json};

use super::*;
use crate::caches::Caches;
use crate::object_key::{Kind, ObjectKey};
use crate::queue::Queue;

fn enqueuer() -> Enqueuer {
    let queue = Arc::new(Queue::default());
    Enqueuer { caches: Arc::new(Caches::new(Arc::clone(&queue))), queue }
}

fn relay() -> ObjectKey {
    NamespacedName::new("team", "main").key(Kind::Relay)
}

fn is_queued(enqueuer: &Enqueuer, key: &ObjectKey) -> bool {
    let found = enqueuer.queue.contains(key);
    enqueuer.queue.clear();
    found
}

fn set(ready: i32) -> StatefulSet {
    serde_json::from_value(json!({
        "metadata": {"name": "main-relay", "namespace": "team", "uid": "1", "generation": 1,
            "labels": {"msg2agent.xyz/relay": "main"}},
        "status": {"replicas": 1, "readyReplicas": ready},
    }))
    .unwrap()
}

#[test]
fn a_workloads_status_reconciles_its_owner_and_an_equal_one_does_not() {
    let enqueuer = enqueuer();
    let store = enqueuer.caches.stateful_sets.clone();
    let mut sink = WorkloadSink { store, scope: WatchScope::Cluster, enqueuer: enqueuer.clone() };
    sink.list(vec![Ok(set(0))]);
    assert!(is_queued(&enqueuer, &relay()));
    sink.applied(Ok(set(0)));
    assert!(!is_queued(&enqueuer, &relay()));
    sink.applied(Ok(set(1)));
    assert!(is_queued(&enqueuer, &relay()));
    sink.list(vec![]);
    assert!(is_queued(&enqueuer, &relay()), "it was deleted in the gap");
    assert!(enqueuer.caches.stateful_sets.get(&NamespacedName::new("team", "main-relay")).is_none());
}

#[test]
fn an_owned_object_that_was_deleted_in_a_gap_reconciles_its_owner() {
    let enqueuer = enqueuer();
    let mut sink = OwnedSink { scope: WatchScope::Cluster, enqueuer: enqueuer.clone() };
    let secret: Secret = serde_json::from_value(json!({"metadata": {"name": "main-ca", "namespace": "team",
        "uid": "1", "resourceVersion": "1", "labels": {"msg2agent.xyz/relay": "main"}}}))
    .unwrap();
    sink.list(vec![Ok(secret)]);
    enqueuer.queue.clear();
    WatchSink::<Secret>::list(&mut sink, vec![]);
    assert!(is_queued(&enqueuer, &relay()));
}

fn namespace(labels: Value) -> PartialObjectMeta<Namespace> {
    serde_json::from_value(json!({"metadata": {"name": "guests", "labels": labels}})).unwrap()
}

#[test]
fn a_label_that_a_namespace_lost_in_a_gap_takes_consent() {
    let enqueuer = enqueuer();
    let tenant: crds::Tenant = serde_json::from_value(json!({
        "apiVersion": "msg2agent.xyz/v1alpha1", "kind": "Tenant", "metadata": {"name": "acme", "namespace": "team"},
        "spec": {"relayRef": {"name": "main"}, "agents": {"allowedFrom":
            {"from": "Selector", "selector": {"matchLabels": {"tier": "paid"}}}}},
    }))
    .unwrap();
    let agent: crds::Agent = serde_json::from_value(json!({
        "apiVersion": "msg2agent.xyz/v1alpha1", "kind": "Agent", "metadata": {"name": "alice", "namespace": "guests"},
        "spec": {"tenantRef": {"name": "acme", "namespace": "team"}},
    }))
    .unwrap();
    enqueuer.caches.tenants.insert(NamespacedName::new("team", "acme"), Arc::new(tenant));
    let name = NamespacedName::new("guests", "alice");
    enqueuer.caches.index.insert(&name, &agent);
    enqueuer.caches.agents.insert(name.clone(), Arc::new(agent));
    let mut sink = NamespaceSink { store: enqueuer.caches.namespaces.clone(), enqueuer: enqueuer.clone() };
    sink.list(vec![Ok(namespace(json!({"tier": "paid"})))]);
    enqueuer.queue.clear();
    sink.list(vec![Ok(namespace(json!({"tier": "paid"})))]);
    assert!(!is_queued(&enqueuer, &name.clone().key(Kind::Agent)));
    sink.list(vec![Ok(namespace(json!({})))]);
    assert!(is_queued(&enqueuer, &name.key(Kind::Agent)));
}
