//! Tests of who is enqueued by a change.

use std::time::Duration;

use crds::{Agent, Relay, Tenant};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::*;
use crate::index::Indexed;
use crate::queue::{QueuedKey, WorkerKind};

fn object<K: DeserializeOwned>(kind: &str, name: (&str, &str), generation: i64, spec: Value) -> K {
    let (namespace, name) = name;
    serde_json::from_value(json!({
        "apiVersion": "msg2agent.xyz/v1alpha1", "kind": kind,
        "metadata": {"name": name, "namespace": namespace, "uid": format!("{kind}-{name}"), "generation": generation},
        "spec": spec,
    }))
    .unwrap()
}

fn tenant(generation: i64, spec: Value) -> Tenant {
    let mut all = json!({"relayRef": {"name": "main"}});
    all.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    object("Tenant", ("team", "acme"), generation, all)
}

fn agent(namespace: &str, name: &str, accepted: bool) -> Agent {
    let spec = json!({"tenantRef": {"name": "acme", "namespace": "team"}});
    let mut agent: Agent = object("Agent", (namespace, name), 1, spec);
    let condition = json!({"type": "Accepted", "status": if accepted { "True" } else { "False" }, "reason": "x",
        "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"});
    agent.status = Some(serde_json::from_value(json!({"conditions": [condition]})).unwrap());
    agent
}

fn enqueuer() -> Enqueuer {
    let queue = Arc::new(Queue::default());
    Enqueuer { caches: Arc::new(Caches::new(Arc::clone(&queue))), queue }
}

fn store<K: Indexed + kube::Resource>(enqueuer: &Enqueuer, store: &WatchStore<K>, object: K) {
    let name = NamespacedName::from_object(&object);
    enqueuer.caches.index.insert(&name, &object);
    store.insert(name, Arc::new(object));
}

