//! Phases after the faults in which one object must not be touched: it is paused, or it cannot be
//! decoded.

use std::time::Duration;

use rand::RngExt;
use tokio::time::Instant;

use super::Simulation;
use super::user_actions::is_owned_by;
use crate::simulator::api_server::object_store::{ObjectChange, ObjectId};
use crate::simulator::checks::{self, Invariant};
use crate::simulator::model_relay::AppliedWrite;

/// How long an object is paused before and after it is changed.
const PAUSE_TTL: Duration = Duration::from_secs(20);
/// An object that goes on after a pause is as declared within this time.
const RESUMPTION_TIMEOUT: Duration = Duration::from_secs(180);
/// How long an object cannot be decoded. It contains a sweep.
const UNDECODABLE_TTL: Duration = Duration::from_secs(320);

impl Simulation {
    /// Pauses an object, changes it, and deletes a child of it. Nothing of it is written before it
    /// goes on, and then it becomes as declared.
    pub(super) async fn check_pause(&mut self) {
        let kind = ["Agent", "Tenant", "Relay"][self.rng.random_range(0..3)];
        let Some(id) = self.random_id(kind) else { return };
        self.set_paused(&id, true);
        self.pass(PAUSE_TTL).await;
        let (revision, uid) = self.cluster.server.with(|store| {
            let object = store.find(&id).unwrap();
            (store.revision(), object["metadata"]["uid"].as_str().unwrap_or_default().to_owned())
        });
        let relay_writes = self.cluster.relays.with(|state| state.applied.len());
        self.rename_object(&id);
        let child = self.delete_child_of(&uid);
        self.pass(PAUSE_TTL).await;
        let written = self.written_of(&id, &uid, revision, relay_writes);
        if !written.is_empty() {
            self.violation(Invariant::PauseRespected, format!("{id}: {}", written.join("; ")));
        }
        self.set_paused(&id, false);
        let differences = self.resume(child.as_ref()).await;
        if !differences.is_empty() {
            self.violation(Invariant::Convergence, format!("{id} goes on: {}", differences.join("; ")));
        }
    }

    /// Waits until everything is as declared again, and the child is back. Returns what is not.
    async fn resume(&mut self, child: Option<&ObjectId>) -> Vec<String> {
        let begun = Instant::now();
        loop {
            self.pass(Duration::from_secs(10)).await;
            // The child may be an authority, which nobody replaces without being asked.
            self.confirm_all();
            let mut differences = checks::differences(self);
            differences.extend(child.filter(|child| self.find(child).is_none()).map(ToString::to_string));
            if differences.is_empty() || begun.elapsed() > RESUMPTION_TIMEOUT {
                return differences;
            }
        }
    }

    /// Makes an object unreadable, as a newer version of its kind may. It and what refers to it
    /// keep their access and their status, also when the relay is listed.
    pub(super) async fn check_undecodable(&mut self) {
        let kind = ["Agent", "Tenant", "Relay"][self.rng.random_range(0..3)];
        let Some(id) = self.random_id(kind) else { return };
        let agents = |simulation: &Self| {
            let statuses = simulation.ids("Agent").into_iter().filter(|found| *found != id);
            statuses
                .map(|found| simulation.find(&found).map(|agent| agent["status"].clone()))
                .collect::<Vec<_>>()
        };
        let entries = |simulation: &Self| {
            simulation
                .cluster
                .relays
                .with(|state| state.volumes.values().map(|volume| volume.tenants.clone()).collect::<Vec<_>>())
        };
        let before = (agents(self), entries(self));
        let spec = self.find(&id).unwrap()["spec"].clone();
        self.edit(&id, "it cannot be decoded", |object| object["spec"] = "of a newer version".into());
        self.pass(Duration::from_secs(2)).await;
        self.pass_quietly(UNDECODABLE_TTL).await;
        if (agents(self), entries(self)) != before {
            self.violation(Invariant::UndecodableKept, format!("{id} cannot be decoded"));
        }
        self.edit(&id, "it can be decoded again", |object| object["spec"] = spec);
        let differences = self.resume(None).await;
        if !differences.is_empty() {
            self.violation(Invariant::Convergence, format!("{id} is back: {}", differences.join("; ")));
        }
    }

    /// What the operator wrote of an object since `revision`, except that it is paused.
    fn written_of(&self, id: &ObjectId, uid: &str, revision: u64, relay_writes: usize) -> Vec<String> {
        let is_child = |change: &ObjectChange| {
            let object = change.after.as_ref().or(change.before.as_ref());
            object.is_some_and(|object| is_owned_by(object, uid))
        };
        let is_allowed = |change: &ObjectChange| {
            let changed = checks::changed_members(change).unwrap_or_default();
            change.id == *id && changed.iter().all(|member| member.starts_with("status.conditions.Paused"))
        };
        let mut written = self.cluster.server.with(|store| {
            let changes = store.changes_after(revision).unwrap_or_default().iter();
            let of_operator = changes.filter(|change| checks::is_of_operator(change));
            let found =
                of_operator.filter(|change| (change.id == *id || is_child(change)) && !is_allowed(change));
            found
                .map(|change| format!("{}: {}", change.id, checks::shown_differences(change)))
                .collect::<Vec<_>>()
        });
        self.cluster.relays.with(|state| {
            let is_its =
                |write: &&AppliedWrite| write.is_change && write.writer.owner.kubernetes_uid() == Some(uid);
            let found = state.applied.iter().skip(relay_writes).filter(is_its);
            written.extend(found.map(|write| write.path.clone()));
        });
        written
    }
}
