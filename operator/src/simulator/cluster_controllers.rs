//! Models of the controllers of a cluster: StatefulSets and Deployments start pods, claims have
//! volumes, endpoint slices name ready pods, and dependents of deleted objects are collected.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use crds::label;
use rand::RngExt;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::api_server::ApiServer;
use super::api_server::model_kind::ModelKind;
use super::api_server::object_store::{ObjectId, ObjectStore};
use super::model_relay::{ModelRelays, SimulatedRelay};
use crate::object_key::NamespacedName;
use crate::secret;

const MANAGER: &str = "kube-controller-manager";
/// A pod whose image has this tag never starts.
pub(crate) const MISSING_TAG: &str = "missing";
/// Addresses of pods are used again soon, by other relays too.
const ADDRESSES_MAX: u8 = 6;

/// One pod of a workload.
#[derive(Debug)]
struct ModelPod {
    template: Value,
    /// `None`: never.
    ready_at: Option<Instant>,
    address: IpAddr,
}

impl ModelPod {
    fn is_ready(&self) -> bool {
        self.ready_at.is_some_and(|at| at <= Instant::now())
    }
}

/// The controllers and their pods.
#[derive(Debug)]
pub(crate) struct ClusterControllers {
    server: ApiServer,
    relays: ModelRelays,
    pods: BTreeMap<ObjectId, ModelPod>,
    addresses: u8,
}

impl ClusterControllers {
    pub(crate) fn new(server: ApiServer, relays: ModelRelays) -> Self {
        Self { server, relays, pods: BTreeMap::new(), addresses: 0 }
    }

    /// One pass of every controller.
    pub(crate) fn run_once(&mut self, rng: &mut StdRng) {
        let server = self.server.clone();
        server.with(|store| {
            store.collect_garbage();
            for kind in ["StatefulSet", "Deployment"] {
                let workloads = store.list(ModelKind::named(kind), "");
                self.pods
                    .retain(|id, _| id.kind.kind != kind || workloads.iter().any(|(found, _)| found == id));
                for (id, workload) in workloads {
                    self.reconcile_workload(store, &id, &workload, rng);
                }
            }
            self.serve_relays(store);
            remove_slices_without_service(store);
        });
    }

    /// Restarts the pod of a workload, as after an eviction.
    pub(crate) fn evict(&mut self, relay: &NamespacedName) {
        let name = crds::name::relay(&relay.name);
        self.pods.remove(&ObjectId::new(ModelKind::named("StatefulSet"), &relay.namespace, &name));
    }

    fn reconcile_workload(
        &mut self,
        store: &mut ObjectStore,
        id: &ObjectId,
        workload: &Value,
        rng: &mut StdRng,
    ) {
        let template = &workload["spec"]["template"];
        let replaces_broken =
            id.kind.kind == "Deployment" || workload["spec"]["podManagementPolicy"] == "Parallel";
        let is_current = |pod: &ModelPod| pod.template == *template || !(pod.is_ready() || replaces_broken);
        if !self.pods.get(id).is_some_and(is_current) {
            let image = template["spec"]["containers"][0]["image"].as_str().unwrap_or_default();
            let starts = Instant::now() + Duration::from_millis(rng.random_range(500..6_000));
            let ready_at = (!image.ends_with(MISSING_TAG)).then_some(starts);
            let address = self.free_address();
            self.pods.insert(id.clone(), ModelPod { template: template.clone(), ready_at, address });
        }
        let pod = &self.pods[id];
        let is_updated = pod.template == *template;
        let ready = i32::from(pod.is_ready());
        let updated = if is_updated { 1 } else { 0 };
        let status = json!({
            "observedGeneration": workload["metadata"]["generation"], "replicas": 1, "readyReplicas": ready,
            "availableReplicas": ready, "updatedReplicas": updated, "currentReplicas": updated,
        });
        if workload["status"] != status {
            store.edit(id, true, MANAGER, |workload| workload["status"] = status).unwrap();
        }
        if id.kind.kind == "StatefulSet" {
            bind_claims(store, id, workload);
        }
    }

    fn free_address(&mut self) -> IpAddr {
        loop {
            self.addresses =
                self.addresses % ADDRESSES_MAX.max(u8::try_from(self.pods.len()).unwrap() + 2) + 1;
            let address = IpAddr::V4(Ipv4Addr::new(10, 0, 0, self.addresses));
            if self.pods.values().all(|pod| pod.address != address) {
                return address;
            }
        }
    }

