//! The simulation: a virtual clock and a seeded random generator drive the core and its models.

mod actions;
mod arrivals;
mod faults;
mod limits;
mod meter_checks;
mod relay;
mod send_checks;
mod store_reports;

use std::collections::{BTreeMap, HashMap, VecDeque};

use bytes::Bytes;
use protocol::envelope::MessageId;
use protocol::{Did, Reason};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::history::{History, Moment};
use super::model_client::ModelClient;
use super::model_connection::{ModelConnection, ToClient, ToRelay};
use super::model_directory::ModelDirectory;
use super::model_store::ModelStore;
use super::mutation::Mutation;
use crate::core::limits::CLOCK_STEP_GRACE_SECONDS;
use crate::core::{AgentSlot, ConnId, Core, CoreLimits, CoreStats, Effect, Event, Now, RowId};
use limits::{DEDUP_ENTRIES_OF_ALL, FaultKinds, NOTICES_OF_ALL};
use meter_checks::MeteredSends;
use send_checks::SendCounts;

const EPOCH_UNIX: u64 = 1_790_000_000;
/// Steps with faults. A step is 1 to 8 ms of virtual time.
const STEPS: usize = 1_000;
/// Steps within which a simulation without faults has to come to rest.
const QUIET_STEPS: usize = 8_000;
const OUTBOX_MAX: usize = 40;
const TENANTS: [&str; 7] = ["a", "a", "a", "a", "b", "b", "b"];
/// Within this time a request is answered: after the longest commit of a store that works, or when
/// the store is found to be stalled.
const ANSWER_TIMEOUT_MS: u64 = 3_000;

#[derive(Debug)]
struct PendingLoad {
    due_ms: u64,
    agent: AgentSlot,
    epoch: u64,
    rows: Vec<RowId>,
}

/// What a client asked for with a request.
#[derive(Debug)]
struct Asked {
    client: usize,
    id: MessageId,
    body: Bytes,
}

#[derive(Debug)]
pub(super) struct Simulation {
    rng: StdRng,
    mutation: Option<Mutation>,
    pub(super) limits: CoreLimits,
    faults: FaultKinds,
    now_ms: u64,
    /// How far the wall clock was set, in seconds.
    wall_offset: i64,
    /// That at the start of this run of the relay.
    start_offset: i64,
    core: Core,
    directory: ModelDirectory,
    pub(super) store: ModelStore,
    stall_reported: bool,
    /// The relay believes that the store is stalled.
    believes_stalled: bool,
    /// The store has reported that it takes messages.
    store_takes_messages: bool,
    /// The last that the relay heard of the store is that it fails.
    believes_failed: bool,
    loads: VecDeque<PendingLoad>,
    pub(super) clients: Vec<ModelClient>,
    links: BTreeMap<ConnId, ModelConnection>,
    requests: HashMap<u64, Asked>,
    /// Sender and id of the message in each row.
    row_messages: HashMap<RowId, (usize, MessageId)>,
    sends: SendCounts,
    metered: MeteredSends,
    pub(super) history: History,
    next_conn: u64,
    next_id: u64,
    faults_stopped: bool,
    /// The relay is draining and will be restarted.
    draining: bool,
    effects: Vec<Effect>,
    /// Requests that were refused since the last send.
    refusals: Vec<(u64, Reason)>,
    /// Everything was answered and settled.
    rested: bool,
    first_epoch: Option<u64>,
    previous: Option<Bytes>,
}

