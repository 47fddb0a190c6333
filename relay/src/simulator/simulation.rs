//! The simulation: a virtual clock and a seeded random generator drive the core and its models.

mod actions;
mod arrivals;
mod faults;
mod relay;

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use protocol::Did;
use protocol::did::TenantId;
use protocol::envelope::MessageId;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::history::History;
use super::model_client::ModelClient;
use super::model_connection::{ModelConnection, ToClient, ToRelay};
use super::model_store::ModelStore;
use super::mutation::Mutation;
use crate::core::{
    AgentRegistry, AgentSlot, ConnId, Core, CoreLimits, CoreStats, Effect, Event, Now, Rate, RowId,
};

const EPOCH_UNIX: u64 = 1_790_000_000;
/// Steps with faults. A step is 1 to 8 ms of virtual time.
const STEPS: usize = 1_500;
/// Steps within which a simulation without faults has to come to rest.
const QUIET_STEPS: usize = 6_000;
const OUTBOX_MAX: usize = 40;
const TENANTS: [&str; 7] = ["a", "a", "a", "a", "b", "b", "b"];

#[derive(Debug)]
struct FixedAgents(Vec<Did>);

impl AgentRegistry for FixedAgents {
    fn tenant_of(&self, did: &str) -> Option<TenantId> {
        self.0.iter().find(|known| known.as_str() == did).map(Did::tenant)
    }
}

#[derive(Debug)]
struct PendingLoad {
    due_ms: u64,
    agent: AgentSlot,
    epoch: u64,
    rows: Vec<RowId>,
}

#[derive(Debug)]
pub(super) struct Simulation {
    rng: StdRng,
    mutation: Option<Mutation>,
    now_ms: u64,
    core: Core,
    names: FixedAgents,
    pub(super) store: ModelStore,
    loads: VecDeque<PendingLoad>,
    pub(super) clients: Vec<ModelClient>,
    links: BTreeMap<ConnId, ModelConnection>,
    pub(super) history: History,
    next_conn: u64,
    next_id: u64,
    faults_stopped: bool,
    /// The relay is draining and will be restarted.
    draining: bool,
    effects: Vec<Effect>,
    first_epoch: Option<u64>,
    previous: Option<Bytes>,
}

fn limits() -> CoreLimits {
    CoreLimits {
        mailbox_messages: 60,
        mailbox_bytes: 6_000,
        sender_rate: Rate { per_second: 200.0, burst: 40.0 },
        tenant_rate: Rate { per_second: 2_000.0, burst: 400.0 },
        held_bytes_max: 20_000,
        dedup_entries_max: 100_000,
    }
}

impl Simulation {
    pub(super) fn new(seed: u64, mutation: Option<Mutation>) -> Self {
        let domain = "example.com".parse().unwrap();
        let did = |(index, tenant): (usize, &&str)| {
            let name = format!("agent-{index}").parse().unwrap();
            Did::new(&domain, &tenant.parse().unwrap(), &name)
        };
        let names: Vec<Did> = TENANTS.iter().enumerate().map(did).collect();
        let mut store = ModelStore::default();
        store.next_row = 1;
        Self {
            rng: StdRng::seed_from_u64(seed),
            mutation,
            now_ms: 0,
            core: Core::new(limits(), 1, 0),
            clients: names.iter().cloned().map(ModelClient::new).collect(),
            names: FixedAgents(names),
            store,
            loads: VecDeque::new(),
            links: BTreeMap::new(),
            history: History::default(),
            next_conn: 1,
            next_id: 0,
            faults_stopped: false,
            draining: false,
            effects: Vec::new(),
            first_epoch: None,
            previous: None,
        }
    }

