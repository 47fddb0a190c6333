//! The relay's side: passes events to the core, applies its effects to the models, and plants the
//! mutations between them.

use bytes::Bytes;
use rand::RngExt;

use super::PendingLoad;
use super::{Simulation, route};
use crate::core::{ConnId, Counter, Effect, Event, NewSession, RequestId, Submission};
use crate::simulator::model_connection::{ToClient, ToRelay};
use crate::simulator::mutation::Mutation;

impl Simulation {
    pub(super) fn deliver_to_relay(&mut self, conn: ConnId) {
        while let Some(link) = self.links.get_mut(&conn) {
            let client = link.client;
            let Some(item) = link.up.pop(self.now_ms) else { return };
            let did = self.clients[client].did.clone();
            match item {
                ToRelay::Register => {
                    let (tenant, request) = (did.tenant(), RequestId::Number(0));
                    self.step_core(Event::Opened(NewSession { conn, did, tenant, request }));
                }
                ToRelay::Send { request, to, id, class, ttl, envelope } => {
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
                ToRelay::Ack { epoch, seq } => self.step_core(Event::Acked { conn, epoch, seq }),
                ToRelay::End => {
                    self.links.remove(&conn);
                    self.step_core(Event::Closed { conn });
                }
            }
        }
    }

    pub(super) fn apply_effect(&mut self, effect: Effect) {
        match effect {
            Effect::Registered { conn, mut epoch, .. } => {
                let first = *self.first_epoch.get_or_insert(epoch);
                if self.mutation == Some(Mutation::RepeatedEpoch) {
                    epoch = first;
                }
                self.down(conn, ToClient::Registered { epoch });
            }
            Effect::Answer { conn, request, status } => {
                if self.mutation != Some(Mutation::SwallowedAnswer) || self.rng.random_bool(0.9) {
                    self.down(conn, ToClient::Answer { request: number(&request), status });
                }
            }
            Effect::Refuse { conn, request, reason, .. } => {
                self.down(conn, ToClient::Refuse { request: number(&request), reason });
            }
            Effect::Deliver { conn, epoch, seq, envelope } => self.deliver(conn, epoch, seq, envelope),
            Effect::Notice { conn, epoch, seq, id, to, outcome, .. } => {
                self.down(conn, ToClient::Notice { epoch, seq, id, to: to.to_string(), outcome });
            }
            Effect::Close { conn, .. } => {
                self.history.coverage.replaced += 1;
                self.down(conn, ToClient::End);
            }
            Effect::Write(write) => self.write(write),
            Effect::LoadPage { agent, epoch, rows } => {
                let due_ms = self.now_ms + 3;
                self.loads.push_back(PendingLoad { due_ms, agent, epoch, rows });
            }
            Effect::Count(Counter::Backlog) => self.history.coverage.backlogs += 1,
            Effect::Count(Counter::Repeated) => self.history.coverage.repeated += 1,
            Effect::Count(Counter::Unreadable) => self.history.violation("I1", "a row is unreadable".into()),
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
            effects.into_iter().for_each(|effect| self.apply_effect(effect));
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
        self.down(conn, ToClient::Deliver { epoch, seq, envelope });
        if self.mutation == Some(Mutation::ForgedAck) && self.rng.random_bool(0.1) {
            let mut effects = Vec::new();
            let now = self.now();
            self.core.step(Event::Acked { conn, epoch, seq }, now, &self.names, &mut effects);
            effects.into_iter().for_each(|effect| self.apply_effect(effect));
        }
    }
}

fn number(request: &RequestId) -> u64 {
    match request {
        RequestId::Number(number) => *number,
        RequestId::Json(_) => 0,
    }
}