    /// Connects the pods of relays with their volumes, and publishes their addresses.
    fn serve_relays(&self, store: &mut ObjectStore) {
        let mut serving = BTreeMap::new();
        for (id, set) in store.list(ModelKind::named("StatefulSet"), "") {
            let labels = &set["metadata"]["labels"];
            let Some(relay) = labels[label::RELAY].as_str().filter(|_| labels[label::AGENT].is_null()) else {
                continue;
            };
            let pod = &self.pods[&id];
            let name = NamespacedName::new(&id.namespace, relay);
            publish_slice(store, &name, pod);
            serving.insert(name, pod.is_ready().then_some(pod.address));
        }
        self.relays.with(|state| {
            state.relays.retain(|name, _| serving.contains_key(name));
            for (name, address) in serving {
                let Some(claim) = claim_of(store, &name) else { continue };
                state.volume(&claim);
                let (token, domain) = (admin_token(store, &name), domain_of(store, &name));
                let unreachable_until = state.relays.get(&name).and_then(|relay| relay.unreachable_until);
                state
                    .relays
                    .insert(name, SimulatedRelay { claim, address, token, domain, unreachable_until });
            }
        });
    }
}

/// Creates the missing claims of a StatefulSet. They stay when it is deleted, unless its policy
/// says otherwise.
fn bind_claims(store: &mut ObjectStore, id: &ObjectId, set: &Value) {
    for template in set["spec"]["volumeClaimTemplates"].as_array().into_iter().flatten() {
        let name = format!("{}-{}-0", template["metadata"]["name"].as_str().unwrap(), id.name);
        let kind = ModelKind::named("PersistentVolumeClaim");
        if store.find(&ObjectId::new(kind, &id.namespace, &name)).is_some() {
            continue;
        }
        let mut metadata = json!({"name": name, "labels": set["spec"]["selector"]["matchLabels"]});
        if set["spec"]["persistentVolumeClaimRetentionPolicy"]["whenDeleted"] == "Delete" {
            metadata["ownerReferences"] = json!([{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": id.name, "uid": set["metadata"]["uid"]}]);
        }
        let claim = json!({"metadata": metadata, "spec": template["spec"]});
        drop(store.create(kind, &id.namespace, MANAGER, claim));
    }
}

fn claim_of(store: &ObjectStore, relay: &NamespacedName) -> Option<String> {
    let suffix = format!("-{}-0", crds::name::relay(&relay.name));
    let claims = store.list(ModelKind::named("PersistentVolumeClaim"), &relay.namespace);
    let (_, claim) = claims.into_iter().find(|(id, _)| id.name.ends_with(&suffix))?;
    claim["metadata"]["uid"].as_str().map(str::to_owned)
}

/// The content of the Secret that the relay's pod mounts.
fn admin_token(store: &ObjectStore, relay: &NamespacedName) -> String {
    let id =
        ObjectId::new(ModelKind::named("Secret"), &relay.namespace, &crds::name::relay_admin(&relay.name));
    let found = store.find(&id).and_then(|found| serde_json::from_value(Value::clone(&found)).ok());
    found.and_then(|found| secret::text(&found, "token")).map(|token| token.to_string()).unwrap_or_default()
}

fn domain_of(store: &ObjectStore, relay: &NamespacedName) -> String {
    let id = ObjectId::new(ModelKind::named("Relay"), &relay.namespace, &relay.name);
    let domain = store.find(&id).and_then(|found| found["spec"]["domain"].as_str().map(str::to_owned));
    domain.unwrap_or_else(|| "deleted.example".into())
}

fn publish_slice(store: &mut ObjectStore, relay: &NamespacedName, pod: &ModelPod) {
    let service = crds::name::relay_headless(&relay.name);
    let service_id = ObjectId::new(ModelKind::named("Service"), &relay.namespace, &service);
    let Some(found) = store.find(&service_id) else { return };
    let mut labels = found["metadata"]["labels"].clone();
    labels["kubernetes.io/service-name"] = service.as_str().into();
    let endpoints =
        json!([{"addresses": [pod.address.to_string()], "conditions": {"ready": pod.is_ready()}}]);
    let id = ObjectId::new(ModelKind::named("EndpointSlice"), &relay.namespace, &format!("{service}-abcde"));
    if let Some(slice) = store.find(&id) {
        if slice["metadata"]["labels"] == labels && slice["endpoints"] == endpoints {
            return;
        }
        let edit = |slice: &mut Value| {
            slice["metadata"]["labels"] = labels;
            slice["endpoints"] = endpoints;
        };
        store.edit(&id, false, MANAGER, edit).unwrap();
        return;
    }
    let slice = json!({"metadata": {"name": id.name, "labels": labels}, "addressType": "IPv4",
        "endpoints": endpoints, "ports": []});
    drop(store.create(id.kind, &id.namespace, MANAGER, slice));
}

fn remove_slices_without_service(store: &mut ObjectStore) {
    for (id, slice) in store.list(ModelKind::named("EndpointSlice"), "") {
        let service = slice["metadata"]["labels"]["kubernetes.io/service-name"].as_str().unwrap_or_default();
        let service = ObjectId::new(ModelKind::named("Service"), &id.namespace, service);
        if store.find(&service).is_none() {
            drop(store.delete(&id, MANAGER, &Value::Null));
        }
    }
}
