//! Time, chance, and everything that can happen.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use protocol::did::TenantId;
use protocol::envelope::{Class, MessageId};
use protocol::frame::Outcome;
use protocol::{Did, Reason};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::client::{Client, Planned};
use super::flaw::Flaw;
use super::history::History;
use super::link::{Down, Link, Up};
use super::store::Store;
use crate::core::{
    AgentKey, Census, ConnId, Core, Effect, Event, KnownAgents, Limits, Now, Opened, Rate, RequestId, RowId,
    Submission, Tally,
};

const EPOCH_UNIX: u64 = 1_790_000_000;
/// Steps with faults. A step is 1 to 8 ms of virtual time.
const STEPS: usize = 1_500;
/// Steps after which a world without faults has to be at rest.
const QUIET_STEPS: usize = 6_000;
const OUTBOX_MAX: usize = 40;
const TENANTS: [&str; 7] = ["a", "a", "a", "a", "b", "b", "b"];

#[derive(Debug)]
struct Names(Vec<Did>);

impl KnownAgents for Names {
    fn tenant_of(&self, did: &str) -> Option<TenantId> {
        self.0.iter().find(|known| known.as_str() == did).map(Did::tenant)
    }
}

#[derive(Debug)]
struct PendingLoad {
    due_ms: u64,
    agent: AgentKey,
    epoch: u64,
    rows: Vec<RowId>,
}

#[derive(Debug)]
pub(super) struct World {
    rng: StdRng,
    flaw: Option<Flaw>,
    now_ms: u64,
    core: Core,
    names: Names,
    pub(super) store: Store,
    loads: VecDeque<PendingLoad>,
    pub(super) clients: Vec<Client>,
    links: BTreeMap<ConnId, Link>,
    pub(super) history: History,
    next_conn: u64,
    next_id: u64,
    calm: bool,
    /// The relay drains, and will be restarted.
    draining: bool,
    effects: Vec<Effect>,
    first_epoch: Option<u64>,
    previous: Option<Bytes>,
}

fn limits() -> Limits {
    Limits {
        mailbox_messages: 60,
        mailbox_bytes: 6_000,
        sender_rate: Rate { per_second: 200.0, burst: 40.0 },
        tenant_rate: Rate { per_second: 2_000.0, burst: 400.0 },
        held_bytes_max: 20_000,
        dedup_entries_max: 100_000,
    }
}

