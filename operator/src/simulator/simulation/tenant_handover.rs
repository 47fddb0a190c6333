//! A run in which a tenant of a relay lives on with another Tenant, while the Agents in it still
//! refer to the former one.

use std::time::Duration;

use protocol::admin::Owner;
use serde_json::json;

use super::Simulation;
use super::user_actions::TEAMS;
use crate::simulator::api_server::model_kind::ModelKind;
use crate::simulator::api_server::object_store::ObjectId;
use crate::simulator::network::FaultRates;

impl Simulation {
    /// Moves a Tenant to another namespace while no operator runs. The relay's tenant belongs to
    /// the new Tenant, and its Agent refers to one that is gone. Returns what the relay holds of
    /// that Agent before an operator is back, and `after` it leads: whether it is suspended, and
    /// how many keys it has.
    pub(crate) async fn entry_around_a_handover(&mut self, after: Duration) -> [(bool, usize); 2] {
        self.rates = FaultRates::default();
        self.prepare();
        self.remove_foreign_secrets();
        self.start_process();
        assert!(self.converges().await, "{:?}", self.violations);
        let process = self.processes.remove(0);
        self.bury(process);
        let tenants = ModelKind::named("Tenant");
        let [former, next] = TEAMS.map(|team| ObjectId::new(tenants, team, "tenant-0"));
        let spec = self.find(&former).unwrap()["spec"].clone();
        assert!(self.create("Tenant", TEAMS[1], json!({"metadata": {"name": "tenant-0"}, "spec": spec})));
        self.edit(&former, "no finalizer", |tenant| tenant["metadata"]["finalizers"] = json!([]));
        self.delete(&former, "Background");
        let uid = self.find(&next).unwrap()["metadata"]["uid"].as_str().unwrap().to_owned();
        self.cluster.relays.with(|state| {
            let tenants = state.volumes.values_mut().flat_map(|volume| &mut volume.tenants);
            let found = tenants.filter(|(id, _)| id.as_str() == "tenant-0");
            found.for_each(|(_, tenant)| tenant.owner = Some(Owner::Kubernetes(uid.clone())));
        });
        let before = self.entry_of_alice();
        self.start_process();
        self.wait_for_a_leader().await;
        self.pass(after).await;
        [before, self.entry_of_alice()]
    }

    fn entry_of_alice(&self) -> (bool, usize) {
        self.cluster.relays.with(|state| {
            let mut volumes = state.volumes.values();
            let found = volumes.find_map(|volume| volume.agent("tenant-0", "alice"));
            found.map_or((true, 0), |found| (found.spec.suspended, found.spec.keys.len()))
        })
    }
}
