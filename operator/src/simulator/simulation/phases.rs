//! The phases around the faults: what exists before them, and what must be true after them.

use std::time::Duration;

use rand::RngExt;
use serde_json::json;
use tokio::time::Instant;

use super::Simulation;
use super::user_actions::{STRANGERS, TEAMS};
use crate::object_key::NamespacedName;
use crate::simulator::api_server::object_store::{ObjectChange, ObjectId};
use crate::simulator::checks::{self, Invariant};

/// After the last fault, an agent that was deleted or suspended is refused within this time.
const REVOCATION_TIMEOUT: Duration = Duration::from_secs(90);
/// After the last fault, everything is as declared within this time.
const CONVERGENCE_TIMEOUT: Duration = Duration::from_secs(900);
/// A deleted child is back within this time.
const CHILD_TIMEOUT: Duration = Duration::from_secs(30);
/// A former owner's entry is released with the first sweep after its successor had time to write,
/// and that may change a status. What comes later has no reason.
const SETTLING_TTL: Duration = Duration::from_secs(400);
/// Longer than any overlap of the simulation's keys.
const OVERLAP_TTL: Duration = Duration::from_secs(25 * 3600);
/// After the end of the last overlap.
const OVERLAP_GRACE: Duration = Duration::from_secs(3600);
/// How long nothing may be written. It contains a sweep.
const IDLE_TTL: Duration = Duration::from_secs(320);

impl Simulation {
    pub(super) fn prepare(&mut self) {
        for (name, labels) in [
            ("msg2agent-system", json!({})),
            ("platform", json!({})),
            (STRANGERS, json!({})),
            (TEAMS[0], json!({"relay": "yes"})),
            (TEAMS[1], json!({"relay": "yes"})),
        ] {
            self.create("Namespace", "", json!({"metadata": {"name": name, "labels": labels}}));
        }
        let relays = self.rng.random_range(1..=2);
        for number in 1..=relays {
            let consent =
                json!({"allowedFrom": {"from": "Selector", "selector": {"matchLabels": {"relay": "yes"}}}});
            let spec = json!({"domain": format!("relay-{number}.example"), "tenants": consent});
            self.create(
                "Relay",
                "platform",
                json!({"metadata": {"name": format!("main-{number}")}, "spec": spec}),
            );
        }
        for (number, team) in TEAMS.iter().enumerate() {
            let relay = format!("main-{}", self.rng.random_range(1..=relays));
            let reference = json!({"name": relay, "namespace": "platform"});
            let spec = json!({"relayRef": reference, "agents": {"allowedFrom": {"from": "All"}}});
            self.create(
                "Tenant",
                team,
                json!({"metadata": {"name": format!("tenant-{number}")}, "spec": spec}),
            );
            if self.rng.random_bool(0.3) {
                self.occupy_secret_name();
            }
            let spec = json!({"tenantRef": {"name": format!("tenant-{number}")}});
            self.create("Agent", team, json!({"metadata": {"name": "alice"}, "spec": spec}));
        }
    }

    /// Lets a cluster without faults come to rest, and passes over every Agent. Returns how many
    /// Secrets the next pass reads, and how many the one after that, when the process has forgotten
    /// what they contain.
    pub(crate) async fn secret_reads_at_rest(&mut self) -> [usize; 2] {
        self.rates = crate::simulator::network::FaultRates::default();
        self.prepare();
        self.remove_foreign_secrets();
        self.start_process();
        assert!(self.converges().await, "{:?}", self.violations);
        self.secret_reads_of_a_pass().await;
        let kept = self.secret_reads_of_a_pass().await;
        self.processes[0].forget_secrets();
        [kept, self.secret_reads_of_a_pass().await]
    }

    async fn secret_reads_of_a_pass(&mut self) -> usize {
        self.pass(Duration::from_secs(30)).await;
        let process = &self.processes[0];
        let reads = || TEAMS.iter().map(|team| process.network.secret_reads(team)).sum::<usize>();
        let before = reads();
        TEAMS.iter().for_each(|team| process.pass_over(NamespacedName::new(team, "alice")));
        tokio::time::sleep(Duration::from_secs(5)).await;
        reads() - before
    }

    /// Ends all faults, and checks what must be true then.
    pub(super) async fn settle(&mut self) {
        self.note("all faults end");
        self.mend_images();
        self.end_pauses();
        self.remove_foreign_secrets();
        self.snapshots.clear();
        for process in &self.processes {
            process.network.heal();
        }
        self.rates = crate::simulator::network::FaultRates::default();
        self.cluster
            .relays
            .with(|state| state.relays.values_mut().for_each(|relay| relay.unreachable_until = None));
        self.end_overlaps();
        if !self.converges().await {
            return;
        }
        self.check_idle().await;
        self.check_children().await;
        self.check_restart().await;
        if !self.violations.is_empty() {
            return;
        }
        match self.rng.random_range(0..6) {
            0 => self.check_pause().await,
            1 => self.check_undecodable().await,
            _ => {}
        }
    }

