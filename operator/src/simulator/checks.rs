//! The invariants, against what the API server and the relays hold.

use std::fmt;

use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt as _;
use protocol::admin::Owner;
use protocol::api_key::ApiKey;
use serde_json::Value;

use super::api_server::model_kind::ModelKind;
use super::api_server::object_store::{ObjectChange, ObjectId, ObjectStore};
use super::expected_state::{ExpectedState, NameClaim};
use super::simulation::{LOST_UID_PREFIX, Simulation};

mod confirmation;
mod history;
mod invariant;
mod key_overlap;
mod summary;

pub(crate) use history::check_history;
pub(crate) use invariant::Invariant;
pub(crate) use key_overlap::last_overlap_end;
pub(crate) use summary::summary;

#[derive(Debug, Clone)]
pub(crate) struct Violation {
    pub(crate) invariant: Invariant,
    pub(crate) what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not true: {}: {:.700}", self.invariant, self.what)
    }
}

/// Whether the operator made a change.
pub(crate) fn is_of_operator(change: &ObjectChange) -> bool {
    change.manager.starts_with(crate::apply::FIELD_MANAGER) || change.manager == "unknown"
}

/// The status of a condition of a custom resource.
fn condition(object: &Value, about: &str) -> String {
    let conditions = object["status"]["conditions"].as_array().into_iter().flatten();
    let mut found = conditions.filter(|condition| condition["type"] == about);
    found.next().and_then(|condition| condition["status"].as_str()).unwrap_or("absent").to_owned()
}

/// The reasons of all conditions, for messages.
fn reasons(object: &Value) -> String {
    let conditions = object["status"]["conditions"].as_array().into_iter().flatten();
    let reasons: Vec<_> = conditions.filter_map(|condition| condition["reason"].as_str()).collect();
    reasons.join(" ")
}

/// Whether some condition has this reason.
pub(crate) fn has_reason(object: &Value, reason: &str) -> bool {
    object["status"]["conditions"]
        .as_array()
        .into_iter()
        .flatten()
        .any(|condition| condition["reason"] == reason)
}

/// Whether the owner of a child is ready, so that the child is kept.
pub(crate) fn has_ready_owner(store: &ObjectStore, child: &Value) -> bool {
    let labels = &child["metadata"]["labels"];
    let namespace = child["metadata"]["namespace"].as_str().unwrap_or_default();
    let owner = [("Agent", crds::label::AGENT), ("Relay", crds::label::RELAY)].into_iter().find_map(
        |(kind, label)| Some(ObjectId::new(ModelKind::named(kind), namespace, labels[label].as_str()?)),
    );
    owner.and_then(|owner| store.find(&owner)).is_some_and(|owner| condition(&owner, "Ready") == "True")
}

fn raw(store: &ObjectStore, kind: &str, object: &impl kube::Resource) -> Value {
    let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
    store
        .find(&ObjectId::new(ModelKind::named(kind), &namespace, &name))
        .map(|value| Value::clone(&value))
        .unwrap_or_default()
}

/// Whether the object is the accepted holder of a claim.
fn holds(object: &Value, claim: &Option<NameClaim>) -> bool {
    claim.is_some() && condition(object, "Accepted") == "True"
}

/// Whether a person made the entry, or an agent that registered itself.
pub(crate) fn is_of_people(owner: &Option<Owner>) -> bool {
    matches!(owner, Some(Owner::CommandLine | Owner::Registration))
}

/// Whether the entry of a claimed name, or the tenant that it is in, belongs to people, so that no
/// object gets it.
fn is_taken_by_people(simulation: &Simulation, claim: &NameClaim) -> bool {
    let tenant = NameClaim { agent: None, ..claim.clone() };
    simulation.cluster.relays.with(|state| {
        let Some(volume) = state.volume_of(&claim.relay) else { return false };
        [claim, &tenant].into_iter().any(|claim| is_of_people(&volume.owner_at(&claim.path())))
    })
}

/// Entries that lost their objects and are still there. Only a listing shows them.
fn lost_entries(simulation: &Simulation) -> Vec<String> {
    simulation.cluster.relays.with(|state| {
        let volumes = state.relays.keys().filter_map(|relay| Some((relay, state.volume_of(relay)?)));
        let tenants =
            volumes.flat_map(|(relay, volume)| volume.tenants.iter().map(move |found| (relay, found)));
        let is_lost = |owner: &Option<Owner>| {
            let uid = owner.as_ref().and_then(Owner::kubernetes_uid);
            uid.is_some_and(|uid| uid.starts_with(LOST_UID_PREFIX))
        };
        let lost = tenants.filter(|(_, (_, tenant))| is_lost(&tenant.owner));
        lost.map(|(relay, (id, _))| format!("{relay} still holds {id}, which has no object")).collect()
    })
}