impl World {
    pub(super) fn new(seed: u64, flaw: Option<Flaw>) -> Self {
        let domain = "example.com".parse().unwrap();
        let did = |(index, tenant): (usize, &&str)| {
            let name = format!("agent-{index}").parse().unwrap();
            Did::new(&domain, &tenant.parse().unwrap(), &name)
        };
        let names: Vec<Did> = TENANTS.iter().enumerate().map(did).collect();
        let mut store = Store::default();
        store.next_row = 1;
        Self {
            rng: StdRng::seed_from_u64(seed),
            flaw,
            now_ms: 0,
            core: Core::new(limits(), 1, 0),
            clients: names.iter().cloned().map(Client::new).collect(),
            names: Names(names),
            store,
            loads: VecDeque::new(),
            links: BTreeMap::new(),
            history: History::default(),
            next_conn: 1,
            next_id: 0,
            calm: false,
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
        self.core.census().held_bytes
    }

    pub(super) fn census(&self) -> Census {
        self.core.census()
    }

    pub(super) fn run_with_faults(&mut self) {
        for _ in 0..STEPS {
            self.step_world();
            self.plan();
            self.fault();
        }
    }

    /// Faults stop, everybody connects and reads, until nothing is left to do.
    pub(super) fn run_until_quiet(&mut self) {
        self.calm = true;
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
            self.step_world();
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
            && self.census().rows == 0
    }

    fn step_world(&mut self) {
        self.now_ms += self.rng.random_range(1..=8);
        for conn in self.links.keys().copied().collect::<Vec<_>>() {
            self.carry_up(conn);
            self.carry_down(conn);
        }
        self.run_store();
        self.step_core(Event::Tick);
        for client in 0..self.clients.len() {
            self.maybe_connect(client);
            self.maybe_ack(client);
        }
        if self.core.census().held_bytes > limits().held_bytes_max {
            self.history.complain("I8", "more bytes held than allowed".into());
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
            self.carry_out(effect);
        }
        self.effects = effects;
    }

    fn run_store(&mut self) {
        let lost_removal = self.flaw == Some(Flaw::LostRemoval);
        if let Some(event) = self.store.end_commit(self.now_ms, lost_removal) {
            let reported = self.flaw == Some(Flaw::EarlyCommit) && matches!(event, Event::Stored { .. });
            if !reported {
                self.step_core(event);
            }
        }
        let end = self.now_ms + self.rng.random_range(1..30);
        self.store.start_commit(end);
        while let Some(load) = self.loads.pop_front_if(|load| load.due_ms <= self.now_ms) {
            let (agent, epoch) = (load.agent, load.epoch);
            if !self.calm && self.rng.random_bool(0.05) {
                self.step_core(Event::LoadFailed { agent, epoch });
            } else {
                let page = self.store.read(&load.rows);
                self.step_core(Event::Loaded { agent, epoch, page });
            }
        }
    }

    // What the relay does.

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Welcome { conn, mut epoch, .. } => {
                let first = *self.first_epoch.get_or_insert(epoch);
                if self.flaw == Some(Flaw::RepeatedEpoch) {
                    epoch = first;
                }
                self.down(conn, Down::Welcome { epoch });
            }
            Effect::Answer { conn, request, status } => {
                if self.flaw != Some(Flaw::SwallowedAnswer) || self.rng.random_bool(0.9) {
                    self.down(conn, Down::Answer { request: number(&request), status });
                }
            }
            Effect::Refuse { conn, request, reason, .. } => {
                self.down(conn, Down::Refuse { request: number(&request), reason });
            }
            Effect::Deliver { conn, epoch, seq, envelope } => self.deliver(conn, epoch, seq, envelope),
            Effect::Notice { conn, epoch, seq, id, to, outcome, .. } => {
                self.down(conn, Down::Notice { epoch, seq, id, to: to.to_string(), outcome });
            }
            Effect::Close { conn, .. } => {
                self.history.coverage.replaced += 1;
                self.down(conn, Down::End);
            }
            Effect::Write(write) => self.write(write),
            Effect::Load { agent, epoch, rows } => {
                let due_ms = self.now_ms + 3;
                self.loads.push_back(PendingLoad { due_ms, agent, epoch, rows });
            }
            Effect::Count(Tally::Backlog) => self.history.coverage.backlogs += 1,
            Effect::Count(Tally::Repeated) => self.history.coverage.repeated += 1,
            Effect::Count(Tally::Unreadable) => self.history.complain("I1", "a row is unreadable".into()),
            Effect::Count(_) => {}
        }
    }

    fn write(&mut self, write: crate::core::Write) {
        let row = match &write {
            crate::core::Write::Insert(row) => Some(row.row),
            _ => None,
        };
        self.store.submit(write);
        if let (Some(upto), Some(Flaw::EarlyCommit)) = (row, self.flaw) {
            let mut effects = Vec::new();
            let now = self.now();
            self.core.step(Event::Stored { upto }, now, &self.names, &mut effects);
            effects.into_iter().for_each(|effect| self.carry_out(effect));
        }
    }

    fn deliver(&mut self, conn: ConnId, epoch: u64, seq: u64, mut envelope: Bytes) {
        let mut conn = conn;
        match self.flaw {
            Some(Flaw::SwappedDeliveries | Flaw::RepeatedDelivery) if self.rng.random_bool(0.3) => {
                let other = self.previous.replace(envelope.clone());
                let same = |a: &Bytes, b: &Bytes| route(a).1 == route(b).1;
                envelope = other.filter(|o| same(o, &envelope)).unwrap_or(envelope);
            }
            Some(Flaw::RepeatedDelivery) => self.previous = Some(envelope.clone()),
            Some(Flaw::Misrouted) if self.rng.random_bool(0.05) => {
                conn = self.links.keys().next_back().copied().unwrap_or(conn);
            }
            _ => {}
        }
        self.down(conn, Down::Deliver { epoch, seq, envelope });
        if self.flaw == Some(Flaw::ForgedAck) && self.rng.random_bool(0.1) {
            let mut effects = Vec::new();
            let now = self.now();
            self.core.step(Event::Acked { conn, epoch, seq }, now, &self.names, &mut effects);
            effects.into_iter().for_each(|effect| self.carry_out(effect));
        }
    }

    fn down(&mut self, conn: ConnId, item: Down) {
        let due = self.now_ms + self.rng.random_range(0..10);
        if let Some(link) = self.links.get_mut(&conn) {
            link.down.push(due, item);
        }
    }

    fn up(&mut self, client: usize, item: Up) {
        let due = self.now_ms + self.rng.random_range(0..10);
        let conn = self.clients[client].conn;
        if let Some(link) = conn.and_then(|conn| self.links.get_mut(&conn)) {
            link.up.push(due, item);
        }
    }

    // What arrives at the relay.

    fn carry_up(&mut self, conn: ConnId) {
        while let Some(link) = self.links.get_mut(&conn) {
            let client = link.client;
            let Some(item) = link.up.pop(self.now_ms) else { return };
            let did = self.clients[client].did.clone();
            match item {
                Up::Register => {
                    let (tenant, request) = (did.tenant(), RequestId::Number(0));
                    self.step_core(Event::Opened(Opened { conn, did, tenant, request }));
                }
                Up::Send { request, to, id, class, ttl, envelope } => {
                    let to = self.names.0[to].clone();
                    self.step_core(Event::Sent(Submission {
                        conn,
                        request: RequestId::Number(request),
                        to: to.as_str(),
                        from: did.as_str(),
                        id,
                        class,
                        ttl,
                        envelope: &envelope,
                    }));
                }
                Up::Ack { epoch, seq } => self.step_core(Event::Acked { conn, epoch, seq }),
                Up::End => {
                    self.links.remove(&conn);
                    self.step_core(Event::Closed { conn });
                }
            }
        }
    }

    // What arrives at a client.

    fn carry_down(&mut self, conn: ConnId) {
        while let Some(link) = self.links.get_mut(&conn).filter(|link| link.connected) {
            let client = link.client;
            let Some(item) = link.down.pop(self.now_ms) else { return };
            match item {
                Down::Welcome { epoch } => self.welcomed(client, epoch),
                Down::Answer { request, status } => {
                    if let Some(planned) = self.clients[client].take(request) {
                        self.history.answered(client, planned.id, status);
                    }
                }
                Down::Refuse { request, reason } => self.refused(client, request, reason),
                Down::Deliver { epoch, seq, envelope } => self.delivered(client, epoch, seq, &envelope),
                Down::Notice { epoch, seq, id, to, outcome } => {
                    self.noticed(client, epoch, seq, id, &to, outcome);
                }
                Down::End => self.cut(client, 0),
            }
        }
    }

    fn welcomed(&mut self, client: usize, epoch: u64) {
        let state = &mut self.clients[client];
        if epoch <= state.last_epoch {
            self.history.complain("I5", format!("client {client} got epoch {epoch} again"));
        }
        state.epoch = Some(epoch);
        state.last_epoch = epoch;
        state.last_seq = 0;
        for planned in state.outbox.clone() {
            self.submit(client, &planned);
        }
    }

    fn submit(&mut self, client: usize, planned: &Planned) {
        let Planned { request, to, id, class, ttl, envelope } = planned.clone();
        self.history.attempt(client, to, id, class);
        self.up(client, Up::Send { request, to, id, class, ttl, envelope });
    }

    fn refused(&mut self, client: usize, request: u64, reason: Reason) {
        self.history.coverage.refused += 1;
        if reason == Reason::StorageUnavailable {
            self.history.coverage.storage_refusals += 1;
        }
        let Some(mut planned) = self.clients[client].take(request) else { return };
        if reason == Reason::DuplicateId {
            self.history.complain("I2", "an id was taken for another message".into());
        }
        let again = !matches!(reason, Reason::NotFound | Reason::RecipientOffline);
        if again && planned.class == Class::Reliable && self.rng.random_bool(0.5) {
            planned.request = self.fresh_number();
            self.clients[client].outbox.push_back(planned.clone());
            self.submit(client, &planned);
        }
    }

    fn delivered(&mut self, client: usize, epoch: u64, seq: u64, envelope: &Bytes) {
        let (from, _, id) = route(envelope);
        self.history.received(client, from, id, epoch);
        self.take_seq(client, epoch, seq);
        let state = &mut self.clients[client];
        state.unacked.push((from, id));
        state.seen.insert((from, id));
        if state.unacked.len() > 256 {
            self.history.complain("I8", format!("client {client} has more than a window unacknowledged"));
        }
    }

    fn noticed(&mut self, client: usize, epoch: u64, seq: u64, id: MessageId, to: &str, outcome: Outcome) {
        self.history.noticed(client, id, outcome);
        if !self.names.0.iter().any(|did| did.as_str() == to) {
            self.history.complain("I7", format!("a notice about {to}"));
        }
        if seq > 0 {
            self.take_seq(client, epoch, seq);
        }
    }

    fn take_seq(&mut self, client: usize, epoch: u64, seq: u64) {
        let delay = match (self.calm, self.clients[client].slow) {
            (false, true) => self.rng.random_range(60..400),
            _ => self.rng.random_range(0..20),
        };
        let state = &mut self.clients[client];
        if state.epoch != Some(epoch) || seq != state.last_seq + 1 {
            let text = format!("client {client} got {epoch}/{seq} after {}", state.last_seq);
            self.history.complain("I5", text);
        }
        state.last_seq = seq;
        state.ack_at.get_or_insert(self.now_ms + delay);
    }

    // What clients do.

    fn maybe_ack(&mut self, client: usize) {
        let state = &mut self.clients[client];
        if state.ack_at.is_none_or(|at| at > self.now_ms) {
            return;
        }
        let Some(epoch) = state.epoch else { return };
        state.ack_at = None;
        let seq = state.last_seq;
        for (from, id) in std::mem::take(&mut state.unacked) {
            self.history.acknowledged(from, id);
        }
        self.up(client, Up::Ack { epoch, seq });
    }

    fn maybe_connect(&mut self, client: usize) {
        let wanted = if self.calm { 1.0 } else { 0.02 };
        if self.clients[client].conn.is_some() || !self.rng.random_bool(wanted) {
            return;
        }
        let conn = ConnId(self.next_conn);
        self.next_conn += 1;
        let link = Link { client, up: Default::default(), down: Default::default(), connected: true };
        self.links.insert(conn, link);
        self.clients[client].conn = Some(conn);
        self.clients[client].slow = self.rng.random_bool(0.3);
        self.up(client, Up::Register);
    }

    fn plan(&mut self) {
        let client = self.rng.random_range(0..self.clients.len());
        let burst = if self.rng.random_bool(0.02) { 20 } else { 1 };
        for _ in 0..burst {
            if self.clients[client].outbox.len() < OUTBOX_MAX && self.rng.random_bool(0.6) {
                self.send_something(client);
            }
        }
    }

    fn send_something(&mut self, client: usize) {
        let to = self.rng.random_range(0..self.clients.len());
        let ephemeral = self.rng.random_bool(0.15);
        let ttl = if self.rng.random_bool(0.2) { 1 } else { 3600 };
        let padding = self.rng.random_range(0..200);
        let number = self.fresh_number();
        let mut random = [0; 10];
        random[..8].copy_from_slice(&number.to_be_bytes());
        let id = MessageId::new(EPOCH_UNIX, random);
        let envelope = Bytes::from(format!("{client} {to} {id} {}", "x".repeat(padding)));
        let (class, ttl) = if ephemeral { (Class::Ephemeral, None) } else { (Class::Reliable, Some(ttl)) };
        let planned = Planned { request: number, to, id, class, ttl, envelope };
        if self.clients[client].epoch.is_some() {
            self.clients[client].outbox.push_back(planned.clone());
            self.submit(client, &planned);
        } else if class == Class::Reliable {
            self.clients[client].outbox.push_back(planned);
        }
    }

    fn fresh_number(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    // What goes wrong.

    fn fault(&mut self) {
        if self.rng.random_bool(0.01) {
            let client = self.rng.random_range(0..self.clients.len());
            let notice = self.rng.random_range(0..2_000);
            self.history.coverage.cuts += 1;
            self.cut(client, notice);
        }
        if self.rng.random_bool(0.002) {
            self.crash();
        }
        if self.rng.random_bool(0.0005) {
            self.history.coverage.drains += 1;
            self.draining = true;
            self.step_core(Event::Drain);
        }
        if self.draining && self.rng.random_bool(0.02) {
            self.crash();
        }
        if self.store.failing && self.rng.random_bool(0.03) {
            self.store.failing = false;
            self.step_core(Event::StoreRecovered);
        } else if !self.store.failing && self.rng.random_bool(0.003) {
            self.store.failing = true;
        }
    }

    /// The client goes away; the relay notices after `notice_ms`, and some of what was under way still arrives.
    fn cut(&mut self, client: usize, notice_ms: u64) {
        let Some(conn) = self.clients[client].conn else { return };
        self.clients[client].disconnected();
        let Some(link) = self.links.get_mut(&conn) else { return };
        link.connected = false;
        link.up.truncate(self.rng.random_range(0..=link.up.len()));
        link.up.push(self.now_ms + notice_ms, Up::End);
    }

    /// Power cut of the relay: memory and queue are gone, the disk is as it was last committed.
    fn crash(&mut self) {
        self.history.coverage.crashes += 1;
        self.draining = false;
        let happened = self.rng.random_bool(0.5);
        self.store.crash(happened, self.flaw == Some(Flaw::LostRemoval));
        self.links.clear();
        self.loads.clear();
        self.clients.iter_mut().for_each(Client::disconnected);
        self.store.starts += 1;
        self.core = Core::new(limits(), self.store.next_row, self.store.starts);
        let mut effects = Vec::new();
        for row in self.store.restored() {
            self.core.restore(row, &self.names, &mut effects);
        }
        effects.into_iter().for_each(|effect| self.carry_out(effect));
    }
}

fn number(request: &RequestId) -> u64 {
    match request {
        RequestId::Number(number) => *number,
        RequestId::Json(_) => 0,
    }
}

/// Sender, recipient and id of a model envelope.
fn route(envelope: &Bytes) -> (usize, usize, MessageId) {
    let text = std::str::from_utf8(envelope).unwrap();
    let mut words = text.split(' ');
    let mut word = || words.next().unwrap();
    (word().parse().unwrap(), word().parse().unwrap(), word().parse().unwrap())
}
