//! Invariants over everything that happened: Secrets that lose members, keys that are replaced, and
//! writes to entries of others.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use protocol::Identity;
use protocol::admin::Owner;
use serde_json::Value;

use super::{Simulation, condition, is_of_operator};
use crate::secret;
use crate::simulator::api_server::object_store::ObjectChange;
use crate::simulator::expected_state::NameClaim;
use crate::simulator::model_relay::AppliedWrite;

/// Members of Secrets that the operator removes in normal operation.
const TRANSIENT_MEMBERS: [&str; 4] = ["token.next", "next.crt", "next.key", "former.crt"];

/// A request that was under way when its process died arrives this much later at most.
const UNDER_WAY_GRACE: Duration = Duration::from_secs(4);

/// Checks the whole history of a run.
pub(crate) fn check_history(simulation: &mut Simulation) {
    let changes = simulation.cluster.server.with(|store| store.history().to_vec());
    let mut found = Vec::new();
    for change in changes.iter().filter(|change| change.id.kind.plural == "secrets" && is_of_operator(change))
    {
        found.extend(lost_members(change).map(|what| ("secret members", what)));
        found.extend(replaced_key(change).map(|what| ("keys", what)));
        found.extend(overwritten(change).map(|what| ("foreign secrets", what)));
    }
    found.extend(replaced_identities(&changes).into_iter().map(|what| ("keys", what)));
    let late = simulation.networks().flat_map(|network| {
        let writes = network
            .all_writes()
            .into_iter()
            .filter(|write| !write.is_leader && !write.summary.contains(" events "));
        writes.map(|write| format!("{}: {}", network.name(), write.summary))
    });
    found.extend(late.map(|what| ("fencing", what)));
    let applied = simulation.cluster.relays.with(|state| state.applied.clone());
    let without_term = applied.iter().filter(|write| write.writer.term.is_none());
    found.extend(early_ready(&changes, &applied).into_iter().map(|what| ("ready", what)));
    found.extend(without_term.map(|write| ("terms", format!("{} was written without a term", write.path))));
    found.extend(foreign_writes(simulation).into_iter().map(|what| ("owners", what)));
    for (invariant, what) in found {
        simulation.violation(invariant, what);
    }
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

/// An identity that was lost is replaced only after somebody said so.
fn replaced_identities(changes: &[ObjectChange]) -> Vec<String> {
    let (mut agents, mut found) = (BTreeMap::new(), Vec::new());
    let mut recorded_at = BTreeMap::new();
    for change in changes {
        let Some(after) = &change.after else { continue };
        let labels = &after["metadata"]["labels"];
        if change.id.kind.kind == "Agent" {
            let name = (&change.id.namespace, change.id.name.as_str());
            agents.insert(name, after);
            recorded_at.entry((name, after["status"]["rootKeyMultibase"].to_string())).or_insert(change.at);
        }
        if change.before.is_some() || labels[crds::label::SECRET_KIND] != crds::label::SECRET_IDENTITY {
            continue;
        }
        let name = labels[crds::label::AGENT].as_str().unwrap();
        let name = (&change.id.namespace, name);
        let Some(agent) = agents.get(&name) else { continue };
        let recorded = &agent["status"]["rootKeyMultibase"];
        let confirmed = &agent["metadata"]["annotations"][crds::label::CONFIRM_NEW_IDENTITY];
        let is_known = recorded_at
            .get(&(name, recorded.to_string()))
            .is_some_and(|at| change.at.duration_since(*at) > UNDER_WAY_GRACE);
        if !recorded.is_null() && recorded != confirmed && is_known {
            found.push(format!("{} was created, and its agent had {recorded}", change.id));
        }
    }
    found
}

/// A Secret that a user created is not the operator's, whatever its name.
fn overwritten(change: &ObjectChange) -> Option<String> {
    let (before, after) = (change.before.as_ref()?, change.after.as_ref()?);
    let is_foreign = before["metadata"]["labels"][crds::label::SECRET_KIND].is_null();
    (is_foreign && before["data"] != after["data"]).then(|| format!("{} was overwritten", change.id))
}

/// An Agent is Ready only after a relay has applied its content.
fn early_ready(changes: &[ObjectChange], applied: &[AppliedWrite]) -> Vec<String> {
    let is_ready = |object: &Option<Arc<Value>>| {
        object.as_ref().is_some_and(|object| condition(object, "Ready") == "True")
    };
    let became_ready = changes.iter().filter(|change| {
        change.id.kind.kind == "Agent" && is_ready(&change.after) && !is_ready(&change.before)
    });
    let early = became_ready.filter(|change| {
        let uid = change.after.as_ref().and_then(|after| after["metadata"]["uid"].as_str());
        let is_its =
            |write: &&AppliedWrite| write.writer.owner.kubernetes_uid() == uid && write.at <= change.at;
        !applied.iter().any(|write| is_its(&write))
    });
    early.map(|change| format!("{} became ready before a relay had its content", change.id)).collect()
}

/// Writes of objects to entries that they never could claim, and deletions of the entries of
/// others.
fn foreign_writes(simulation: &Simulation) -> Vec<String> {
    let claims = &simulation.claims;
    let is_foreign = |relay: &crate::object_key::NamespacedName, path: &str, uid: &str| {
        !claims.iter().any(|(claimant, claim): &(String, NameClaim)| {
            let below = path
                .strip_prefix(&*claim.path())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
            claimant == uid && claim.relay == *relay && below
        })
    };
    let applied = simulation.cluster.relays.with(|state| state.applied.clone());
    let writes = applied.iter().filter(|write| write.is_change);
    let foreign = writes.filter(|write| match &write.writer.owner {
        Owner::Kubernetes(uid) => is_foreign(&write.relay, &write.path, uid),
        Owner::CommandLine | Owner::Registration | Owner::Newer(_) => false,
    });
    foreign
        .map(|write| format!("{:?} wrote {} of {:?}", write.writer.owner, write.path, write.before))
        .collect()
}