    /// Ends the overlap of every key that is replaced, also of those that were replaced before the
    /// wall clock was set back. It is written when one ends, and the checks that follow tell such a
    /// write from one without a reason in this way.
    fn end_overlaps(&mut self) {
        let now = self.cluster.clock.now();
        let until_last = checks::last_overlap_end(self).map_or(Duration::ZERO, |end| {
            Duration::try_from(end.duration_since(now)).unwrap_or_default() + OVERLAP_GRACE
        });
        let step = OVERLAP_TTL.max(until_last);
        self.note(format!("the wall clock is set by {} s", step.as_secs()));
        self.cluster.clock.step(i64::try_from(step.as_millis()).unwrap());
    }

    /// Waits until everything is as declared.
    pub(super) async fn converges(&mut self) -> bool {
        let begun = Instant::now();
        let mut is_revoked = false;
        loop {
            self.pass(Duration::from_secs(5)).await;
            self.confirm_all();
            let late = checks::admitted_in_error(self);
            if !is_revoked && !late.is_empty() && begun.elapsed() > REVOCATION_TIMEOUT {
                self.events.extend(checks::summary(self));
                self.violation(Invariant::Revocation, late.join("; "));
                return false;
            }
            is_revoked |= late.is_empty() && begun.elapsed() > REVOCATION_TIMEOUT;
            let differences = checks::differences(self);
            if late.is_empty() && differences.is_empty() {
                self.note("everything is as declared");
                return true;
            }
            if begun.elapsed() > CONVERGENCE_TIMEOUT {
                self.events.extend(checks::summary(self));
                self.violation(Invariant::Convergence, differences.join("; "));
                return false;
            }
        }
    }

    /// Waits until nothing is written any more, and checks that it stays so.
    async fn check_idle(&mut self) {
        self.pass_quietly(SETTLING_TTL).await;
        let begun = Instant::now();
        let relay_writes = self.cluster.relays.with(|state| state.applied.len());
        self.pass_quietly(IDLE_TTL).await;
        let writes: Vec<_> = self.networks().flat_map(|network| network.writes_since(begun)).collect();
        if !writes.is_empty() {
            self.violation(
                Invariant::QuietWhenIdle,
                format!("{} writes to the API server, first {}", writes.len(), writes[0].summary),
            );
        }
        let applied = self.cluster.relays.with(|state| state.applied[relay_writes..].to_vec());
        if let Some(write) = applied.first() {
            let after = write.at.duration_since(begun).as_secs();
            let what = format!("after {after} s, {} writes {}", write.writer.owner, write.path);
            self.violation(Invariant::QuietWhenIdle, format!("{what}, which belonged to {:?}", write.before));
        }
    }

    /// As [`Simulation::pass`], for times in which nothing happens.
    pub(super) async fn pass_quietly(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            tokio::time::sleep((end - Instant::now()).min(Duration::from_secs(30))).await;
            self.controllers.run_once(&mut self.rng);
        }
    }

    /// Deletes and edits children. They are put back.
    async fn check_children(&mut self) {
        let content = |simulation: &Self| {
            let children = simulation.children();
            simulation.cluster.server.with(|store| {
                let kept = |id: &&ObjectId| checks::has_ready_owner(store, &store.find(id).unwrap());
                let found = children.iter().filter(kept).map(|id| (id.clone(), store.find(id).unwrap()));
                found
                    .map(|(id, value)| (id, value["spec"].clone(), value["data"].clone()))
                    .collect::<Vec<_>>()
            })
        };
        let before = content(self);
        self.delete_child();
        self.edit_child();
        self.pass(CHILD_TIMEOUT).await;
        let after = content(self);
        let changed = before.iter().find(|child| !after.contains(child));
        if let Some((id, before, _)) = changed {
            let now = after.iter().find(|(found, ..)| found == id).map(|(_, spec, _)| spec);
            let what = if now.is_some() { "differs" } else { "is missing" };
            self.violation(Invariant::ChildrenRestored, format!("{id} {what}: {before} and {now:?}"));
        }
    }

    /// Replaces every process at once. No status and no Secret changes.
    async fn check_restart(&mut self) {
        self.pass(Duration::from_secs(30)).await;
        if !checks::differences(self).is_empty() {
            return;
        }
        let revision = self.cluster.server.with(|store| store.revision());
        for process in std::mem::take(&mut self.processes) {
            self.bury(process);
        }
        self.start_process();
        // The lease of the former leader has to expire.
        self.pass(Duration::from_secs(75)).await;
        if !self.processes[0].leads() {
            self.violation(Invariant::UnchangedByRestart, "no process leads");
        }
        let changes =
            self.cluster.server.with(|store| store.changes_after(revision).map(<[ObjectChange]>::to_vec));
        let changes = changes.unwrap_or_default();
        let is_kept = |change: &&ObjectChange| matches!(change.id.kind.plural, "leases" | "events");
        let written = changes.iter().filter(|change| checks::is_of_operator(change) && !is_kept(change));
        let written: Vec<_> =
            written.map(|change| format!("{}: {}", change.id, checks::shown_differences(change))).collect();
        if !written.is_empty() {
            self.violation(Invariant::UnchangedByRestart, written.join("; "));
        }
        let differences = checks::differences(self);
        if !differences.is_empty() {
            self.violation(Invariant::UnchangedByRestart, differences.join("; "));
        }
    }
}
