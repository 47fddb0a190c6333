//! Unit tests of the core, one rule each. The simulator tests how the rules interact.

use bytes::Bytes;
use protocol::close::CloseCode;
use protocol::did::TenantId;
use protocol::envelope::{Class, MessageId};
use protocol::frame::{Outcome, SendStatus};
use protocol::{Did, Reason};

use super::*;

mod tenants;

const AGENTS: [(&str, &str); 4] = [("a", "alice"), ("a", "bob"), ("b", "eve"), ("b", "mallory")];

#[derive(Debug)]
struct FixedAgents;

impl AgentRegistry for FixedAgents {
    fn tenant_of(&self, did: &str) -> Option<TenantId> {
        let known = (0..AGENTS.len()).map(agent).find(|known| known.as_str() == did);
        known.map(|known| known.tenant())
    }
}

fn agent(index: usize) -> Did {
    let (tenant, name) = AGENTS[index];
    Did::new(&"example.com".parse().unwrap(), &tenant.parse().unwrap(), &name.parse().unwrap())
}

const ALICE: usize = 0;
const BOB: usize = 1;
const EVE: usize = 2;

fn limits() -> CoreLimits {
    CoreLimits {
        mailbox_messages: 10_000,
        mailbox_bytes: 64 << 20,
        sender_rate: Rate { per_second: 1_000.0, burst: 2_000.0 },
        tenant_rate: Rate { per_second: 10_000.0, burst: 20_000.0 },
        held_bytes_max: 256 << 20,
        dedup_entries_max: limits::DEDUP_ENTRIES_MAX,
        mailbox_notices: 10_000,
        tenant_messages: 1 << 30,
        tenant_bytes: 1 << 40,
        relay_messages: 1 << 30,
        relay_bytes: 1 << 40,
        window_messages: 256,
        window_bytes: 1 << 20,
        page_rows: 64,
        unanswered_sends: 4096,
        writes_pending: 16_384,
    }
}

/// A core with its clock and its effects.
#[derive(Debug)]
struct TestCore {
    core: Core,
    now: Now,
    effects: Vec<Effect>,
    next: u64,
}

impl TestCore {
    fn new() -> Self {
        Self::with(limits())
    }

    fn with(limits: CoreLimits) -> Self {
        let now = Now { mono_ms: 0, unix: 1_790_000_000 };
        Self { core: Core::new(limits, 1, 1, now), now, effects: Vec::new(), next: 0 }
    }

    fn step(&mut self, event: Event<'_>) -> Vec<Effect> {
        self.core.step(event, self.now, &FixedAgents, &mut self.effects);
        assert_eq!(self.core.check(self.now), Ok(()));
        std::mem::take(&mut self.effects)
    }

    fn open(&mut self, conn: u64, index: usize) -> Vec<Effect> {
        let did = agent(index);
        let (tenant, request) = (did.tenant(), RequestId::Number(0));
        self.step(Event::Opened(NewSession { conn: ConnId(conn), did, tenant, request }))
    }

    fn send(&mut self, conn: u64, from: usize, to: &str, class: Class) -> Vec<Effect> {
        self.next += 1;
        let mut random = [0; 10];
        random[..8].copy_from_slice(&self.next.to_be_bytes());
        let id = MessageId::new(self.now.unix, random);
        let envelope = Bytes::from(format!("{from} {}", self.next));
        self.send_as(conn, from, to, class, id, &envelope)
    }

    fn send_as(
        &mut self,
        conn: u64,
        from: usize,
        to: &str,
        class: Class,
        id: MessageId,
        envelope: &Bytes,
    ) -> Vec<Effect> {
        let from = agent(from);
        let ttl = (class == Class::Reliable).then_some(60);
        self.step(Event::Sent(Submission {
            conn: ConnId(conn),
            request: RequestId::Number(self.next),
            to,
            from: from.as_str(),
            id,
            class,
            ttl,
            envelope,
        }))
    }

    fn reliable(&mut self, conn: u64, from: usize, to: usize) -> Vec<Effect> {
        self.send(conn, from, agent(to).as_str(), Class::Reliable)
    }

    fn pass(&mut self, ms: u64) -> Vec<Effect> {
        self.now.mono_ms += ms;
        self.now.unix += ms / 1000;
        self.step(Event::Tick)
    }
}