    pub(super) fn tenant(&self, client: usize) -> &'static str {
        TENANTS[client]
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.core.stats().held_bytes
    }

    pub(super) fn stats(&self) -> CoreStats {
        self.core.stats()
    }

    pub(super) fn run_with_faults(&mut self) {
        for _ in 0..STEPS {
            self.step();
            self.send_randomly();
            self.inject_fault();
        }
    }

    /// Runs without further faults until every message is answered and delivered.
    pub(super) fn run_until_quiet(&mut self) {
        self.faults_stopped = true;
        if self.draining {
            self.crash();
        }
        if self.store.failing {
            self.store.failing = false;
            self.step_core(Event::StoreRecovered);
        }
        for client in &mut self.clients {
            client.slow = false;
        }
        for _ in 0..QUIET_STEPS {
            self.step();
            if self.is_quiet() {
                return;
            }
        }
    }

    fn is_quiet(&self) -> bool {
        let clients = self
            .clients
            .iter()
            .all(|c| c.epoch.is_some() && c.outbox.is_empty() && c.unacked.is_empty() && c.ack_at.is_none());
        let links = self.links.values().all(|l| l.connected && l.up.len() == 0 && l.down.len() == 0);
        clients
            && links
            && self.store.is_idle()
            && self.loads.is_empty()
            && self.held_bytes() == 0
            && self.stats().rows == 0
    }

    fn step(&mut self) {
        self.now_ms += self.rng.random_range(1..=8);
        for conn in self.links.keys().copied().collect::<Vec<_>>() {
            self.deliver_to_relay(conn);
            self.deliver_to_client(conn);
        }
        self.run_store();
        self.step_core(Event::Tick);
        for client in 0..self.clients.len() {
            self.maybe_connect(client);
            self.maybe_ack(client);
        }
        if self.core.stats().held_bytes > limits().held_bytes_max {
            self.history.violation("I8", "more bytes are held than allowed".into());
        }
    }

    fn now(&self) -> Now {
        Now { mono_ms: self.now_ms, unix: EPOCH_UNIX + self.now_ms / 1000 }
    }

    fn step_core(&mut self, event: Event<'_>) {
        let mut effects = std::mem::take(&mut self.effects);
        let now = self.now();
        self.core.step(event, now, &self.names, &mut effects);
        for effect in effects.drain(..) {
            self.apply_effect(effect);
        }
        self.effects = effects;
    }

    fn run_store(&mut self) {
        let lost_removal = self.mutation == Some(Mutation::LostRemoval);
        if let Some(event) = self.store.end_commit(self.now_ms, lost_removal) {
            let reported =
                self.mutation == Some(Mutation::EarlyCommit) && matches!(event, Event::Stored { .. });
            if !reported {
                self.step_core(event);
            }
        }
        let end = self.now_ms + self.rng.random_range(1..30);
        self.store.start_commit(end);
        while let Some(load) = self.loads.pop_front_if(|load| load.due_ms <= self.now_ms) {
            let (agent, epoch) = (load.agent, load.epoch);
            if !self.faults_stopped && self.rng.random_bool(0.05) {
                self.step_core(Event::LoadFailed { agent, epoch });
            } else {
                let page = self.store.read(&load.rows);
                self.step_core(Event::Loaded { agent, epoch, page });
            }
        }
    }

    fn down(&mut self, conn: ConnId, item: ToClient) {
        let due = self.now_ms + self.rng.random_range(0..10);
        if let Some(link) = self.links.get_mut(&conn) {
            link.down.push(due, item);
        }
    }

    fn up(&mut self, client: usize, item: ToRelay) {
        let due = self.now_ms + self.rng.random_range(0..10);
        let conn = self.clients[client].conn;
        if let Some(link) = conn.and_then(|conn| self.links.get_mut(&conn)) {
            link.up.push(due, item);
        }
    }

    fn next_number(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }
}

/// Sender, recipient and id of a model envelope.
fn route(envelope: &Bytes) -> (usize, usize, MessageId) {
    let text = std::str::from_utf8(envelope).unwrap();
    let mut words = text.split(' ');
    let mut word = || words.next().unwrap();
    (word().parse().unwrap(), word().parse().unwrap(), word().parse().unwrap())
}
