//! Invariants over everything that happened: Secrets that lose members, keys that are replaced, and
//! writes to entries of others.

use std::collections::BTreeSet;
use std::sync::Arc;

use protocol::Identity;
use protocol::admin::{AgentSpec, Owner};
use serde_json::Value;
use tokio::time::Instant;

use super::{Invariant, Simulation, condition, confirmation, is_of_operator, key_overlap};
use crate::secret;
use crate::simulator::api_server::object_store::ObjectChange;
use crate::simulator::expected_state::NameClaim;
use crate::simulator::model_relay::{AppliedWrite, RelayVolume, WriteKind};
use crate::simulator::simulation::LOST_UID_PREFIX;

/// Members of Secrets that the operator removes in normal operation.
const TRANSIENT_MEMBERS: [&str; 4] = ["token.next", "next.crt", "next.key", "former.crt"];

/// Checks the whole history of a run.
pub(crate) fn check_history(simulation: &mut Simulation) {
    let changes = simulation.cluster.server.with(|store| store.history().to_vec());
    let (applied, restored) =
        simulation.cluster.relays.with(|state| (state.applied.clone(), state.restored.clone()));
    let mut found = Vec::new();
    for change in changes.iter().filter(|change| change.id.kind.plural == "secrets" && is_of_operator(change))
    {
        found.extend(lost_members(change).map(|what| (Invariant::SecretMembers, what)));
        found.extend(replaced_key(change).map(|what| (Invariant::KeptKeys, what)));
        found.extend(overwritten(change).map(|what| (Invariant::ForeignSecrets, what)));
    }
    let early = key_overlap::early_ends(&changes, &simulation.cluster.clock);
    found.extend(early.into_iter().map(|what| (Invariant::KeptOverlaps, what)));
    found.extend(confirmation::check(&changes, &applied));
    found.extend(unfenced(simulation).into_iter().map(|what| (Invariant::Fencing, what)));
    let unapplied = unapplied(&changes, &applied, &restored);
    found.extend(unapplied.into_iter().map(|what| (Invariant::ProgrammedBeforeReady, what)));
    let without_term = applied.iter().filter(|write| write.writer.term.is_none());
    found.extend(
        without_term.map(|write| (Invariant::Terms, format!("{} was written without a term", write.path))),
    );
    found.extend(foreign_writes(simulation, &applied).into_iter().map(|what| (Invariant::EntryOwners, what)));
    found.extend(writes_to_people(&applied).into_iter().map(|what| (Invariant::PeoplesEntries, what)));
    if !found.is_empty() {
        simulation.events.extend(super::summary(simulation));
    }
    for (invariant, what) in found {
        simulation.violation(invariant, what);
    }
}

/// Writes that arrived from a process that did not hold the lease. Events prove nothing to anybody.
fn unfenced(simulation: &Simulation) -> Vec<String> {
    let writes = simulation
        .networks()
        .flat_map(|network| network.all_writes().into_iter().map(|write| (network.name().to_owned(), write)));
    let late = writes.filter(|(_, write)| !write.is_leader && !write.summary.contains(" events "));
    late.map(|(name, write)| format!("{name}: {}", write.summary)).collect()
}

fn lost_members(change: &ObjectChange) -> Option<String> {
    let members = |object: &Value| -> BTreeSet<String> {
        object["data"].as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect()
    };
    let (before, after) = (change.before.as_ref()?, change.after.as_ref()?);
    let kept = members(after);
    let is_transient = |name: &String| TRANSIENT_MEMBERS.contains(&name.as_str()) || name.ends_with(".pem");
    let lost: Vec<String> =
        members(before).into_iter().filter(|name| !kept.contains(name) && !is_transient(name)).collect();
    (!lost.is_empty()).then(|| format!("{} lost {lost:?}", change.id))
}

/// An identity and an authority stay what they are: a run is shorter than their renewal.
fn replaced_key(change: &ObjectChange) -> Option<String> {
    let (before, after) = (change.before.as_ref()?, change.after.as_ref()?);
    let kind = before["metadata"]["labels"][crds::label::SECRET_KIND].as_str()?;
    let is_replaced = match kind {
        crds::label::SECRET_IDENTITY => root_key(before) != root_key(after),
        crds::label::SECRET_CA | crds::label::SECRET_ADMIN => before["data"] != after["data"],
        _ => false,
    };
    is_replaced.then(|| format!("{} got another content", change.id))
}

/// The root key in an identity Secret.
fn root_key(secret: &Value) -> Option<[u8; 32]> {
    let secret = serde_json::from_value(secret.clone()).ok()?;
    let text = secret::text(&secret, "identity.json")?;
    Identity::from_key_file(&text).ok().map(|identity| identity.root_public().to_bytes())
}

