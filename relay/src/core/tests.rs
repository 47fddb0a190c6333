//! The core, one rule at a time. What happens when many rules meet is the simulator's business.

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
struct Names;

impl KnownAgents for Names {
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

/// A core, its clock, and what it has to do.
#[derive(Debug)]
struct Desk {
    core: Core,
    now: Now,
    effects: Vec<Effect>,
    next: u64,
}

impl Desk {
    fn new() -> Self {
        Self::with(Limits::default())
    }

    fn with(limits: Limits) -> Self {
        let now = Now { mono_ms: 0, unix: 1_790_000_000 };
        Self { core: Core::new(limits, 1, 1), now, effects: Vec::new(), next: 0 }
    }

    fn step(&mut self, event: Event<'_>) -> Vec<Effect> {
        self.core.step(event, self.now, &Names, &mut self.effects);
        std::mem::take(&mut self.effects)
    }

    fn open(&mut self, conn: u64, index: usize) -> Vec<Effect> {
        let did = agent(index);
        let (tenant, request) = (did.tenant(), RequestId::Number(0));
        self.step(Event::Opened(Opened { conn: ConnId(conn), did, tenant, request }))
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
        Effect::Refuse { reason, .. } => Some(*reason),
        _ => None,
    })
}

fn epoch(effects: &[Effect]) -> u64 {
    let welcome = effects.iter().find_map(|effect| match effect {
        Effect::Welcome { epoch, .. } => Some(*epoch),
        _ => None,
    });
    welcome.unwrap()
}

#[test]
fn an_acknowledged_message_never_touches_the_disk() {
    let mut desk = Desk::new();
    desk.open(1, ALICE);
    let epoch = epoch(&desk.open(2, BOB));
    let sent = desk.reliable(1, ALICE, BOB);
    assert_eq!((deliveries(&sent), status(&sent)), (vec![(2, 1)], None));
    let acked = desk.step(Event::Acked { conn: ConnId(2), epoch, seq: 1 });
    assert_eq!(status(&acked), Some(SendStatus::Delivered));
    assert!(rows(&desk.pass(1_000)).is_empty());
    assert_eq!(desk.core.census().held_bytes, 0);
}

#[test]
fn stored_is_said_after_the_commit_and_not_before() {
    let mut desk = Desk::new();
    desk.open(1, ALICE);
    let sent = desk.reliable(1, ALICE, BOB);
    assert_eq!((rows(&sent), status(&sent)), (vec![1], None));
    assert_eq!(status(&desk.pass(60_000 - 1)), None);
    assert_eq!(status(&desk.step(Event::Stored { upto: 1 })), Some(SendStatus::Stored));
}

#[test]
fn a_live_recipient_has_its_grace_and_not_more() {
    let mut desk = Desk::new();
    desk.open(1, ALICE);
    desk.open(2, BOB);
    desk.reliable(1, ALICE, BOB);
    assert!(rows(&desk.pass(49)).is_empty());
    assert_eq!(rows(&desk.pass(1)), [1]);
}

#[test]
fn a_store_that_fails_is_never_called_stored() {
    let mut desk = Desk::new();
    desk.open(1, ALICE);
    desk.reliable(1, ALICE, BOB);
    let failed = desk.step(Event::StoreFailed { upto: 1 });
    assert_eq!((refusal(&failed), status(&failed)), (Some(Reason::StorageUnavailable), None));
    assert!(desk.core.storage_failed());
    assert_eq!(refusal(&desk.reliable(1, ALICE, BOB)), Some(Reason::StorageUnavailable));
    desk.step(Event::StoreRecovered);
    assert_eq!(rows(&desk.reliable(1, ALICE, BOB)), [2]);
}

#[test]
fn a_stale_disconnect_keeps_the_newer_session() {
    let mut desk = Desk::new();
    desk.open(1, ALICE);
    desk.open(2, BOB);
    let newer = desk.open(3, BOB);
    assert!(newer.contains(&Effect::Close { conn: ConnId(2), code: CloseCode::Replaced }));
    desk.step(Event::Closed { conn: ConnId(2) });
    assert!(desk.core.is_online(agent(BOB).as_str()));
    assert_eq!(deliveries(&desk.reliable(1, ALICE, BOB)), [(3, 1)]);
}

