//! Tests of applying and deleting owned objects, against a model of the API server.

use k8s_openapi::api::core::v1::{Namespace, Service};
use kube::api::PostParams;
use serde_json::{Value, json};

use super::*;
use crate::queue::Queue;
use crate::simulator::api_server::ApiServer;
use crate::simulator::model_clock::ModelClock;
use crate::simulator::network::ModelNetwork;

struct Fixture {
    client: Client,
    applier: Applier,
    caches: Arc<Caches>,
}

impl Fixture {
    async fn new() -> Self {
        let server = ApiServer::new(ModelClock::start());
        let client = server.client(&ModelNetwork::perfect());
        let namespace: Namespace = serde_json::from_value(json!({"metadata": {"name": "team"}})).unwrap();
        Api::all(client.clone()).create(&PostParams::default(), &namespace).await.unwrap();
        let caches = Arc::new(Caches::new(Arc::new(Queue::default())));
        Self { client, applier: Applier::new(Arc::clone(&caches)), caches }
    }

    fn services(&self) -> Api<Service> {
        Api::namespaced(self.client.clone(), "team")
    }

    async fn create(&self, service: &Service) -> Service {
        self.services().create(&PostParams::default(), service).await.unwrap()
    }

    async fn apply(&self, owner: &str, port: i32) -> Result<()> {
        self.applier.apply(&self.client, owner, &service(owner, "main", port)).await
    }

    /// Removes the Service `main` for a Relay of this uid and name.
    async fn remove(&self, uid: &str, relay: &str) {
        let labels = service(uid, relay, 1).metadata.labels.unwrap();
        let owner = ChildOwner { uid, labels: &labels };
        let name = NamespacedName::new("team", "main");
        self.applier.remove::<Service>(&self.client, owner, &name).await.unwrap();
    }

    async fn port(&self) -> i32 {
        self.services().get("main").await.unwrap().spec.unwrap().ports.unwrap()[0].port
    }
}

/// A Service of the Relay `relay` with this uid.
fn service(owner: &str, relay: &str, port: i32) -> Service {
    let reference =
        json!({"apiVersion": "msg2agent.xyz/v1alpha1", "kind": "Relay", "name": relay, "uid": owner});
    with_owners(&json!([reference]), relay, port)
}

/// The owners of an object that nobody living owns.
fn without_living_owner() -> [Value; 2] {
    let dead =
        json!({"apiVersion": "msg2agent.xyz/v1alpha1", "kind": "Relay", "name": "main", "uid": "dead"});
    [json!([]), json!([dead])]
}

fn with_owners(owners: &Value, relay: &str, port: i32) -> Service {
    serde_json::from_value(json!({
        "metadata": {"name": "main", "namespace": "team", "ownerReferences": owners,
            "labels": {"app.kubernetes.io/managed-by": "msg2agent-operator", "msg2agent.xyz/relay": relay}},
        "spec": {"ports": [{"port": port}]},
    }))
    .unwrap()
}

/// A Relay in the caches, so that it is a living owner.
fn living_relay(caches: &Caches, name: &str, uid: &str) {
    let relay: crds::Relay = serde_json::from_value(json!({
        "apiVersion": "msg2agent.xyz/v1alpha1", "kind": "Relay",
        "metadata": {"name": name, "namespace": "team", "uid": uid},
        "spec": {"domain": "example.com", "store": {"type": "Embedded", "embedded": {"volume": {"size": "1Gi"}}}},
    }))
    .unwrap();
    caches.relays.insert(NamespacedName::new("team", name), Arc::new(relay));
}

#[tokio::test(start_paused = true)]
async fn an_object_of_somebody_else_is_not_changed() {
    let fixture = Fixture::new().await;
    let foreign: Service = serde_json::from_value(json!({"metadata": {"name": "main", "namespace": "team"},
        "spec": {"ports": [{"port": 1}]}}))
    .unwrap();
    fixture.create(&foreign).await;
    let refused = fixture.apply("relay-1", 2).await;
    assert!(matches!(refused, Err(Error::NameTaken { .. })), "{refused:?}");
    assert_eq!(fixture.port().await, 1);
}

