//! Acts as users: platform teams, developers, and somebody who wants what is not theirs.

use rand::RngExt;
use serde_json::{Value, json};

use super::Simulation;
use crate::simulator::api_server::model_kind::ModelKind;
use crate::simulator::api_server::object_store::{ObjectId, ObjectStore};
use crate::simulator::checks;

pub(super) const MANAGER: &str = "kubectl";
/// Namespaces of teams. The relays admit those with the label.
pub(super) const TEAMS: [&str; 2] = ["team-a", "team-b"];
/// A namespace that no relay admits.
pub(super) const STRANGERS: &str = "strangers";
pub(super) const AGENT_NAMES: [&str; 4] = ["alice", "bob", "carol", "dave"];
const CHILD_KINDS: [&str; 7] = [
    "Service",
    "ConfigMap",
    "ServiceAccount",
    "StatefulSet",
    "Deployment",
    "NetworkPolicy",
    "PodDisruptionBudget",
];

impl Simulation {
    pub(super) fn act(&mut self) {
        match self.rng.random_range(0..30) {
            0..=2 => self.create_agent(),
            3 | 4 => self.delete_agent(),
            5 | 6 => self.toggle_suspension("Agent"),
            7 => self.toggle_suspension("Tenant"),
            8 | 9 => self.request_rotation(),
            10 => self.rename("Agent"),
            11 => self.rename("Tenant"),
            12 => self.replace_tenant(),
            13 => self.move_tenant(),
            14 | 15 => self.forge(),
            16 => self.change_consent(),
            17 => self.delete_child(),
            18 => self.edit_child(),
            19 => self.apply_orphaned_agent(),
            20 => self.break_image(),
            21 => self.occupy_secret_name(),
            22 => self.forge_finalizer(),
            _ => self.act_on_platform(),
        }
    }

    pub(super) fn create(&mut self, kind: &str, namespace: &str, object: Value) -> bool {
        let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let kind = ModelKind::named(kind);
        let created = self.cluster.server.with(|store| store.create(kind, namespace, MANAGER, object));
        if created.is_ok() {
            self.note(format!("user creates {} {namespace}/{name}", kind.kind));
        }
        created.is_ok()
    }

    pub(super) fn delete(&mut self, id: &ObjectId, policy: &str) {
        self.note(format!("user deletes {id} ({policy})"));
        let options = json!({"propagationPolicy": policy});
        drop(self.cluster.server.with(|store| store.delete(id, MANAGER, &options)));
    }

    pub(super) fn edit(&mut self, id: &ObjectId, what: &str, edit: impl FnOnce(&mut Value)) {
        self.note(format!("user changes {id}: {what}"));
        drop(self.cluster.server.with(|store| store.edit(id, false, MANAGER, edit)));
    }

    pub(super) fn ids(&self, kind: &str) -> Vec<ObjectId> {
        let kind = ModelKind::named(kind);
        self.cluster.server.with(|store| store.list(kind, "").into_iter().map(|(id, _)| id).collect())
    }

    pub(super) fn random_id(&mut self, kind: &str) -> Option<ObjectId> {
        let ids = self.ids(kind);
        self.random(&ids)
    }

    pub(super) fn find(&self, id: &ObjectId) -> Option<Value> {
        self.cluster.server.with(|store: &mut ObjectStore| store.find(id)).map(|value| Value::clone(&value))
    }

    fn create_agent(&mut self) {
        let Some(tenant) = self.random_id("Tenant") else { return };
        let name = AGENT_NAMES[self.rng.random_range(0..AGENT_NAMES.len())];
        let namespace = TEAMS[self.rng.random_range(0..TEAMS.len())];
        let mut spec = json!({"tenantRef": {"name": tenant.name, "namespace": tenant.namespace}});
        if self.rng.random_bool(0.2) {
            spec["handle"] = AGENT_NAMES[self.rng.random_range(0..AGENT_NAMES.len())].into();
        }
        if self.rng.random_bool(0.25) {
            spec["mcp"] = json!({"enabled": true});
        }
        if self.rng.random_bool(0.3) {
            spec["deletionPolicy"] = "Purge".into();
        }
        if self.rng.random_bool(0.3) {
            spec["credentials"] = json!({"rotation": {"overlap": "0s"}});
        }
        self.create("Agent", namespace, json!({"metadata": {"name": name}, "spec": spec}));
    }

    fn delete_agent(&mut self) {
        let Some(id) = self.random_id("Agent") else { return };
        self.delete(&id, "Background");
    }

    fn toggle_suspension(&mut self, kind: &str) {
        let Some(id) = self.random_id(kind) else { return };
        let Some(found) = self.find(&id) else { return };
        let suspend = found["spec"]["suspend"] != true;
        self.edit(&id, &format!("suspend: {suspend}"), |object| object["spec"]["suspend"] = suspend.into());
    }

