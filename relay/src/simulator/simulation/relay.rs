//! The relay's side: what arrives at the core, what its effects become, and the flaws that can be planted there.

use bytes::Bytes;
use rand::RngExt;

use super::PendingLoad;
use super::{Simulation, route};
use crate::core::{ConnId, Effect, Event, Opened, RequestId, Submission, Counter};
use crate::simulator::mutation::Mutation;
use crate::simulator::link::{Down, Up};

impl Simulation {
    pub(super) fn carry_up(&mut self, conn: ConnId) {
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

    pub(super) fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Welcome { conn, mut epoch, .. } => {
                let first = *self.first_epoch.get_or_insert(epoch);
                if self.mutation == Some(Mutation::RepeatedEpoch) {
                    epoch = first;
                }
                self.down(conn, Down::Welcome { epoch });
            }
            Effect::Answer { conn, request, status } => {
                if self.mutation != Some(Mutation::SwallowedAnswer) || self.rng.random_bool(0.9) {
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
            Effect::Count(Counter::Backlog) => self.history.coverage.backlogs += 1,
            Effect::Count(Counter::Repeated) => self.history.coverage.repeated += 1,
            Effect::Count(Counter::Unreadable) => self.history.complain("I1", "a row is unreadable".into()),
            Effect::Count(_) => {}
        }
    }

    fn write(&mut self, write: crate::core::Write) {
        let row = match &write {
            crate::core::Write::Insert(row) => Some(row.row),
            _ => None,
        };
        self.store.submit(write);
        if let (Some(upto), Some(Mutation::EarlyCommit)) = (row, self.mutation) {
            let mut effects = Vec::new();
            let now = self.now();
            self.core.step(Event::Stored { upto }, now, &self.names, &mut effects);
            effects.into_iter().for_each(|effect| self.carry_out(effect));
        }
    }

    fn deliver(&mut self, conn: ConnId, epoch: u64, seq: u64, mut envelope: Bytes) {
        let mut conn = conn;
        match self.mutation {
            Some(Mutation::SwappedDeliveries | Mutation::RepeatedDelivery) if self.rng.random_bool(0.3) => {
                let other = self.previous.replace(envelope.clone());
                let same = |a: &Bytes, b: &Bytes| route(a).1 == route(b).1;
                envelope = other.filter(|o| same(o, &envelope)).unwrap_or(envelope);
            }
            Some(Mutation::RepeatedDelivery) => self.previous = Some(envelope.clone()),
            Some(Mutation::Misrouted) if self.rng.random_bool(0.05) => {
                conn = self.links.keys().next_back().copied().unwrap_or(conn);
            }
            _ => {}
        }
        self.down(conn, Down::Deliver { epoch, seq, envelope });
        if self.mutation == Some(Mutation::ForgedAck) && self.rng.random_bool(0.1) {
            let mut effects = Vec::new();
            let now = self.now();
            self.core.step(Event::Acked { conn, epoch, seq }, now, &self.names, &mut effects);
            effects.into_iter().for_each(|effect| self.carry_out(effect));
        }
    }
}

fn number(request: &RequestId) -> u64 {
    match request {
        RequestId::Number(number) => *number,
        RequestId::Json(_) => 0,
    }
}