/// Agents that a relay admits although nobody may hold their name, or although it is suspended.
pub(crate) fn admitted_in_error(simulation: &Simulation) -> Vec<String> {
    let expected = simulation.cluster.server.with(|store| ExpectedState::observe(store));
    let may_be_admitted = |claim: &NameClaim, owner: Option<&str>| {
        expected.agents.values().any(|agent| {
            let tenant = expected.tenant_of(&agent.object);
            let is_suspended =
                agent.object.spec.suspend || tenant.is_none_or(|tenant| tenant.object.spec.suspend);
            let is_owner = owner == agent.object.metadata.uid.as_deref();
            is_owner && agent.claim.as_ref() == Some(claim) && !is_suspended
        })
    };
    let mut found = Vec::new();
    simulation.cluster.relays.with(|state| {
        for relay in state.relays.keys() {
            let Some(volume) = state.volume_of(relay) else { continue };
            for (tenant, record) in &volume.tenants {
                for (name, agent) in &record.agents {
                    let claim = NameClaim {
                        relay: relay.clone(),
                        tenant: tenant.to_string(),
                        agent: Some(name.to_string()),
                    };
                    let owner = agent.owner.as_ref().and_then(Owner::kubernetes_uid);
                    let is_lost = owner.is_some_and(|uid| uid.starts_with(LOST_UID_PREFIX));
                    if volume.admits(tenant.as_str(), name.as_str())
                        && !is_of_people(&agent.owner)
                        && !is_lost
                        && !may_be_admitted(&claim, owner)
                    {
                        found.push(format!("{relay} admits {} of {:?}", claim.path(), agent.owner));
                    }
                }
            }
        }
    });
    found
}

/// Everything that is not as declared.
pub(crate) fn differences(simulation: &Simulation) -> Vec<String> {
    let mut found = lost_entries(simulation);
    simulation.cluster.server.with(|store| {
        let expected = ExpectedState::observe(store);
        for id in store.list(ModelKind::named("Namespace"), "") {
            if !id.1["metadata"]["deletionTimestamp"].is_null() {
                found.push(format!("{} is still being deleted", id.0));
            }
        }
        for (name, relay) in &expected.relays {
            let status = condition(&raw(store, "Relay", relay), "Ready");
            if status != "True" {
                found.push(format!("Relay {name} is Ready={status}"));
            }
        }
        for (name, tenant) in &expected.tenants {
            let object = raw(store, "Tenant", &tenant.object);
            let rivals = expected.tenants.values().filter(|other| other.claim == tenant.claim);
            let rivals: Vec<Value> = rivals.map(|rival| raw(store, "Tenant", &rival.object)).collect();
            let who = format!("Tenant {name}");
            check_claimant(&mut found, &who, &object, &tenant.claim, &rivals);
            if tenant.claim.as_ref().is_some_and(|claim| is_taken_by_people(simulation, claim)) {
                check_taken(&mut found, &who, &object);
            }
        }
        for (name, agent) in &expected.agents {
            let object = raw(store, "Agent", &agent.object);
            let tenant = expected.tenant_of(&agent.object);
            let is_tenant_held =
                tenant.is_some_and(|tenant| holds(&raw(store, "Tenant", &tenant.object), &tenant.claim));
            let claim = agent.claim.clone().filter(|_| is_tenant_held);
            let rivals = expected.agents.values().filter(|other| {
                other.claim == agent.claim
                    && other.object.spec.tenant_ref.name == agent.object.spec.tenant_ref.name
            });
            let rivals: Vec<Value> = rivals.map(|rival| raw(store, "Agent", &rival.object)).collect();
            let who = format!("Agent {name}");
            check_claimant(&mut found, &who, &object, &claim, &rivals);
            if claim.as_ref().is_some_and(|claim| is_taken_by_people(simulation, claim)) {
                check_taken(&mut found, &who, &object);
            } else if holds(&object, &claim) {
                let suspended =
                    agent.object.spec.suspend || tenant.is_some_and(|tenant| tenant.object.spec.suspend);
                check_agent(simulation, store, &mut found, &who, &object, claim.as_ref().unwrap(), suspended);
            }
        }
    });
    found
}

/// Exactly one of those who may claim a name is accepted. The others are refused.
fn check_claimant(
    found: &mut Vec<String>,
    who: &str,
    object: &Value,
    claim: &Option<NameClaim>,
    rivals: &[Value],
) {
    if !object["metadata"]["deletionTimestamp"].is_null() {
        found.push(format!("{who} is still being deleted"));
        return;
    }
    if object["status"]["observedGeneration"] != object["metadata"]["generation"] {
        found
            .push(format!("the status of {who} is of generation {}", object["status"]["observedGeneration"]));
    }
    let accepted = condition(object, "Accepted");
    if claim.is_none() && accepted != "False" {
        found.push(format!("{who} may claim nothing and is Accepted={accepted}"));
    }
    if claim.is_some() {
        let holders = rivals.iter().filter(|rival| condition(rival, "Accepted") == "True").count();
        if holders != 1 {
            found.push(format!("{holders} of {} claimants hold the name of {who}", rivals.len()));
        }
    }
}

/// An object whose name at the relay belongs to people is not ready.
fn check_taken(found: &mut Vec<String>, who: &str, object: &Value) {
    if condition(object, "Ready") == "True" {
        found.push(format!("{who} is ready although its name belongs to somebody else"));
    }
}