fn deliveries(effects: &[Effect]) -> Vec<(u64, u64)> {
    let delivery = |effect: &Effect| match effect {
        Effect::Deliver { conn, seq, .. } => Some((conn.0, *seq)),
        _ => None,
    };
    effects.iter().filter_map(delivery).collect()
}

fn rows(effects: &[Effect]) -> Vec<RowId> {
    let row = |effect: &Effect| match effect {
        Effect::Write(Write::Insert(row)) => Some(row.row),
        _ => None,
    };
    effects.iter().filter_map(row).collect()
}

fn status(effects: &[Effect]) -> Option<SendStatus> {
    effects.iter().find_map(|effect| match effect {
        Effect::Answer { status, .. } => Some(*status),
        _ => None,
    })
}

fn refusal(effects: &[Effect]) -> Option<Reason> {
    effects.iter().find_map(|effect| match effect {
        Effect::Refuse { error, .. } => Some(error.reason),
        _ => None,
    })
}

fn epoch(effects: &[Effect]) -> u64 {
    let registered = effects.iter().find_map(|effect| match effect {
        Effect::Registered { epoch, .. } => Some(*epoch),
        _ => None,
    });
    registered.unwrap()
}

#[test]
fn an_acknowledged_message_never_touches_the_disk() {
    let mut relay = TestCore::new();
    relay.open(1, ALICE);
    let epoch = epoch(&relay.open(2, BOB));
    let sent = relay.reliable(1, ALICE, BOB);
    assert_eq!((deliveries(&sent), status(&sent)), (vec![(2, 1)], None));
    let acked = relay.step(Event::Acked { conn: ConnId(2), epoch, seq: 1 });
    assert_eq!(status(&acked), Some(SendStatus::Delivered));
    assert!(rows(&relay.pass(1_000)).is_empty());
    assert_eq!(relay.core.stats().held_bytes, 0);
}

#[test]
fn stored_is_said_after_the_commit_and_not_before() {
    let mut relay = TestCore::new();
    relay.open(1, ALICE);
    let sent = relay.reliable(1, ALICE, BOB);
    assert_eq!((rows(&sent), status(&sent)), (vec![1], None));
    assert_eq!(status(&relay.pass(60_000 - 1)), None);
    assert_eq!(status(&relay.step(Event::Stored { upto: 1 })), Some(SendStatus::Stored));
}

#[test]
fn a_live_recipient_has_its_grace_and_not_more() {
    let mut relay = TestCore::new();
    relay.open(1, ALICE);
    relay.open(2, BOB);
    relay.reliable(1, ALICE, BOB);
    assert!(rows(&relay.pass(49)).is_empty());
    assert_eq!(rows(&relay.pass(1)), [1]);
}

#[test]
fn a_store_that_fails_is_never_called_stored() {
    let mut relay = TestCore::new();
    relay.open(1, ALICE);
    relay.reliable(1, ALICE, BOB);
    let failed = relay.step(Event::StoreFailed { upto: 1 });
    assert_eq!((refusal(&failed), status(&failed)), (Some(Reason::StorageUnavailable), None));
    assert!(relay.core.storage_failed());
    assert_eq!(refusal(&relay.reliable(1, ALICE, BOB)), Some(Reason::StorageUnavailable));
    relay.step(Event::StoreRecovered);
    assert_eq!(rows(&relay.reliable(1, ALICE, BOB)), [2]);
}

#[test]
fn a_stale_disconnect_keeps_the_newer_session() {
    let mut relay = TestCore::new();
    relay.open(1, ALICE);
    relay.open(2, BOB);
    let newer = relay.open(3, BOB);
    assert!(newer.contains(&Effect::Close { conn: ConnId(2), code: CloseCode::Replaced }));
    relay.step(Event::Closed { conn: ConnId(2) });
    assert!(relay.core.is_online(agent(BOB).as_str()));
    assert_eq!(deliveries(&relay.reliable(1, ALICE, BOB)), [(3, 1)]);
}

#[test]
fn an_older_epoch_acknowledges_nothing() {
    let mut relay = TestCore::new();
    relay.open(1, ALICE);
    let old = epoch(&relay.open(2, BOB));
    let new = epoch(&relay.open(3, BOB));
    relay.reliable(1, ALICE, BOB);
    for (conn, epoch) in [(2, old), (3, old), (2, new)] {
        let acked = relay.step(Event::Acked { conn: ConnId(conn), epoch, seq: 1 });
        assert_eq!(acked, [], "connection {conn}, epoch {epoch}");
    }
    let acked = relay.step(Event::Acked { conn: ConnId(3), epoch: new, seq: 1 });
    assert_eq!(status(&acked), Some(SendStatus::Delivered));
}