#[tokio::test(start_paused = true)]
async fn an_object_of_another_object_of_ours_is_neither_changed_nor_deleted() {
    let fixture = Fixture::new().await;
    living_relay(&fixture.caches, "other", "relay-2");
    let created = fixture.create(&service("relay-2", "other", 1)).await;
    fixture.caches.fingerprints.saw(&created);
    let refused = fixture.apply("relay-1", 2).await;
    assert!(matches!(refused, Err(Error::NameTaken { .. })), "{refused:?}");
    fixture.remove("relay-1", "main").await;
    assert_eq!(fixture.port().await, 1);
    fixture.remove("relay-2", "other").await;
    assert!(fixture.services().get_opt("main").await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn an_object_that_was_created_again_since_the_watch_saw_it_is_not_deleted() {
    let fixture = Fixture::new().await;
    let seen = fixture.create(&service("relay-1", "main", 1)).await;
    fixture.caches.fingerprints.saw(&seen);
    fixture.services().delete("main", &DeleteParams::default()).await.unwrap();
    fixture.create(&service("relay-2", "main", 2)).await;
    let (name, labels) = (NamespacedName::new("team", "main"), seen.metadata.labels.clone().unwrap());
    let owner = ChildOwner { uid: "relay-1", labels: &labels };
    let refused = fixture.applier.remove::<Service>(&fixture.client, owner, &name).await;
    assert!(refused.is_err(), "{refused:?}");
    assert_eq!(fixture.port().await, 2);
}

#[tokio::test(start_paused = true)]
async fn an_object_without_a_living_owner_is_adopted() {
    for owners in without_living_owner() {
        let fixture = Fixture::new().await;
        let created = fixture.create(&with_owners(&owners, "main", 1)).await;
        fixture.caches.fingerprints.saw(&created);
        fixture.apply("relay-1", 2).await.unwrap();
        let adopted = fixture.services().get("main").await.unwrap();
        assert!(adopted.owner_references().iter().any(|owner| owner.uid == "relay-1"), "{adopted:?}");
        assert_eq!(fixture.port().await, 2);
    }
}

#[tokio::test(start_paused = true)]
async fn an_unchanged_object_costs_no_request_and_a_changed_one_is_put_back() {
    let fixture = Fixture::new().await;
    fixture.apply("relay-1", 2).await.unwrap();
    let seen = fixture.services().get("main").await.unwrap();
    fixture.caches.fingerprints.saw(&seen);
    fixture.apply("relay-1", 2).await.unwrap();
    let version = |service: &Service| service.metadata.resource_version.clone();
    assert_eq!(version(&fixture.services().get("main").await.unwrap()), version(&seen));
    let key = ChildKey::from_object(&seen);
    fixture.services().delete("main", &DeleteParams::default()).await.unwrap();
    fixture.caches.fingerprints.saw_deletion(&seen);
    assert!(fixture.caches.fingerprints.seen(&key).is_none());
    fixture.apply("relay-1", 2).await.unwrap();
    assert_eq!(fixture.port().await, 2);
}

#[tokio::test(start_paused = true)]
async fn an_object_that_is_not_wanted_and_has_no_living_owner_is_deleted() {
    for owners in without_living_owner() {
        let fixture = Fixture::new().await;
        let created = fixture.create(&with_owners(&owners, "main", 1)).await;
        fixture.caches.fingerprints.saw(&created);
        fixture.remove("relay-1", "other").await;
        assert_eq!(fixture.port().await, 1, "it has the labels of another Relay");
        fixture.remove("relay-1", "main").await;
        assert!(fixture.services().get_opt("main").await.unwrap().is_none());
    }
}

/// The cache does not know the owner yet, and the API server does.
#[tokio::test(start_paused = true)]
async fn an_object_of_an_owner_that_only_the_api_server_knows_is_not_deleted() {
    let fixture = Fixture::new().await;
    let caches = Caches::new(Arc::new(Queue::default()));
    living_relay(&caches, "main", "new");
    let relay = caches.relay(&NamespacedName::new("team", "main")).unwrap();
    let relays = Api::<crds::Relay>::namespaced(fixture.client.clone(), "team");
    let relay = relays.create(&PostParams::default(), &relay).await.unwrap();
    let created = fixture.create(&service(&relay.uid().unwrap(), "main", 1)).await;
    fixture.caches.fingerprints.saw(&created);
    fixture.remove("former", "main").await;
    assert_eq!(fixture.port().await, 1);
}