/// A Secret that a user created is not the operator's, whatever its name.
fn overwritten(change: &ObjectChange) -> Option<String> {
    let (before, after) = (change.before.as_ref()?, change.after.as_ref()?);
    let is_foreign = before["metadata"]["labels"][crds::label::SECRET_KIND].is_null();
    (is_foreign && before["data"] != after["data"]).then(|| format!("{} was overwritten", change.id))
}

/// An Agent is programmed only when its relay has the content that the status is about, by the last
/// write or with a volume that was put back since: the suspension of that generation, and the
/// active key. That a volume took the content of a write back is found by the next listing.
fn unapplied(
    changes: &[ObjectChange],
    applied: &[AppliedWrite],
    restored: &[(Instant, RelayVolume)],
) -> Vec<String> {
    let reports = changes.iter().filter(|change| change.id.kind.kind == "Agent" && is_new_report(change));
    let unapplied = reports.filter_map(|change| {
        let after = change.after.as_ref()?;
        let uid = after["metadata"]["uid"].as_str()?;
        let puts = applied.iter().filter_map(|write| {
            let WriteKind::Put(content) = &write.kind else { return None };
            let content = serde_json::from_value::<AgentSpec>(content.clone()).ok()?;
            (write.writer.owner.kubernetes_uid() == Some(uid)).then_some((write.at, content))
        });
        let Some((written, content)) = puts.filter(|(at, _)| *at <= change.at).next_back() else {
            return Some(format!("{} was programmed when nothing had been applied", change.id));
        };
        let returned = restored.iter().filter(|(at, _)| (written..=change.at).contains(at));
        let mut returned = returned.flat_map(|(_, volume)| volume.owned_agents(uid));
        let difference = content_difference(after, &content)?;
        if returned.any(|content| content_difference(after, content).is_none()) {
            return None;
        }
        let later = change.at.duration_since(written).as_secs_f64();
        Some(format!(
            "{} was programmed when the last applied content was {difference}, {later:.3} s before",
            change.id
        ))
    });
    unapplied.collect()
}

/// Whether the change says of a generation or of keys for the first time that the relay has them.
fn is_new_report(change: &ObjectChange) -> bool {
    let report = |object: &Option<Arc<Value>>| {
        let object = object.as_ref().filter(|object| condition(object, "Programmed") == "True")?;
        Some((object["status"]["observedGeneration"].clone(), object["status"]["keys"].clone()))
    };
    report(&change.after).is_some_and(|after| report(&change.before) != Some(after))
}

/// What an applied content lacks of an Agent that is said to be programmed. A suspension is
/// compared only while the status is about the current spec.
fn content_difference(agent: &Value, content: &AgentSpec) -> Option<String> {
    let is_current = agent["status"]["observedGeneration"] == agent["metadata"]["generation"];
    let suspended = agent["spec"]["suspend"] == true;
    if is_current && content.suspended != suspended {
        return Some(format!("suspended: {}", content.suspended));
    }
    let keys = agent["status"]["keys"].as_array().into_iter().flatten();
    let active = keys.filter(|key| key["state"] == "Active").filter_map(|key| key["keyId"].as_str());
    let is_missing = |id: &&str| !content.keys.iter().any(|key| key.sha256.key_id().as_str() == *id);
    active.filter(is_missing).map(|id| format!("without the key {id}")).next()
}

/// Writes of objects to entries that they never could claim, and deletions of the entries of
/// others.
fn foreign_writes(simulation: &Simulation, applied: &[AppliedWrite]) -> Vec<String> {
    let claims = &simulation.claims;
    let is_foreign = |relay: &crate::object_key::NamespacedName, path: &str, uid: &str| {
        !claims.iter().any(|(claimant, claim): &(String, NameClaim)| {
            let below = path
                .strip_prefix(&*claim.path())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
            claimant == uid && claim.relay == *relay && below
        })
    };
    let writes = applied.iter().filter(|write| write.is_change);
    let foreign = writes.filter(|write| match &write.writer.owner {
        Owner::Kubernetes(uid) if uid.starts_with(LOST_UID_PREFIX) => false,
        Owner::Kubernetes(uid) => is_foreign(&write.relay, &write.path, uid),
        Owner::CommandLine | Owner::Registration | Owner::Newer(_) => false,
    });
    foreign
        .map(|write| format!("{:?} wrote {} of {:?}", write.writer.owner, write.path, write.before))
        .collect()
}

/// Writes of objects to entries that a person made at the command line, or an agent by itself.
fn writes_to_people(applied: &[AppliedWrite]) -> Vec<String> {
    let is_peoples =
        |write: &&AppliedWrite| matches!(write.before, Some(Owner::CommandLine | Owner::Registration));
    let found = applied.iter().filter(|write| write.is_change).filter(is_peoples);
    found
        .map(|write| format!("{:?} wrote {} of {:?}", write.writer.owner, write.path, write.before))
        .collect()
}
