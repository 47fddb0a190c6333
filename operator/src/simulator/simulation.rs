//! One run: a cluster with relays, operator processes, users and faults, all driven by one seed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::time::Instant;

use super::api_server::{ApiServer, PAGE_MAX};
use super::checks::{self, Invariant, Violation};
use super::cluster_controllers::ClusterControllers;
use super::expected_state::{ExpectedState, NameClaim};
use super::flaw::Flaw;
use super::model_clock::ModelClock;
use super::model_process::{ModelCluster, ModelProcess};
use super::model_relay::{ModelRelays, RelayVolume};
use super::network::{FaultRates, ModelNetwork};
use crate::object_key::NamespacedName;
pub(crate) use platform_actions::{LOST_ENTRIES, LOST_UID_PREFIX};
use user_actions::TEAMS;

mod absence;
mod faults;
mod phases;
mod platform_actions;
mod tenant_handover;
mod untouched_objects;
mod user_actions;

/// Steps with users and faults. A step is 50 ms to 4 s of virtual time.
const STEPS: usize = 40;
/// Operator processes that live at once.
const PROCESSES_MAX: usize = 2;

pub(crate) struct Simulation {
    pub(crate) seed: u64,
    flaw: Option<Flaw>,
    rng: StdRng,
    pub(crate) cluster: ModelCluster,
    controllers: ClusterControllers,
    processes: Vec<ModelProcess>,
    started: u64,
    /// The networks of processes that ended.
    pub(crate) former: Vec<ModelNetwork>,
    rates: FaultRates,
    /// Earlier states of volumes, to restore.
    snapshots: BTreeMap<String, RelayVolume>,
    /// Every claim that was valid at some time, with the uid of the object.
    pub(crate) claims: BTreeSet<(String, NameClaim)>,
    /// Numbers for names and requests that must be new.
    counter: u32,
    /// What happened, for people who look for the cause of a violation.
    pub(crate) events: Vec<String>,
    pub(crate) violations: Vec<Violation>,
}

/// Most seeds have lists of several pages, between which objects change.
fn page_max(seed: u64) -> usize {
    match seed % 4 {
        0 => PAGE_MAX,
        1 => 1,
        2 => 2,
        _ => 5,
    }
}

impl Simulation {
    pub(crate) fn new(seed: u64, flaw: Option<Flaw>) -> Self {
        let clock = ModelClock::start();
        let server = ApiServer::new(clock.clone()).with_pages_of(page_max(seed));
        let relays = ModelRelays::default();
        let mut rng = StdRng::seed_from_u64(seed);
        let rates = FaultRates {
            refused: rng.random_range(0..40),
            answer_lost: rng.random_range(0..40),
            slow: rng.random_range(0..60),
            watch_ended: rng.random_range(0..60),
        };
        Self {
            seed,
            flaw,
            rng,
            controllers: ClusterControllers::new(server.clone(), relays.clone()),
            cluster: ModelCluster { server, relays, clock },
            processes: Vec::new(),
            started: 0,
            former: Vec::new(),
            rates,
            snapshots: BTreeMap::new(),
            claims: BTreeSet::new(),
            counter: 0,
            events: Vec::new(),
            violations: Vec::new(),
        }
    }

    /// The whole run.
    pub(crate) async fn run(&mut self) {
        self.prepare();
        self.remember_claims();
        self.start_process();
        for _ in 0..STEPS {
            let pause = self.rng.random_range(50..4_000);
            self.pass(Duration::from_millis(pause)).await;
            if self.rng.random_bool(0.6) {
                self.act();
            }
            self.remember_claims();
            if self.rng.random_bool(0.4) {
                self.inject_fault();
            }
            self.replace_dead_processes();
        }
        self.settle().await;
        checks::check_history(self);
    }

    pub(super) fn note(&mut self, event: impl Into<String>) {
        let line = format!("{:8.3} {}", self.cluster.clock.elapsed_seconds(), event.into());
        self.events.push(line);
    }

    pub(super) fn violation(&mut self, invariant: Invariant, what: impl Into<String>) {
        let what = what.into();
        if self.violations.iter().any(|found| found.invariant == invariant) {
            return;
        }
        self.note(format!("not true: {invariant}: {what}"));
        self.violations.push(Violation { invariant, what });
    }

    /// Lets time pass. The controllers of the cluster run about every second.
    async fn pass(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.controllers.run_once(&mut self.rng);
            let rest = end - Instant::now();
            tokio::time::sleep(rest.min(Duration::from_millis(700))).await;
        }
        self.controllers.run_once(&mut self.rng);
        for process in &self.processes {
            if let Some(failure) = process.failure() {
                let what = format!("{}: {failure}", process.name);
                self.violations.push(Violation { invariant: Invariant::RunningTasks, what });
            }
        }
    }

    fn remember_claims(&mut self) {
        let state = self.cluster.server.with(|store| ExpectedState::remembered(store, &TEAMS));
        let tenants = state.tenants.into_values().map(|found| (found.object.metadata.uid, found.claim));
        let agents = state.agents.into_values().map(|found| (found.object.metadata.uid, found.claim));
        let valid = tenants.chain(agents).filter_map(|(uid, claim)| Some((uid?, claim?)));
        self.claims.extend(valid);
    }

    fn start_process(&mut self) {
        self.started += 1;
        let name = format!("operator-{}", self.started);
        self.note(format!("{name} starts"));
        let seed = self.seed.wrapping_mul(1_000) + self.started;
        self.processes.push(ModelProcess::start(&self.cluster, name, seed, self.rates, self.flaw));
    }

    /// Kills a process, and keeps what it wrote for the checks.
    pub(super) fn bury(&mut self, process: ModelProcess) {
        process.kill();
        self.note(format!("{} died", process.name));
        self.former.push(process.network);
    }

    /// Removes processes whose network was cut by a fault, and keeps at least one alive.
    fn replace_dead_processes(&mut self) {
        let (dead, alive): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.processes).into_iter().partition(|process| process.network.is_cut());
        self.processes = alive;
        for process in dead {
            self.bury(process);
        }
        if self.processes.is_empty() {
            self.start_process();
        }
    }

    /// The networks of all processes of the run.
    pub(crate) fn networks(&self) -> impl Iterator<Item = &ModelNetwork> {
        self.former.iter().chain(self.processes.iter().map(|process| &process.network))
    }

    fn random<T: Clone>(&mut self, items: &[T]) -> Option<T> {
        if items.is_empty() { None } else { Some(items[self.rng.random_range(0..items.len())].clone()) }
    }

    fn next_number(&mut self) -> u32 {
        self.counter += 1;
        self.counter
    }

    pub(super) fn relay_names(&self) -> Vec<NamespacedName> {
        self.cluster.relays.with(|state| state.relays.keys().cloned().collect())
    }
}