#[test]
fn a_full_window_spills_in_order_and_what_follows_waits_behind_it() {
    let limits = CoreLimits { sender_rate: Rate { per_second: 1.0, burst: 1e6 }, ..limits() };
    let mut relay = TestCore::with(limits);
    relay.open(1, ALICE);
    relay.open(2, BOB);
    for _ in 0..256 {
        assert_eq!(deliveries(&relay.reliable(1, ALICE, BOB)).len(), 1);
    }
    let next = relay.reliable(1, ALICE, BOB);
    assert_eq!(deliveries(&next), []);
    assert_eq!(rows(&next), (1..=257).collect::<Vec<_>>());
    assert!(next.contains(&Effect::Count(Counter::Backlog)));
}

#[test]
fn a_session_that_ends_leaves_its_messages_to_the_next() {
    let mut relay = TestCore::new();
    relay.open(1, ALICE);
    relay.open(2, BOB);
    relay.reliable(1, ALICE, BOB);
    assert_eq!(rows(&relay.step(Event::Closed { conn: ConnId(2) })), [1]);
    relay.step(Event::Stored { upto: 1 });
    let opened = relay.open(3, BOB);
    let load = opened.iter().find_map(|effect| match effect {
        Effect::LoadPage { agent, epoch, rows } => Some((*agent, *epoch, rows.clone())),
        _ => None,
    });
    let (agent, epoch, rows) = load.unwrap();
    assert_eq!(rows, [1]);
    let page = vec![(1, Bytes::from_static(b"body"))];
    assert_eq!(deliveries(&relay.step(Event::Loaded { agent, epoch, page })), [(3, 1)]);
}

#[test]
fn the_notice_of_an_expired_message_ends_it_in_one_transaction() {
    let mut relay = TestCore::new();
    relay.open(1, ALICE);
    relay.reliable(1, ALICE, BOB);
    relay.step(Event::Stored { upto: 1 });
    let expired = relay.pass(61_000);
    assert_eq!(rows(&expired), [2], "the notice");
    let ends = |effect: &Effect| {
        let Effect::Write(Write::Insert(row)) = effect else { return false };
        matches!(row.content, WriteContent::Notice { ends: Some(1), outcome: Outcome::Expired, .. })
    };
    assert!(expired.iter().any(ends), "{expired:?}");
    let stored = relay.step(Event::Stored { upto: 2 });
    let notice = stored.iter().any(|effect| {
        matches!(effect, Effect::Notice { conn: ConnId(1), seq: 1, outcome: Outcome::Expired, .. })
    });
    assert!(notice, "{stored:?}");
}

#[test]
fn draining_writes_what_is_in_flight_and_takes_nothing_more() {
    let mut relay = TestCore::new();
    relay.open(1, ALICE);
    relay.open(2, BOB);
    relay.reliable(1, ALICE, BOB);
    assert_eq!(rows(&relay.step(Event::Drain)), [1]);
    assert_eq!(refusal(&relay.reliable(1, ALICE, BOB)), Some(Reason::Draining));
    assert_eq!(refusal(&relay.open(3, EVE)), Some(Reason::Draining));
    assert_eq!(status(&relay.step(Event::Stored { upto: 1 })), Some(SendStatus::Stored));
}

#[test]
fn memory_for_all_has_an_end() {
    let limits = CoreLimits { held_bytes_max: 10, ..limits() };
    let mut relay = TestCore::with(limits);
    relay.open(1, ALICE);
    let answers: Vec<_> = (0..6).map(|_| refusal(&relay.reliable(1, ALICE, BOB))).collect();
    assert_eq!(answers.first(), Some(&None));
    assert_eq!(answers.last(), Some(&Some(Reason::Overloaded)));
}

#[test]
fn the_oldest_answer_is_forgotten_when_the_dedup_table_is_full() {
    let limits = CoreLimits { dedup_entries_max: 10, ..limits() };
    let mut relay = TestCore::with(limits);
    relay.open(1, ALICE);
    let epoch = epoch(&relay.open(2, BOB));
    for seq in 1..=100 {
        relay.reliable(1, ALICE, BOB);
        relay.step(Event::Acked { conn: ConnId(2), epoch, seq });
    }
    assert!(relay.core.stats().remembered <= 10, "{:?}", relay.core.stats());
}
