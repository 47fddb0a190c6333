//! A core under test with its clock, its agents and the bodies that it has stored.

use std::collections::HashMap;

use bytes::Bytes;
use protocol::Did;
use protocol::did::TenantId;
use protocol::envelope::{Class, MessageId};

use crate::core::{
    AgentRegistry, ConnId, Core, CoreLimits, Effect, Event, NewSession, Now, Rate, RequestId, RestoredRow,
    RowId, RowKind, RowState, Submission, SubmittedEnvelope, Write, WriteContent, WriteRow, digest, limits,
};

pub(super) const AGENTS: [(&str, &str); 5] =
    [("a", "alice"), ("a", "bob"), ("b", "eve"), ("b", "mallory"), ("a", "carol")];
pub(super) const ALICE: usize = 0;
pub(super) const BOB: usize = 1;
pub(super) const EVE: usize = 2;
pub(super) const MALLORY: usize = 3;
pub(super) const CAROL: usize = 4;

#[derive(Debug)]
pub(super) struct FixedAgents;

impl AgentRegistry for FixedAgents {
    fn tenant_of(&self, did: &str) -> Option<TenantId> {
        let known = (0..AGENTS.len()).map(agent).find(|known| known.as_str() == did);
        known.map(|known| known.tenant())
    }
}

pub(super) fn agent(index: usize) -> Did {
    let (tenant, name) = AGENTS[index];
    Did::new(&"example.com".parse().unwrap(), &tenant.parse().unwrap(), &name.parse().unwrap())
}

pub(super) fn test_limits() -> CoreLimits {
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

/// A reliable message, which can be sent several times.
#[derive(Debug, Clone)]
pub(super) struct TestMessage {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) id: MessageId,
    pub(super) ttl: u64,
    pub(super) envelope: Bytes,
}

#[derive(Debug)]
pub(super) struct TestCore {
    pub(super) core: Core,
    pub(super) now: Now,
    effects: Vec<Effect>,
    next: u64,
    bodies: HashMap<RowId, Bytes>,
}

impl TestCore {
    pub(super) fn new() -> Self {
        Self::with(test_limits())
    }

    pub(super) fn with(limits: CoreLimits) -> Self {
        let now = Now { mono_ms: 0, unix: 1_790_000_000 };
        let core = Core::new(limits, 1, 1, now);
        Self { core, now, effects: Vec::new(), next: 0, bodies: HashMap::new() }
    }

    pub(super) fn step(&mut self, event: Event<'_>) -> Vec<Effect> {
        let submitted = event.submitted_envelope();
        self.core.step(event, self.now, &FixedAgents, &mut self.effects);
        assert_eq!(self.core.check(self.now), Ok(()));
        let effects = self.effects.drain(..).map(|effect| effect.with_envelope(submitted));
        let effects: Vec<_> = effects.collect();
        for effect in &effects {
            if let Effect::Write(Write::Insert(WriteRow {
                row, content: WriteContent::Message(body), ..
            })) = effect
            {
                self.bodies.insert(*row, body.clone());
            }
        }
        effects
    }

    pub(super) fn open(&mut self, conn: u64, index: usize) -> Vec<Effect> {
        let did = agent(index);
        let (tenant, request) = (did.tenant(), RequestId::Number(0));
        self.step(Event::Opened(NewSession { conn: ConnId(conn), did, tenant, request }))
    }

    /// A new message with a ttl of a minute.
    pub(super) fn message(&mut self, from: usize, to: usize) -> TestMessage {
        self.next += 1;
        let mut random = [0; 10];
        random[..8].copy_from_slice(&self.next.to_be_bytes());
        let id = MessageId::new(self.now.unix, random);
        TestMessage { from, to, id, ttl: 60, envelope: Bytes::from(format!("{from} {}", self.next)) }
    }

    /// Sends a message, perhaps again.
    pub(super) fn submit(&mut self, conn: u64, message: &TestMessage) -> Vec<Effect> {
        let (to, ttl) = (agent(message.to), Some(message.ttl));
        self.send_to(conn, message, to.as_str(), Class::Reliable, ttl)
    }

    pub(super) fn reliable(&mut self, conn: u64, from: usize, to: usize) -> Vec<Effect> {
        let message = self.message(from, to);
        self.submit(conn, &message)
    }

    /// Sends a new message of this class to any DID.
    pub(super) fn send(&mut self, conn: u64, from: usize, to: &str, class: Class) -> Vec<Effect> {
        let message = self.message(from, from);
        let ttl = (class == Class::Reliable).then_some(message.ttl);
        self.send_to(conn, &message, to, class, ttl)
    }

    fn send_to(
        &mut self,
        conn: u64,
        message: &TestMessage,
        to: &str,
        class: Class,
        ttl: Option<u64>,
    ) -> Vec<Effect> {
        let from = agent(message.from);
        self.step(Event::Sent(Submission {
            conn: ConnId(conn),
            request: RequestId::Number(self.next),
            to,
            from: from.as_str(),
            id: message.id,
            class,
            ttl,
            envelope: SubmittedEnvelope::Shared(&message.envelope),
            digest: digest(&message.envelope),
        }))
    }

    pub(super) fn ack(&mut self, conn: u64, epoch: u64, seq: u64) -> Vec<Effect> {
        self.step(Event::Acked { conn: ConnId(conn), epoch, seq })
    }

    pub(super) fn pass(&mut self, ms: u64) -> Vec<Effect> {
        self.now.mono_ms += ms;
        self.now.unix += ms / 1000;
        self.step(Event::Tick)
    }

    /// Reads the pages that these effects ask for, and those that the answers ask for.
    pub(super) fn read_pages(&mut self, effects: Vec<Effect>) -> Vec<Effect> {
        let mut found = Vec::new();
        for effect in effects {
            match effect {
                Effect::LoadPage { agent, epoch, rows } => {
                    let page = rows.iter().map(|row| (*row, self.bodies[row].clone())).collect();
                    let loaded = self.step(Event::Loaded { agent, epoch, page });
                    found.extend(self.read_pages(loaded));
                }
                other => found.push(other),
            }
        }
        found
    }
}

/// A message as the store has it in its first row.
pub(super) fn restored_row(relay: &TestCore, message: &TestMessage) -> RestoredRow {
    RestoredRow {
        row: 1,
        recipient: agent(message.to),
        peer: agent(message.from),
        id: message.id,
        digest: digest(&message.envelope),
        kind: RowKind::Message,
        size: u32::try_from(message.envelope.len()).unwrap(),
        accepted: relay.now.unix,
        expires: relay.now.unix + message.ttl,
        state: RowState::Waiting,
    }
}
