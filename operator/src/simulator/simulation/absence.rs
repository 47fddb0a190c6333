//! A run in which no operator is there for a day. Meanwhile objects are deleted, and a volume is
//! restored to a state from before a deletion.

use std::time::Duration;

use super::Simulation;
use super::user_actions::TEAMS;
use crate::simulator::api_server::model_kind::ModelKind;
use crate::simulator::api_server::object_store::ObjectId;
use crate::simulator::checks;
use crate::simulator::network::FaultRates;

/// Longer than every time of the operator: a deletion waits for ten minutes at most, and a relay is
/// listed every five.
const ABSENCE_TTL: Duration = Duration::from_secs(24 * 3600);
/// Within this time a successor leads.
const ELECTION_TIMEOUT: Duration = Duration::from_secs(60);

impl Simulation {
    /// Deletes an Agent and a Tenant with another Agent while no operator runs for a day, and gives
    /// a third one its revoked keys back. Returns what the relays admit in error before an operator
    /// is back, and `after` it leads.
    pub(crate) async fn admitted_around_an_absence(&mut self, after: Duration) -> [Vec<String>; 2] {
        self.rates = FaultRates::default();
        self.prepare();
        self.remove_foreign_secrets();
        self.create_bob(TEAMS[0]);
        self.start_process();
        assert!(self.converges().await, "{:?}", self.violations);
        let copies = self.cluster.relays.with(|state| state.volumes.clone());
        self.delete_object("Agent", TEAMS[0], "bob");
        assert!(self.converges().await, "{:?}", self.violations);
        assert!(checks::admitted_in_error(self).is_empty());
        let process = self.processes.remove(0);
        self.bury(process);
        self.cluster.relays.with(|state| state.volumes = copies);
        self.delete_object("Agent", TEAMS[0], "alice");
        self.delete_object("Agent", TEAMS[1], "alice");
        self.delete_object("Tenant", TEAMS[1], "tenant-1");
        self.pass_quietly(ABSENCE_TTL).await;
        let before = checks::admitted_in_error(self);
        self.start_process();
        self.wait_for_a_leader().await;
        self.pass(after).await;
        [before, checks::admitted_in_error(self)]
    }

    /// Lets a new Agent become ready. Returns how many Secrets were read for it.
    pub(crate) async fn secret_reads_of_a_new_agent(&mut self) -> usize {
        self.rates = FaultRates::default();
        self.prepare();
        self.remove_foreign_secrets();
        self.start_process();
        assert!(self.converges().await, "{:?}", self.violations);
        let reads = |simulation: &Self| simulation.processes[0].network.secret_reads(TEAMS[0]);
        let before = reads(self);
        self.create_bob(TEAMS[0]);
        self.pass(Duration::from_secs(20)).await;
        assert_eq!(checks::differences(self), Vec::<String>::new());
        reads(self) - before
    }

    fn create_bob(&mut self, team: &str) {
        let spec = serde_json::json!({"tenantRef": {"name": "tenant-0"}});
        assert!(self.create("Agent", team, serde_json::json!({"metadata": {"name": "bob"}, "spec": spec})));
    }

    fn delete_object(&mut self, kind: &str, namespace: &str, name: &str) {
        self.delete(&ObjectId::new(ModelKind::named(kind), namespace, name), "Background");
    }

    pub(super) async fn wait_for_a_leader(&mut self) {
        let end = tokio::time::Instant::now() + ELECTION_TIMEOUT;
        while !self.processes[0].leads() {
            assert!(tokio::time::Instant::now() < end, "no process leads");
            self.pass(Duration::from_millis(100)).await;
        }
    }
}