/// The queued objects with their priority, in the order in which workers take them.
async fn queued(enqueuer: &Enqueuer) -> Vec<(String, Priority)> {
    tokio::time::advance(Duration::from_secs(6)).await;
    let mut found = Vec::new();
    while let Ok(next) =
        tokio::time::timeout(Duration::from_millis(1), enqueuer.queue.next(WorkerKind::General)).await
    {
        let QueuedKey { key, priority, .. } = next;
        found.push((format!("{}/{}", key.kind.as_str(), key.name.name), priority));
    }
    found.sort();
    found
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_a_limit_refused_is_reconciled_when_another_is_deleted() {
    let enqueuer = enqueuer();
    store(&enqueuer, &enqueuer.caches.tenants, tenant(1, json!({"agents": {"max": 1}})));
    store(&enqueuer, &enqueuer.caches.agents, agent("team", "eleventh", false));
    store(&enqueuer, &enqueuer.caches.agents, agent("team", "accepted", true));
    let gone = agent("team", "first", true);
    enqueuer.enqueue_change(&NamespacedName::from_object(&gone), Some(&gone), None);
    let expected = [
        ("Agent/eleventh".to_owned(), Priority::Normal),
        ("Agent/first".to_owned(), Priority::Urgent),
        ("Tenant/acme".to_owned(), Priority::Normal),
    ];
    assert_eq!(queued(&enqueuer).await, expected);
}

#[tokio::test(start_paused = true)]
async fn a_tenant_that_withdraws_consent_reconciles_those_who_lose_it_and_urgently() {
    let enqueuer = enqueuer();
    let names = |names: &[&str]| json!({"agents": {"allowedFrom": {"from": "Names", "names": names}}});
    let (before, after) = (tenant(1, names(&["lost", "kept"])), tenant(2, names(&["kept", "gained"])));
    for namespace in ["lost", "kept", "gained", "team"] {
        store(&enqueuer, &enqueuer.caches.agents, agent(namespace, &format!("in-{namespace}"), true));
    }
    enqueuer.enqueue_change(&NamespacedName::from_object(&after), Some(&before), Some(&after));
    let expected = [
        ("Agent/in-gained".to_owned(), Priority::Normal),
        ("Agent/in-lost".to_owned(), Priority::Urgent),
        ("Tenant/acme".to_owned(), Priority::Normal),
    ];
    assert_eq!(queued(&enqueuer).await, expected);
}

#[tokio::test(start_paused = true)]
async fn a_namespace_whose_labels_take_consent_reconciles_its_agents_urgently() {
    let enqueuer = enqueuer();
    let selector = json!({"from": "Selector", "selector": {"matchLabels": {"tier": "paid"}}});
    store(&enqueuer, &enqueuer.caches.tenants, tenant(1, json!({"agents": {"allowedFrom": selector}})));
    store(&enqueuer, &enqueuer.caches.agents, agent("guests", "alice", true));
    let paid = BTreeMap::from([("tier".to_owned(), "paid".to_owned())]);
    let paid_and_more =
        BTreeMap::from([("tier".to_owned(), "paid".to_owned()), ("stage".to_owned(), "test".to_owned())]);
    enqueuer.enqueue_namespace("guests", Some(&paid), Some(&paid_and_more));
    assert_eq!(queued(&enqueuer).await, []);
    enqueuer.enqueue_namespace("guests", Some(&paid), Some(&BTreeMap::new()));
    assert_eq!(queued(&enqueuer).await, [("Agent/alice".to_owned(), Priority::Urgent)]);
    enqueuer
        .queue
        .finish(NamespacedName::new("guests", "alice").key(Kind::Agent), crate::queue::NextPass::OnEvent);
    enqueuer.enqueue_namespace("guests", None, Some(&paid));
    assert_eq!(queued(&enqueuer).await, [("Agent/alice".to_owned(), Priority::Normal)]);
}

#[tokio::test(start_paused = true)]
async fn a_person_who_may_no_longer_sign_in_is_urgent_for_the_agents_named() {
    let enqueuer = enqueuer();
    let people = |agents: &[&str]| json!({"people": [{"account": "ann", "agents": agents}]});
    let (before, after) = (tenant(1, people(&["alice"])), tenant(2, people(&["bob"])));
    for name in ["alice", "bob", "carol"] {
        store(&enqueuer, &enqueuer.caches.agents, agent("team", name, true));
    }
    enqueuer.enqueue_change(&NamespacedName::from_object(&after), Some(&before), Some(&after));
    let expected = [
        ("Agent/alice".to_owned(), Priority::Urgent),
        ("Agent/bob".to_owned(), Priority::Normal),
        ("Tenant/acme".to_owned(), Priority::Normal),
    ];
    assert_eq!(queued(&enqueuer).await, expected);
}

#[tokio::test(start_paused = true)]
async fn a_relays_log_filter_reconciles_only_the_relay() {
    let enqueuer = enqueuer();
    let relay = |generation: i64, spec: Value| -> Relay {
        let mut all = json!({"domain": "example.com",
            "store": {"type": "Embedded", "embedded": {"volume": {"size": "1Gi"}}}});
        all.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
        object("Relay", ("team", "main"), generation, all)
    };
    store(&enqueuer, &enqueuer.caches.tenants, tenant(1, json!({})));
    store(&enqueuer, &enqueuer.caches.agents, agent("team", "alice", true));
    let (before, after) = (relay(1, json!({})), relay(2, json!({"logFilter": "debug"})));
    enqueuer.enqueue_change(&NamespacedName::from_object(&after), Some(&before), Some(&after));
    assert_eq!(queued(&enqueuer).await, [("Relay/main".to_owned(), Priority::Normal)]);
}

#[tokio::test(start_paused = true)]
async fn a_tenant_that_moves_to_another_relay_is_counted_at_both() {
    let enqueuer = enqueuer();
    let (before, after) = (tenant(1, json!({})), tenant(2, json!({"relayRef": {"name": "second"}})));
    enqueuer.enqueue_change(&NamespacedName::from_object(&after), Some(&before), Some(&after));
    let expected = [
        ("Relay/main".to_owned(), Priority::Normal),
        ("Relay/second".to_owned(), Priority::Normal),
        ("Tenant/acme".to_owned(), Priority::Urgent),
    ];
    assert_eq!(queued(&enqueuer).await, expected);
}

#[tokio::test(start_paused = true)]
async fn a_new_leader_reconciles_relays_first() {
    let enqueuer = enqueuer();
    let relay: Relay = object(
        "Relay",
        ("team", "main"),
        1,
        json!({"domain": "example.com",
        "store": {"type": "Embedded", "embedded": {"volume": {"size": "1Gi"}}}}),
    );
    store(&enqueuer, &enqueuer.caches.relays, relay);
    store(&enqueuer, &enqueuer.caches.agents, agent("team", "alice", true));
    enqueuer.enqueue_all(&enqueuer.caches.agents);
    enqueuer.enqueue_all(&enqueuer.caches.relays);
    let expected = [("Agent/alice".to_owned(), Priority::Normal), ("Relay/main".to_owned(), Priority::First)];
    assert_eq!(queued(&enqueuer).await, expected);
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_is_accepted_leaves_no_place_to_others() {
    let enqueuer = enqueuer();
    store(&enqueuer, &enqueuer.caches.tenants, tenant(1, json!({"agents": {"max": 1}})));
    store(&enqueuer, &enqueuer.caches.agents, agent("team", "eleventh", false));
    let (before, after) = (agent("team", "first", false), agent("team", "first", true));
    enqueuer.enqueue_change(&NamespacedName::from_object(&after), Some(&before), Some(&after));
    assert_eq!(queued(&enqueuer).await, [("Tenant/acme".to_owned(), Priority::Normal)]);
    enqueuer
        .queue
        .finish(NamespacedName::new("team", "acme").key(Kind::Tenant), crate::queue::NextPass::OnEvent);
    enqueuer.enqueue_change(&NamespacedName::from_object(&after), Some(&after), Some(&before));
    assert!(queued(&enqueuer).await.contains(&("Agent/eleventh".to_owned(), Priority::Normal)));
}

/// The status of a Tenant that is paused, or gets consent back before anybody looked, does not
/// change.
#[tokio::test(start_paused = true)]
async fn agents_learn_of_their_tenants_consent_without_a_change_of_its_status() {
    let enqueuer = enqueuer();
    let selector = json!({"from": "Selector", "selector": {"matchLabels": {"relay": "yes"}}});
    let relay = |generation: i64, allowed: Value| -> Relay {
        object(
            "Relay",
            ("team", "main"),
            generation,
            json!({"domain": "example.com", "tenants": {"allowedFrom": allowed},
                "store": {"type": "Embedded", "embedded": {"volume": {"size": "1Gi"}}}}),
        )
    };
    let reference = json!({"relayRef": {"name": "main", "namespace": "team"}, "tenantId": "acme"});
    let tenant: Tenant = object("Tenant", ("guests", "acme"), 1, reference.clone());
    let rival: Tenant = object("Tenant", ("rivals", "rival"), 1, reference);
    let alice: Agent =
        object("Agent", ("team", "alice"), 1, json!({"tenantRef": {"name": "acme", "namespace": "guests"}}));
    store(&enqueuer, &enqueuer.caches.relays, relay(1, selector.clone()));
    store(&enqueuer, &enqueuer.caches.tenants, tenant);
    store(&enqueuer, &enqueuer.caches.tenants, rival);
    store(&enqueuer, &enqueuer.caches.agents, alice);
    let yes = BTreeMap::from([("relay".to_owned(), "yes".to_owned())]);
    enqueuer.enqueue_namespace("guests", Some(&yes), None);
    let expected = [
        ("Agent/alice".to_owned(), Priority::Normal),
        ("Tenant/acme".to_owned(), Priority::Urgent),
        ("Tenant/rival".to_owned(), Priority::Normal),
    ];
    assert_eq!(queued(&enqueuer).await, expected);
    for (kind, namespace, name) in
        [(Kind::Agent, "team", "alice"), (Kind::Tenant, "guests", "acme"), (Kind::Tenant, "rivals", "rival")]
    {
        let key = NamespacedName::new(namespace, name).key(kind);
        enqueuer.queue.finish(key, crate::queue::NextPass::OnEvent);
    }
    let (before, after) = (relay(1, json!({"from": "All"})), relay(2, selector));
    enqueuer.enqueue_change(&NamespacedName::from_object(&after), Some(&before), Some(&after));
    assert!(queued(&enqueuer).await.contains(&("Agent/alice".to_owned(), Priority::Normal)));
}
