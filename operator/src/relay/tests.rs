//! Reconciles a Relay against a model of the API server in which some of its names are taken.

use std::time::Duration;

use crds::condition::Condition;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{Namespace, Secret, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::api::PostParams;
use kube::{Api, Client, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::*;
use crate::simulator::api_server::ApiServer;
use crate::simulator::model_clock::ModelClock;
use crate::simulator::model_process::{ModelCluster, ModelProcess};
use crate::simulator::model_relay::ModelRelays;
use crate::simulator::network::{FaultRates, ModelNetwork};

/// An operator that leads and has seen everything, in virtual time.
const RECONCILED_TIMEOUT: Duration = Duration::from_secs(60);

struct Fixture {
    client: Client,
    cluster: ModelCluster,
}

impl Fixture {
    /// A cluster with the Relay `main` and a gateway.
    async fn new() -> Self {
        let clock = ModelClock::start();
        let server = ApiServer::new(clock.clone());
        let client = server.client(&ModelNetwork::perfect());
        let fixture =
            Self { client, cluster: ModelCluster { server, relays: ModelRelays::default(), clock } };
        let namespaces = Api::<Namespace>::all(fixture.client.clone());
        // The Lease is in the second one.
        for name in ["team", "msg2agent-system"] {
            let namespace = serde_json::from_value(json!({"metadata": {"name": name}})).unwrap();
            namespaces.create(&PostParams::default(), &namespace).await.unwrap();
        }
        fixture
            .create::<Relay>("main", json!({"spec": {"domain": "a.example", "gateway": {"enabled": true}}}))
            .await;
        fixture
    }

    fn api<K: Resource<DynamicType = (), Scope = NamespaceResourceScope>>(&self) -> Api<K> {
        Api::namespaced(self.client.clone(), "team")
    }

    async fn create<K>(&self, name: &str, content: Value)
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
        K: Clone + std::fmt::Debug + Serialize + DeserializeOwned,
    {
        let mut object = content;
        object["apiVersion"] = K::api_version(&()).into();
        object["kind"] = K::kind(&()).into();
        object["metadata"] = json!({"name": name, "namespace": "team"});
        let object = serde_json::from_value(object).unwrap();
        self.api::<K>().create(&PostParams::default(), &object).await.unwrap();
    }

    async fn exists<K>(&self, name: &str) -> bool
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
        K: Clone + std::fmt::Debug + DeserializeOwned,
    {
        self.api::<K>().get_metadata_opt(name).await.unwrap().is_some()
    }

    /// Runs an operator until the Relay has been reconciled several times. Returns its conditions.
    async fn reconciled(&self) -> Vec<Condition> {
        let rates = FaultRates { refused: 0, answer_lost: 0, slow: 0, watch_ended: 0 };
        let process = ModelProcess::start(&self.cluster, "operator-1".into(), 1, rates, None);
        tokio::time::sleep(RECONCILED_TIMEOUT).await;
        process.kill();
        self.api::<Relay>().get("main").await.unwrap().status.unwrap().conditions
    }
}

fn message<'a>(conditions: &'a [Condition], about: &str) -> &'a str {
    let condition = conditions.iter().find(|condition| condition.type_ == about).unwrap();
    assert_eq!(condition.status, "False");
    &condition.message
}

#[tokio::test(start_paused = true)]
async fn an_object_that_cannot_be_applied_holds_up_no_other_one_and_the_condition_names_each() {
    let fixture = Fixture::new().await;
    fixture.create::<Service>("main", json!({})).await;
    fixture.create::<PodDisruptionBudget>("main", json!({})).await;
    fixture.create::<ServiceAccount>("main-gateway", json!({})).await;
    let conditions = fixture.reconciled().await;
    let available = message(&conditions, "Available");
    assert!(available.contains("Service team/main exists"), "{available}");
    assert!(available.contains("PodDisruptionBudget team/main exists"), "{available}");
    let gateway = message(&conditions, "GatewayReady");
    assert!(gateway.contains("ServiceAccount team/main-gateway exists"), "{gateway}");
    assert!(fixture.exists::<ServiceAccount>("main").await);
    assert!(fixture.exists::<NetworkPolicy>("main").await);
    assert!(fixture.exists::<StatefulSet>("main").await);
    assert!(fixture.exists::<Service>("main-gateway").await);
    assert!(fixture.exists::<Deployment>("main-gateway").await);
}

#[tokio::test(start_paused = true)]
async fn a_workload_waits_for_its_secrets_and_other_objects_do_not() {
    let fixture = Fixture::new().await;
    fixture.create::<Secret>("main-tls", json!({})).await;
    let conditions = fixture.reconciled().await;
    let certificate = message(&conditions, "CertificateReady");
    assert!(certificate.contains("Secret team/main-tls exists"), "{certificate}");
    assert!(!fixture.exists::<StatefulSet>("main").await, "it would mount somebody else's Secret");
    assert!(fixture.exists::<Service>("main").await && fixture.exists::<Service>("main-gateway").await);
    assert!(fixture.exists::<Secret>("main-oauth-keys").await);
}