/// An accepted agent has its content at the relay, under its own name.
fn check_agent(
    simulation: &Simulation,
    store: &ObjectStore,
    found: &mut Vec<String>,
    who: &str,
    object: &Value,
    claim: &NameClaim,
    is_suspended: bool,
) {
    if has_reason(object, "DidChanged") {
        // Its namespace has the identity of another agent. Somebody has to decide.
        return;
    }
    if has_reason(object, "SecretNameConflict") && has_secret_of_another_did(store, object) {
        // An orphan of another agent of that name. Somebody has to decide, too.
        return;
    }
    let ready = condition(object, "Ready");
    if ready != "True" {
        found.push(format!("{who} is Ready={ready}: {}", reasons(object)));
    }
    found.extend(
        other_authority(store, object, claim)
            .then(|| format!("the Secret of {who} has another authority than its relay")),
    );
    let uid = object["metadata"]["uid"].as_str().unwrap();
    simulation.cluster.relays.with(|state| {
        let Some(volume) = state.volume_of(&claim.relay) else { return };
        let Some(record) = volume.agent(&claim.tenant, claim.agent.as_deref().unwrap()) else {
            found.push(format!("the relay has nothing of {who}"));
            return;
        };
        if record.owner.as_ref().and_then(Owner::kubernetes_uid) != Some(uid) {
            found.push(format!("at the relay, {who} belongs to {:?}", record.owner));
        }
        if !is_suspended && !volume.admits(&claim.tenant, claim.agent.as_deref().unwrap()) {
            found.push(format!("the relay does not admit {who}"));
        }
        match active_key(store, object) {
            Some(key) if record.spec.keys.iter().any(|held| held.sha256 == key.hash()) || is_suspended => {}
            Some(_) => found.push(format!("the relay does not know the key of {who}")),
            None => found.push(format!("the Secret of {who} has no key")),
        }
    });
}

/// Whether the credentials Secret of an agent has another authority than the relay.
fn other_authority(store: &ObjectStore, agent: &Value, claim: &NameClaim) -> bool {
    let member = |secret: Option<Secret>, name: &str| crate::secret::text(&secret?, name);
    let relays = secret_of(store, &claim.relay.namespace, &crds::name::relay_ca(&claim.relay.name));
    member(credentials(store, agent), "ca.crt") != member(relays, "tls.crt")
}

/// The key in the credentials Secret of an agent.
fn active_key(store: &ObjectStore, agent: &Value) -> Option<ApiKey> {
    crate::secret::text(&credentials(store, agent)?, "token")?.parse().ok()
}

/// Whether the credentials Secret of an agent is one of another DID.
fn has_secret_of_another_did(store: &ObjectStore, agent: &Value) -> bool {
    let did = credentials(store, agent).and_then(|secret| crate::secret::text(&secret, "did"));
    did.is_some_and(|did| agent["status"]["did"].as_str() != Some(&*did))
}

fn credentials(store: &ObjectStore, agent: &Value) -> Option<Secret> {
    let name = agent["status"]["secretName"].as_str()?;
    secret_of(store, agent["metadata"]["namespace"].as_str()?, name)
}

fn secret_of(store: &ObjectStore, namespace: &str, name: &str) -> Option<Secret> {
    let secret = store.find(&ObjectId::new(ModelKind::named("Secret"), namespace, name))?;
    serde_json::from_value(Value::clone(&secret)).ok()
}

/// The members that differ, for messages.
pub(crate) fn shown_differences(change: &ObjectChange) -> String {
    let Some(mut found) = changed_members(change) else { return "created or deleted".into() };
    found.truncate(4);
    found.join(", ")
}

/// Each member that differs, with its values. `None`: the object was created or deleted.
pub(crate) fn changed_members(change: &ObjectChange) -> Option<Vec<String>> {
    let (before, after) = (change.before.as_ref()?, change.after.as_ref()?);
    let mut found = Vec::new();
    collect_differences(&by_type(before), &by_type(after), &mut Vec::new(), &mut found);
    Some(found)
}

/// The object with its conditions by their type, so that they are compared one by one.
fn by_type(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(conditions) = object["status"]["conditions"].as_array().cloned() {
        let named = conditions
            .into_iter()
            .map(|condition| (condition["type"].as_str().unwrap().to_owned(), condition));
        object["status"]["conditions"] = Value::Object(named.collect());
    }
    object
}

fn collect_differences(before: &Value, after: &Value, path: &mut Vec<String>, found: &mut Vec<String>) {
    if before == after || path.last().is_some_and(|name| name == "resourceVersion") {
        return;
    }
    let (Value::Object(one), Value::Object(two)) = (before, after) else {
        found.push(format!("{} from {before:.100} to {after:.100}", path.join(".")));
        return;
    };
    for name in one.keys().chain(two.keys().filter(|name| !one.contains_key(*name))) {
        path.push(name.clone());
        collect_differences(&before[name], &after[name], path, found);
        path.pop();
    }
}