impl Simulation {
    pub(super) fn new(seed: u64, mutation: Option<Mutation>) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let (limits, faults) = (limits::draw_limits(&mut rng), FaultKinds::draw(&mut rng));
        let domain = "example.com".parse().unwrap();
        let did = |(index, tenant): (usize, &&str)| {
            let name = format!("agent-{index}").parse().unwrap();
            Did::new(&domain, &tenant.parse().unwrap(), &name)
        };
        let dids: Vec<Did> = TENANTS.iter().enumerate().map(did).collect();
        let mut store = ModelStore::default();
        store.next_row = 1;
        let mut history = History::default();
        history.remembers_all = limits.dedup_entries_max >= DEDUP_ENTRIES_OF_ALL && !faults.clock_steps;
        history.steady_wall = !faults.clock_steps;
        Self {
            rng,
            mutation,
            now_ms: 0,
            wall_offset: 0,
            start_offset: 0,
            core: Core::new(limits.clone(), 1, 0, Now { mono_ms: 0, unix: EPOCH_UNIX }),
            limits,
            faults,
            clients: dids.iter().cloned().map(ModelClient::new).collect(),
            directory: ModelDirectory::new(dids),
            store,
            stall_reported: false,
            believes_stalled: false,
            store_takes_messages: true,
            believes_failed: false,
            loads: VecDeque::new(),
            links: BTreeMap::new(),
            requests: HashMap::new(),
            row_messages: HashMap::new(),
            sends: SendCounts::new(0),
            metered: MeteredSends::new(),
            history,
            next_conn: 1,
            next_id: 0,
            faults_stopped: false,
            draining: false,
            effects: Vec::new(),
            refusals: Vec::new(),
            rested: false,
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

    /// How many notices to this client the relay has dropped, as it says. It forgets that when it
    /// restarts.
    pub(super) fn missed_notices(&self, client: usize) -> u64 {
        let drops = self.limits.mailbox_notices < NOTICES_OF_ALL;
        match self.store.starts {
            _ if !drops => 0,
            0 => {
                let did = self.clients[client].did.as_str();
                self.clients[client].missed + self.core.untold_notices(did) + self.core.told_in_mailbox(did)
            }
            _ => u64::MAX,
        }
    }

    pub(super) fn run_with_faults(&mut self) {
        for _ in 0..STEPS {
            self.step();
            self.send_randomly();
            self.inject_fault();
            if self.is_broken() {
                return;
            }
        }
    }

    /// Runs without further faults until every message is answered and settled.
    pub(super) fn run_until_quiet(&mut self) {
        self.stop_faults();
        for _ in 0..QUIET_STEPS {
            self.step();
            self.rested = self.is_quiet();
            if self.rested || self.is_broken() {
                return;
            }
        }
    }

    /// Whether everything was answered and settled in the end.
    pub(super) const fn has_rested(&self) -> bool {
        self.rested
    }

    /// A violation ends the run at once. A mutation is let on until the invariant breaks that it is
    /// meant for.
    pub(super) fn is_broken(&self) -> bool {
        self.mutation.is_none() && !self.history.violations.is_empty()
    }

    fn is_quiet(&self) -> bool {
        let clients = self
            .clients
            .iter()
            .all(|c| c.epoch.is_some() && c.outbox.is_empty() && c.unacked == 0 && c.ack_at.is_none());
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
        self.check_metered();
        for client in 0..self.clients.len() {
            self.maybe_connect(client);
            self.maybe_ack(client);
        }
        self.check_core();
        self.check_answers();
        self.check_clock();
        if self.limits.mailbox_notices < NOTICES_OF_ALL {
            for client in &mut self.clients {
                client.untold = self.core.untold_notices(client.did.as_str());
            }
        }
    }

    /// The rules of the core hold.
    fn check_core(&mut self) {
        if let Err(rule) = self.core.check(self.now()) {
            self.history.violation("I10", rule);
        }
    }

    /// The relay knows how far its wall clock was set.
    fn check_clock(&mut self) {
        let (known, stepped) = (self.stats().clock_step_seconds, self.wall_offset - self.start_offset);
        if known.abs_diff(stepped) > CLOCK_STEP_GRACE_SECONDS + 1 {
            let text = format!("the clock was set by {stepped} s, and the relay knows of {known} s");
            self.history.violation("I12", text);
        }
    }

    /// Every request is answered in time, or its connection is gone.
    fn check_answers(&mut self) {
        let late = |link: &ModelConnection| {
            link.epoch.is_some()
                && link.requests.values().any(|since| since + ANSWER_TIMEOUT_MS < self.now_ms)
        };
        if self.links.values().any(|link| link.must_close) {
            self.history.violation("I5", "an acknowledgement ahead of the deliveries was taken".into());
        }
        if let Some(link) = self.links.values().find(|link| late(link)) {
            let text =
                format!("client {} has no answer to {:?} at {}", link.client, link.requests, self.now_ms);
            self.history.violation("I9", text);
        }
    }

    fn now(&self) -> Now {
        let unix = (EPOCH_UNIX + self.now_ms / 1000).saturating_add_signed(self.wall_offset);
        Now { mono_ms: self.now_ms, unix }
    }

    fn moment(&self) -> Moment {
        Moment { ms: self.now_ms, run: self.store.starts }
    }

    fn step_core(&mut self, event: Event<'_>) {
        let mut effects = std::mem::take(&mut self.effects);
        let (now, submitted) = (self.now(), event.submitted_envelope());
        self.core.step(event, now, &self.directory, &mut effects);
        for effect in effects.drain(..) {
            self.apply_effect(effect.with_envelope(submitted));
        }
        self.effects = effects;
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