#[test]
fn an_older_epoch_acknowledges_nothing() {
    let mut desk = Desk::new();
    desk.open(1, ALICE);
    let old = epoch(&desk.open(2, BOB));
    let new = epoch(&desk.open(3, BOB));
    desk.reliable(1, ALICE, BOB);
    for (conn, epoch) in [(2, old), (3, old), (2, new)] {
        let acked = desk.step(Event::Acked { conn: ConnId(conn), epoch, seq: 1 });
        assert_eq!(acked, [], "connection {conn}, epoch {epoch}");
    }
    let acked = desk.step(Event::Acked { conn: ConnId(3), epoch: new, seq: 1 });
    assert_eq!(status(&acked), Some(SendStatus::Delivered));
}

#[test]
fn a_full_window_spills_in_order_and_what_follows_waits_behind_it() {
    let limits = Limits { sender_rate: Rate { per_second: 1.0, burst: 1e6 }, ..Limits::default() };
    let mut desk = Desk::with(limits);
    desk.open(1, ALICE);
    desk.open(2, BOB);
    for _ in 0..256 {
        assert_eq!(deliveries(&desk.reliable(1, ALICE, BOB)).len(), 1);
    }
    let next = desk.reliable(1, ALICE, BOB);
    assert_eq!(deliveries(&next), []);
    assert_eq!(rows(&next), (1..=257).collect::<Vec<_>>());
    assert!(next.contains(&Effect::Count(Tally::Backlog)));
}

#[test]
fn a_session_that_ends_leaves_its_messages_to_the_next() {
    let mut desk = Desk::new();
    desk.open(1, ALICE);
    desk.open(2, BOB);
    desk.reliable(1, ALICE, BOB);
    assert_eq!(rows(&desk.step(Event::Closed { conn: ConnId(2) })), [1]);
    desk.step(Event::Stored { upto: 1 });
    let opened = desk.open(3, BOB);
    let load = opened.iter().find_map(|effect| match effect {
        Effect::Load { agent, epoch, rows } => Some((*agent, *epoch, rows.clone())),
        _ => None,
    });
    let (agent, epoch, rows) = load.unwrap();
    assert_eq!(rows, [1]);
    let page = vec![(1, Bytes::from_static(b"body"))];
    assert_eq!(deliveries(&desk.step(Event::Loaded { agent, epoch, page })), [(3, 1)]);
}

#[test]
fn an_expired_message_is_told_durably_before_it_is_gone() {
    let mut desk = Desk::new();
    desk.open(1, ALICE);
    desk.reliable(1, ALICE, BOB);
    desk.step(Event::Stored { upto: 1 });
    let expired = desk.pass(61_000);
    assert_eq!(rows(&expired), [2], "the notice");
    assert!(!expired.contains(&Effect::Write(Write::Remove { row: 1 })));
    let told = desk.step(Event::Stored { upto: 2 });
    assert!(told.contains(&Effect::Write(Write::Remove { row: 1 })));
    let notice = told.iter().any(|effect| {
        matches!(effect, Effect::Notice { conn: ConnId(1), seq: 1, outcome: Outcome::Expired, .. })
    });
    assert!(notice, "{told:?}");
}

#[test]
fn draining_writes_what_is_in_flight_and_takes_nothing_more() {
    let mut desk = Desk::new();
    desk.open(1, ALICE);
    desk.open(2, BOB);
    desk.reliable(1, ALICE, BOB);
    assert_eq!(rows(&desk.step(Event::Drain)), [1]);
    assert_eq!(refusal(&desk.reliable(1, ALICE, BOB)), Some(Reason::Draining));
    assert_eq!(refusal(&desk.open(3, EVE)), Some(Reason::Draining));
    assert_eq!(status(&desk.step(Event::Stored { upto: 1 })), Some(SendStatus::Stored));
}

#[test]
fn memory_for_all_has_an_end() {
    let limits = Limits { held_bytes_max: 10, ..Limits::default() };
    let mut desk = Desk::with(limits);
    desk.open(1, ALICE);
    let answers: Vec<_> = (0..6).map(|_| refusal(&desk.reliable(1, ALICE, BOB))).collect();
    assert_eq!(answers.first(), Some(&None));
    assert_eq!(answers.last(), Some(&Some(Reason::Overloaded)));
}

#[test]
fn the_oldest_answer_is_forgotten_when_the_ledger_is_full() {
    let limits = Limits { dedup_entries_max: 10, ..Limits::default() };
    let mut desk = Desk::with(limits);
    desk.open(1, ALICE);
    let epoch = epoch(&desk.open(2, BOB));
    for seq in 1..=100 {
        desk.reliable(1, ALICE, BOB);
        desk.step(Event::Acked { conn: ConnId(2), epoch, seq });
    }
    assert!(desk.core.census().remembered <= 11, "{:?}", desk.core.census());
}