    fn request_rotation(&mut self) {
        let Some(id) = self.random_id("Agent") else { return };
        let request = format!("request-{}", self.next_number());
        self.edit(&id, &format!("rotation {request}"), |object| {
            object["spec"]["credentials"]["rotation"]["requestedRotation"] = request.as_str().into();
        });
    }

    fn rename(&mut self, kind: &str) {
        let Some(id) = self.random_id(kind) else { return };
        self.rename_object(&id);
    }

    /// Gives an Agent or a Tenant another display name. Relays have none.
    pub(super) fn rename_object(&mut self, id: &ObjectId) {
        if id.kind.kind == "Relay" {
            return;
        }
        let name = format!("Name {}", self.next_number());
        self.edit(id, &name, |object| object["spec"]["displayName"] = name.as_str().into());
    }

    /// Deletes a Tenant and creates it again under the same name.
    fn replace_tenant(&mut self) {
        let Some(id) = self.random_id("Tenant") else { return };
        let Some(found) = self.find(&id) else { return };
        self.delete(&id, "Background");
        let metadata = json!({"name": id.name});
        self.create("Tenant", &id.namespace, json!({"metadata": metadata, "spec": found["spec"]}));
    }

    /// Creates the same Tenant in the other namespace, and deletes the first one.
    fn move_tenant(&mut self) {
        let Some(id) = self.random_id("Tenant").filter(|id| TEAMS.contains(&id.namespace.as_str())) else {
            return;
        };
        let Some(found) = self.find(&id) else { return };
        let other = TEAMS.into_iter().find(|team| *team != id.namespace).unwrap();
        let mut spec = found["spec"].clone();
        spec["relayRef"]["namespace"] =
            spec["relayRef"]["namespace"].as_str().unwrap_or(&id.namespace).into();
        let moved = json!({"metadata": {"name": id.name}, "spec": spec});
        let creates_first = self.rng.random_bool(0.5);
        if creates_first {
            self.create("Tenant", other, moved.clone());
        }
        self.delete(&id, "Background");
        self.create("Tenant", other, moved);
    }

    /// Claims what belongs to others from a namespace without consent, with the finalizers that the
    /// operator sets.
    fn forge(&mut self) {
        let Some(victim) = self.random_id("Agent").filter(|id| id.namespace != STRANGERS) else { return };
        let Some(agent) = self.find(&victim) else { return };
        let reference = &agent["spec"]["tenantRef"];
        let namespace = reference["namespace"].as_str().unwrap_or(&victim.namespace);
        let id = ObjectId::new(ModelKind::named("Tenant"), namespace, reference["name"].as_str().unwrap());
        let Some(tenant) = self.find(&id) else { return };
        let number = self.next_number();
        let mut spec = tenant["spec"].clone();
        spec["tenantId"] = spec["tenantId"].as_str().unwrap_or(&id.name).into();
        spec["relayRef"]["namespace"] =
            spec["relayRef"]["namespace"].as_str().unwrap_or(&id.namespace).into();
        let finalizers = |name: &str| json!({"name": format!("thief-{number}"), "finalizers": [name]});
        let metadata = finalizers(crds::label::TEARDOWN);
        self.create("Tenant", STRANGERS, json!({"metadata": metadata, "spec": spec}));
        let mut spec = agent["spec"].clone();
        spec["handle"] = spec["handle"].as_str().unwrap_or(&victim.name).into();
        // Through the forged Tenant, or directly.
        let tenant = if self.rng.random_bool(0.5) { format!("thief-{number}") } else { id.name.clone() };
        let namespace = if tenant == id.name { id.namespace.as_str() } else { STRANGERS };
        spec["tenantRef"] = json!({"name": tenant, "namespace": namespace});
        let metadata = finalizers(crds::label::REVOCATION);
        self.create("Agent", STRANGERS, json!({"metadata": metadata, "spec": spec}));
    }

    fn change_consent(&mut self) {
        let team = TEAMS[self.rng.random_range(0..TEAMS.len())];
        let id = ObjectId::new(ModelKind::named("Namespace"), "", team);
        let Some(found) = self.find(&id) else { return };
        let has_consent = found["metadata"]["labels"]["relay"] == "yes";
        let value = if has_consent { json!({}) } else { json!({"relay": "yes"}) };
        self.edit(&id, &format!("consent: {}", !has_consent), |namespace| {
            namespace["metadata"]["labels"] = value
        });
    }

    /// The objects that the operator made, without Secrets.
    pub(super) fn children(&self) -> Vec<ObjectId> {
        let is_child =
            |value: &Value| value["metadata"]["labels"][crds::label::MANAGED_BY] == crds::label::MANAGER;
        self.cluster.server.with(|store| {
            let found =
                store.all().filter(|(id, value)| CHILD_KINDS.contains(&id.kind.kind) && is_child(value));
            found.map(|(id, _)| id.clone()).collect()
        })
    }

    pub(super) fn delete_child(&mut self) {
        let Some(id) = self.random(&self.children()) else { return };
        self.delete(&id, "Background");
    }

