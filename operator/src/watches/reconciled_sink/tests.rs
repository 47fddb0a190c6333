//! Tests of what lists and events of a reconciled kind lead to.

use std::sync::Arc;

use crds::{Agent, Tenant};
use kube::core::ObjectMeta;

use super::*;
use crate::caches::Caches;
use crate::object_key::Kind;
use crate::queue::Queue;

fn agent(name: &str, uid: &str) -> Agent {
    serde_json::from_value(serde_json::json!({
        "apiVersion": "msg2agent.xyz/v1alpha1", "kind": "Agent",
        "metadata": {"name": name, "namespace": "team", "uid": uid, "generation": 1},
        "spec": {"tenantRef": {"name": "acme"}},
    }))
    .unwrap()
}

fn invalid(name: &str, uid: &str) -> Box<InvalidObject> {
    let metadata = ObjectMeta {
        name: Some(name.into()),
        namespace: Some("team".into()),
        uid: Some(uid.into()),
        ..ObjectMeta::default()
    };
    Box::new(InvalidObject { error: "unknown variant".to_owned(), metadata })
}

fn key(name: &str) -> ObjectKey {
    NamespacedName::new("team", name).key(Kind::Agent)
}

fn sink() -> ReconciledSink<Agent> {
    let queue = Arc::new(Queue::default());
    let caches = Arc::new(Caches::new(Arc::clone(&queue)));
    ReconciledSink {
        store: caches.agents.clone(),
        scope: WatchScope::Cluster,
        enqueuer: Enqueuer { queue, caches },
        deleted: Arc::default(),
        metrics: Metrics::register(&prometheus::Registry::new()).unwrap(),
    }
}

impl ReconciledSink<Agent> {
    /// Whether the object is queued. What was queued is dropped.
    fn was_queued(&self, name: &str) -> bool {
        let queued = self.enqueuer.queue.contains(&key(name));
        self.enqueuer.queue.clear();
        queued
    }

    fn claimants(&self, handle: &str) -> usize {
        let acme = NamespacedName::new("team", "acme");
        self.enqueuer.caches.index.claimants(Kind::Agent, &acme, handle).len()
    }
}

#[test]
fn a_new_list_shows_what_was_deleted_in_the_gap() {
    let mut sink = sink();
    sink.list(vec![Ok(agent("alice", "1")), Ok(agent("bob", "2"))]);
    sink.enqueuer.queue.clear();
    sink.list(vec![Ok(agent("alice", "1"))]);
    assert_eq!(sink.deleted.take(&key("bob")), ["2"]);
    assert!(sink.deleted.take(&key("alice")).is_empty());
    assert!(!sink.enqueuer.queue.contains(&key("alice")), "nothing of it changed");
    assert!(sink.was_queued("bob"));
    assert_eq!((sink.claimants("alice"), sink.claimants("bob")), (1, 0));
    assert!(sink.store.get(&key("bob").name).is_none());
}

#[test]
fn an_object_that_was_deleted_and_created_again_in_the_gap_is_both() {
    let mut sink = sink();
    sink.list(vec![Ok(agent("alice", "1"))]);
    sink.enqueuer.queue.clear();
    sink.list(vec![Ok(agent("alice", "2"))]);
    assert_eq!(sink.deleted.take(&key("alice")), ["1"]);
    assert!(sink.was_queued("alice"));
}

#[test]
fn a_list_of_one_namespace_says_nothing_about_others() {
    let mut sink = sink();
    sink.list(vec![Ok(agent("alice", "1"))]);
    sink.scope = WatchScope::Namespace("other".into());
    sink.list(vec![]);
    assert!(sink.store.get(&key("alice").name).is_some());
    assert!(sink.deleted.take(&key("alice")).is_empty());
    assert_eq!(sink.claimants("alice"), 1);
}

#[test]
fn one_undecodable_object_stops_only_itself_and_is_not_deleted() {
    let mut sink = sink();
    sink.list(vec![Ok(agent("alice", "1")), Ok(agent("bob", "2"))]);
    sink.enqueuer.queue.clear();
    sink.list(vec![Ok(agent("alice", "1")), Err(invalid("bob", "2"))]);
    let caches = Arc::clone(&sink.enqueuer.caches);
    assert!(caches.is_unknown(&key("bob")) && !caches.is_unknown(&key("alice")));
    assert!(caches.undecodable.contains_uid("2"));
    assert!(sink.deleted.take(&key("bob")).is_empty());
    assert!(sink.store.get(&key("bob").name).is_some(), "the last known version is kept");
    assert_eq!(sink.metrics.undecodable_objects.get(), 1);
    sink.applied(Ok(agent("bob", "2")));
    assert!(!caches.is_unknown(&key("bob")));
    assert!(sink.was_queued("bob"), "it is reconciled although nothing of it changed");
    assert_eq!(sink.metrics.undecodable_objects.get(), 0);
}

#[test]
fn an_undecodable_object_that_is_deleted_is_recorded() {
    let mut sink = sink();
    sink.applied(Err(invalid("bob", "2")));
    sink.deleted(Err(invalid("bob", "2")));
    assert_eq!(sink.deleted.take(&key("bob")), ["2"]);
    assert!(!sink.enqueuer.caches.is_unknown(&key("bob")));
    assert!(sink.was_queued("bob"));
}

#[test]
fn nothing_is_decided_about_an_agent_whose_tenant_cannot_be_decoded() {
    let mut sink = sink();
    sink.list(vec![Ok(agent("alice", "1"))]);
    let caches = Arc::clone(&sink.enqueuer.caches);
    let mut tenants = ReconciledSink::<Tenant> {
        store: caches.tenants.clone(),
        scope: WatchScope::Cluster,
        enqueuer: sink.enqueuer.clone(),
        deleted: Arc::clone(&sink.deleted),
        metrics: sink.metrics.clone(),
    };
    tenants.list(vec![Err(invalid("acme", "3"))]);
    assert!(caches.is_unknown(&key("alice")));
    tenants.list(vec![]);
    assert!(!caches.is_unknown(&key("alice")), "now it is known that there is none");
}

#[test]
fn what_a_deleted_object_was_is_told_to_those_who_claim_its_name() {
    let mut sink = sink();
    let rival: Agent = serde_json::from_value(serde_json::json!({
        "apiVersion": "msg2agent.xyz/v1alpha1", "kind": "Agent",
        "metadata": {"name": "rival", "namespace": "team", "uid": "2", "generation": 1},
        "spec": {"tenantRef": {"name": "acme"}, "handle": "alice"},
    }))
    .unwrap();
    sink.list(vec![Ok(agent("alice", "1")), Ok(rival)]);
    sink.enqueuer.queue.clear();
    sink.deleted(Ok(agent("alice", "1")));
    assert!(sink.was_queued("rival"));
}

#[test]
fn an_object_that_is_absent_from_the_names_is_deleted_and_one_of_another_namespace_is_not() {
    let mut sink = sink();
    assert!(!sink.needs_names(), "nothing is known yet");
    sink.list(vec![Ok(agent("alice", "a")), Ok(agent("bob", "b"))]);
    sink.enqueuer.queue.clear();
    assert!(sink.needs_names());
    let absent = sink.drop_absent(|name| name.name == "alice".into());
    assert_eq!(absent, [NamespacedName::new("team", "bob")]);
    assert!(sink.was_queued("bob") && sink.store.get(&absent[0]).is_none());
    assert_eq!(sink.claimants("bob"), 0);
    sink.scope = WatchScope::Namespace("other".into());
    assert!(!sink.needs_names());
    assert_eq!(sink.drop_absent(|_| false), []);
}
