//! Tests of the model API server through the operator's own Kubernetes client.

use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, Preconditions};
use kube::core::PartialObjectMeta;
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt as _, reflector};
use kube::{Api, Client, ResourceExt};
use serde_json::json;

use super::*;
use crate::simulator::network::FaultRates;

struct Fixture {
    server: ApiServer,
    network: ModelNetwork,
    client: Client,
}

impl Fixture {
    async fn new() -> Self {
        let (server, network) = (ApiServer::new(ModelClock::start()), ModelNetwork::perfect());
        let client = server.client(&network);
        let namespace: Namespace = object(json!({"metadata": {"name": "team"}}));
        Api::<Namespace>::all(client.clone()).create(&PostParams::default(), &namespace).await.unwrap();
        Self { server, network, client }
    }

    fn maps(&self) -> Api<ConfigMap> {
        Api::namespaced(self.client.clone(), "team")
    }

    fn agents(&self) -> Api<crds::Agent> {
        Api::namespaced(self.client.clone(), "team")
    }

    async fn create(&self, name: &str, metadata: Value) -> ConfigMap {
        let mut map: ConfigMap = object(json!({"metadata": metadata, "data": {"x": "1"}}));
        map.metadata.name = Some(name.into());
        self.maps().create(&PostParams::default(), &map).await.unwrap()
    }
}

fn object<K: serde::de::DeserializeOwned>(value: Value) -> K {
    serde_json::from_value(value).unwrap()
}