    /// Deletes a child of the object with this uid, if it has one. Those of an object that is not
    /// ready are left alone, by the operator too.
    pub(super) fn delete_child_of(&mut self, uid: &str) -> Option<ObjectId> {
        let children = self.children().into_iter();
        let is_kept = |child: &Value| self.cluster.server.with(|store| checks::has_ready_owner(store, child));
        let is_meant = |child: &Value| is_owned_by(child, uid) && is_kept(child);
        let of_owner: Vec<_> =
            children.filter(|id| self.find(id).is_some_and(|child| is_meant(&child))).collect();
        let id = self.random(&of_owner)?;
        self.delete(&id, "Background");
        Some(id)
    }

    pub(super) fn edit_child(&mut self) {
        let Some(id) = self.random(&self.children()) else { return };
        self.edit(&id, "an edit by hand", |child| match child["kind"].as_str().unwrap() {
            "Service" => child["spec"]["ports"] = json!([{"name": "edited", "port": 1}]),
            "ConfigMap" => {
                child["data"].as_object_mut().unwrap().values_mut().for_each(|text| *text = "edited".into())
            }
            "NetworkPolicy" => child["spec"]["ingress"] = json!([]),
            "StatefulSet" | "Deployment" => child["spec"]["replicas"] = 0.into(),
            "PodDisruptionBudget" => child["spec"]["maxUnavailable"] = 9.into(),
            _ => child["automountServiceAccountToken"] = true.into(),
        });
    }

    /// `kubectl delete --cascade=orphan` and `kubectl apply`.
    fn apply_orphaned_agent(&mut self) {
        let Some(id) = self.random_id("Agent") else { return };
        let Some(found) = self.find(&id) else { return };
        self.delete(&id, "Orphan");
        self.create("Agent", &id.namespace, json!({"metadata": {"name": id.name}, "spec": found["spec"]}));
    }

    /// Creates a Secret under a name that the operator would choose.
    pub(super) fn occupy_secret_name(&mut self) {
        let team = TEAMS[self.rng.random_range(0..TEAMS.len())];
        let agent = AGENT_NAMES[self.rng.random_range(0..AGENT_NAMES.len())];
        let name = if self.rng.random_bool(0.5) {
            crds::name::agent_credentials(agent)
        } else {
            crds::name::agent_identity(agent)
        };
        self.create("Secret", team, json!({"metadata": {"name": name}, "data": {"mine": "bWluZQ=="}}));
    }

    /// Deletes the Secrets that users created.
    pub(super) fn remove_foreign_secrets(&mut self) {
        for id in self.ids("Secret") {
            if self.find(&id).is_some_and(|found| !found["data"]["mine"].is_null()) {
                self.delete(&id, "Background");
            }
        }
    }

    /// Deletes a Secret of the operator. It issues new keys, but no new identity and no new
    /// authority of a relay.
    pub(super) fn delete_secret(&mut self, kind: &str) {
        let secrets = self.ids("Secret").into_iter();
        let is_meant = |secret: &Value| secret["metadata"]["labels"][crds::label::SECRET_KIND] == kind;
        let found: Vec<_> =
            secrets.filter(|id| self.find(id).is_some_and(|found| is_meant(&found))).collect();
        let Some(id) = self.random(&found) else { return };
        self.delete(&id, "Background");
    }

    /// Sets an image that cannot be pulled, or puts it right.
    fn break_image(&mut self) {
        let Some(id) = self.random_id("Relay") else { return };
        self.set_image(&id);
    }

    fn set_image(&mut self, id: &ObjectId) {
        let Some(found) = self.find(id) else { return };
        let is_broken = found["spec"]["image"]["tag"] == crate::simulator::cluster_controllers::MISSING_TAG;
        let image = if is_broken {
            Value::Null
        } else {
            json!({"tag": crate::simulator::cluster_controllers::MISSING_TAG})
        };
        self.edit(id, &format!("image {image}"), |relay| relay["spec"]["image"] = image);
    }

    /// Puts every image right.
    pub(super) fn mend_images(&mut self) {
        for id in self.ids("Relay") {
            if self.find(&id).is_some_and(|relay| !relay["spec"]["image"].is_null()) {
                self.set_image(&id);
            }
        }
    }

    /// Adds the operator's finalizer to an object that it refused.
    fn forge_finalizer(&mut self) {
        let Some(id) = self.random_id("Agent") else { return };
        self.edit(&id, "a forged finalizer", |agent| {
            if agent["metadata"]["deletionTimestamp"].is_null() {
                agent["metadata"]["finalizers"] = json!([crds::label::REVOCATION]);
            }
        });
    }
}

pub(super) fn is_owned_by(object: &Value, uid: &str) -> bool {
    let owners = object["metadata"]["ownerReferences"].as_array().into_iter().flatten();
    owners.into_iter().any(|owner| owner["uid"] == uid)
}