fn code<T: std::fmt::Debug>(result: kube::Result<T>) -> u16 {
    match result.unwrap_err() {
        kube::Error::Api(status) => status.code,
        other => panic!("{other}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_with_an_old_resource_version_is_a_conflict() {
    let fixture = Fixture::new().await;
    let first = fixture.create("a", json!({})).await;
    let mut second = first.clone();
    second.data.as_mut().unwrap().insert("x".into(), "2".into());
    let replaced = fixture.maps().replace("a", &PostParams::default(), &second).await.unwrap();
    assert_ne!(replaced.resource_version(), first.resource_version());
    assert_eq!(code(fixture.maps().replace("a", &PostParams::default(), &second).await), 409);
    let again = fixture.maps().replace("a", &PostParams::default(), &replaced).await.unwrap();
    assert_eq!(again.resource_version(), replaced.resource_version(), "an unchanged object is not written");
    assert_eq!(
        code(
            fixture.maps().create(&PostParams::default(), &object(json!({"metadata": {"name": "a"}}))).await
        ),
        409
    );
    assert!(fixture.maps().get_opt("b").await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_change_of_the_spec_increments_the_generation_and_a_status_is_written_apart() {
    let fixture = Fixture::new().await;
    let agent: crds::Agent = object(json!({"apiVersion": "msg2agent.xyz/v1alpha1", "kind": "Agent",
        "metadata": {"name": "a"}, "spec": {"tenantRef": {"name": "acme"}}}));
    fixture.agents().create(&PostParams::default(), &agent).await.unwrap();
    let suspend = Patch::Merge(json!({"spec": {"suspend": true}, "status": {"did": "ignored"}}));
    let patched = fixture.agents().patch("a", &PatchParams::default(), &suspend).await.unwrap();
    assert_eq!((patched.metadata.generation, patched.status.is_none()), (Some(2), true));
    let status = Patch::Apply(json!({"apiVersion": "msg2agent.xyz/v1alpha1", "kind": "Agent",
        "metadata": {"name": "a", "uid": patched.uid()}, "status": {"observedGeneration": 2}}));
    let params = PatchParams::apply("status").force();
    let patched = fixture.agents().patch_status("a", &params, &status).await.unwrap();
    assert_eq!((patched.metadata.generation, patched.status.is_some()), (Some(2), true));
    let other = Patch::Apply(json!({"apiVersion": "msg2agent.xyz/v1alpha1", "kind": "Agent",
        "metadata": {"name": "a", "uid": "another"}, "status": {"observedGeneration": 3}}));
    assert_eq!(code(fixture.agents().patch_status("a", &params, &other).await), 409);
    assert_eq!(code(fixture.agents().patch_status("b", &params, &status).await), 404);
}

#[tokio::test(start_paused = true)]
async fn an_object_with_a_finalizer_stays_until_it_is_removed() {
    let fixture = Fixture::new().await;
    fixture.create("a", json!({"finalizers": ["x.y/z"]})).await;
    let wrong = Preconditions { uid: Some("another".into()), resource_version: None };
    let params = DeleteParams { preconditions: Some(wrong), ..DeleteParams::default() };
    assert_eq!(code(fixture.maps().delete("a", &params).await.map(drop)), 409);
    fixture.maps().delete("a", &DeleteParams::default()).await.unwrap();
    let held = fixture.maps().get("a").await.unwrap();
    assert!(held.metadata.deletion_timestamp.is_some());
    let added = Patch::Merge(json!({"metadata": {"finalizers": ["x.y/z", "more"]}}));
    assert_eq!(code(fixture.maps().patch("a", &PatchParams::default(), &added).await), 422);
    let removed = Patch::Merge(json!({"metadata": {"finalizers": []}}));
    fixture.maps().patch("a", &PatchParams::default(), &removed).await.unwrap();
    assert!(fixture.maps().get_opt("a").await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn an_object_without_living_owners_is_collected_and_an_orphaned_one_stays() {
    let fixture = Fixture::new().await;
    let owner = fixture.create("owner", json!({})).await;
    let reference = json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner.uid()}]);
    fixture.create("child", json!({"ownerReferences": reference})).await;
    fixture.maps().delete("owner", &DeleteParams::background()).await.unwrap();
    assert!(fixture.server.with(ObjectStore::collect_garbage));
    assert!(fixture.maps().get_opt("child").await.unwrap().is_none());

    let owner = fixture.create("owner", json!({})).await;
    let reference = json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner.uid()}]);
    fixture.create("child", json!({"ownerReferences": reference})).await;
    fixture.maps().delete("owner", &DeleteParams::orphan()).await.unwrap();
    assert!(!fixture.server.with(ObjectStore::collect_garbage));
    assert_eq!(fixture.maps().get("child").await.unwrap().owner_references().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_deleted_namespace_takes_its_objects_along_and_refuses_new_ones() {
    let fixture = Fixture::new().await;
    fixture.create("held", json!({"finalizers": ["x.y/z"]})).await;
    let namespaces = Api::<Namespace>::all(fixture.client.clone());
    namespaces.delete("team", &DeleteParams::default()).await.unwrap();
    fixture.server.with(ObjectStore::collect_garbage);
    let late: ConfigMap = object(json!({"metadata": {"name": "late"}}));
    assert_eq!(code(fixture.maps().create(&PostParams::default(), &late).await), 403);
    let removed = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    fixture.maps().patch("held", &PatchParams::default(), &removed).await.unwrap();
    fixture.server.with(ObjectStore::collect_garbage);
    assert!(namespaces.get_opt("team").await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_list_in_pages_is_one_snapshot() {
    let fixture = Fixture::new().await;
    for name in ["a", "b", "c", "d", "e"] {
        fixture.create(name, json!({"labels": {"kept": "yes"}})).await;
    }
    let params = ListParams::default().limit(2).labels("kept=yes");
    let first = fixture.maps().list(&params).await.unwrap();
    fixture.maps().delete("d", &DeleteParams::default()).await.unwrap();
    fixture.create("f", json!({"labels": {"kept": "yes"}})).await;
    let mut names: Vec<String> = first.iter().map(ResourceExt::name_any).collect();
    let mut token = first.metadata.continue_.unwrap();
    while !token.is_empty() {
        let page = fixture.maps().list(&params.clone().continue_token(&token)).await.unwrap();
        assert_eq!(page.metadata.resource_version, first.metadata.resource_version);
        names.extend(page.iter().map(ResourceExt::name_any));
        token = page.metadata.continue_.unwrap();
    }
    assert_eq!(names, ["a", "b", "c", "d", "e"]);
}

#[tokio::test(start_paused = true)]
async fn a_reflector_follows_changes_through_expired_watches() {
    let fixture = Fixture::new().await;
    let (store, writer) = reflector::store::<PartialObjectMeta<ConfigMap>>();
    let config = watcher::Config::default().labels("kept").page_size(2);
    let events = watcher::watcher(Api::all(fixture.client.clone()), config).default_backoff();
    tokio::spawn(reflector(writer, events).for_each(async |_| {}));
    for round in 0..5 {
        for name in ["a", "b", "c"] {
            fixture.create(&format!("{name}-{round}"), json!({"labels": {"kept": "yes"}})).await;
        }
        fixture.create(&format!("other-{round}"), json!({})).await;
        if round > 0 {
            fixture.maps().delete(&format!("a-{round}"), &DeleteParams::default()).await.unwrap();
            let unlabelled = Patch::Merge(json!({"metadata": {"labels": {"kept": null}}}));
            fixture.maps().patch(&format!("b-{round}"), &PatchParams::default(), &unlabelled).await.unwrap();
        }
        if round == 2 {
            // Silent for longer than the client waits, and everything in between is compacted.
            fixture.network.delay_watch("configmaps", Duration::from_secs(400), Duration::from_secs(400));
            fixture.maps().delete("c-1", &DeleteParams::default()).await.unwrap();
            fixture.server.with(ObjectStore::compact);
        }
        tokio::time::sleep(Duration::from_secs(500)).await;
    }
    let mut names: Vec<String> = store.state().iter().map(|found| found.name_any()).collect();
    names.sort();
    assert_eq!(names, ["a-0", "b-0", "c-0", "c-2", "c-3", "c-4"]);
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_lags_shows_the_change_later() {
    let fixture = Fixture::new().await;
    let events = watcher::watcher(fixture.maps(), watcher::Config::default());
    let mut events = std::pin::pin!(
        events.try_filter(|event| std::future::ready(matches!(event, Event::InitDone | Event::Apply(_))))
    );
    assert!(matches!(events.next().await.unwrap().unwrap(), Event::InitDone));
    fixture.network.delay_watch("configmaps", Duration::from_secs(60), Duration::from_secs(7));
    let begun = tokio::time::Instant::now();
    fixture.create("a", json!({})).await;
    assert!(matches!(events.next().await.unwrap().unwrap(), Event::Apply(_)));
    assert!((7..8).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_write_whose_answer_is_lost_was_applied() {
    let fixture = Fixture::new().await;
    let lossy = ModelNetwork::new("test", 1, FaultRates { answer_lost: 1000, ..FaultRates::default() }, None);
    let maps = Api::<ConfigMap>::namespaced(fixture.server.client(&lossy), "team");
    let map: ConfigMap = object(json!({"metadata": {"name": "a"}}));
    maps.create(&PostParams::default(), &map).await.unwrap_err();
    assert!(maps.get_opt("a").await.unwrap().is_some());
    lossy.cut();
    let cut = tokio::time::timeout(Duration::from_secs(60), maps.get_opt("a")).await;
    assert!(cut.is_err(), "nothing is answered over a network that was cut");
}

#[tokio::test(start_paused = true)]
async fn secrets_are_listed_as_metadata_only() {
    let fixture = Fixture::new().await;
    let secret: Secret = object(json!({"metadata": {"name": "a"}, "data": {"token": "YQ=="}}));
    let secrets = Api::<Secret>::namespaced(fixture.client.clone(), "team");
    secrets.create(&PostParams::default(), &secret).await.unwrap();
    let list = secrets.list_metadata(&ListParams::default()).await.unwrap();
    assert_eq!(list.items[0].name_any(), "a");
    assert_eq!(list.types.kind, "PartialObjectMetadataList");
}
