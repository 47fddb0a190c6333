//! The relay's side: passes events to the core, applies its effects to the models, and plants the
//! mutations between them.

use bytes::Bytes;
use protocol::Reason;
use protocol::close::CloseCode;
use protocol::frame::{Outcome, SendStatus};
use rand::RngExt;

use super::PendingLoad;
use super::{Simulation, route};
use crate::core::{
    ConnId, Counter, Effect, Event, NewSession, RequestId, RowId, Submission, SubmittedEnvelope, Write,
    WriteContent, digest,
};
use crate::simulator::model_connection::{ModelSend, ToClient, ToRelay};
use crate::simulator::mutation::Mutation;

impl Simulation {
    pub(super) fn deliver_to_relay(&mut self, conn: ConnId) {
        while let Some(link) = self.links.get_mut(&conn) {
            let client = link.client;
            let Some(item) = link.up.pop(self.now_ms) else { return };
            match item {
                ToRelay::Register => self.open(conn, client, 0),
                ToRelay::RegisterAs { client } => {
                    if link.epoch.is_some() {
                        let request = self.next_number();
                        self.must_refuse(conn, request, Reason::Forbidden);
                        self.open(conn, client, request);
                    }
                }
                ToRelay::Send(send) => self.submit_to_core(conn, &send),
                ToRelay::Ack { epoch, seq } => {
                    self.settle(conn, epoch, |delivered| delivered <= seq, seq, Outcome::Delivered);
                    self.step_core(Event::Acked { conn, epoch, seq });
                }
                ToRelay::Refuse { epoch, seq, reason } => {
                    self.settle(conn, epoch, |delivered| delivered == seq, seq, Outcome::Refused);
                    self.step_core(Event::Refused { conn, epoch, seq, reason });
                }
                ToRelay::End => {
                    self.links.remove(&conn);
                    self.step_core(Event::Closed { conn });
                }
            }
        }
    }

    fn open(&mut self, conn: ConnId, client: usize, request: u64) {
        let did = self.clients[client].did.clone();
        let (tenant, request) = (did.tenant(), RequestId::Number(request));
        self.step_core(Event::Opened(NewSession { conn, did, tenant, request }));
    }

    fn must_refuse(&mut self, conn: ConnId, request: u64, reason: Reason) {
        if let Some(link) = self.links.get_mut(&conn) {
            link.refused.insert(request, reason);
        }
    }

    fn submit_to_core(&mut self, conn: ConnId, send: &ModelSend) {
        let ModelSend { request, from, to, id, class, ttl, ref envelope } = *send;
        let now = self.moment();
        if let Some(link) = self.links.get_mut(&conn) {
            link.requests.insert(request, now.ms);
        }
        if let Some(asked) = self.requests.get(&request) {
            self.history.got(asked.client, asked.id, now);
        }
        self.metered.attempted(send);
        let before = self.before_send(send);
        self.refusals.clear();
        let (to, from) = (self.directory.dids[to].clone(), self.directory.dids[from].clone());
        self.step_core(Event::Sent(Submission {
            conn,
            request: RequestId::Number(request),
            to: to.as_str(),
            from: from.as_str(),
            id,
            class,
            ttl,
            envelope: SubmittedEnvelope::Shared(envelope),
            digest: digest(envelope),
        }));
        self.check_send(conn, send, &before);
    }

    /// Records what the relay has to take from an acknowledgement or a refusal.
    fn settle(
        &mut self,
        conn: ConnId,
        epoch: u64,
        concerned: impl Fn(u64) -> bool,
        seq: u64,
        outcome: Outcome,
    ) {
        let run = self.store.starts;
        let Some(link) = self.links.get_mut(&conn).filter(|link| link.epoch == Some(epoch)) else { return };
        if seq > link.last_seq {
            link.epoch = None;
            link.must_close = true;
            return;
        }
        let settled = link.deliveries.extract_if(.., |delivered, _| concerned(*delivered));
        for (_, (from, id)) in settled.collect::<Vec<_>>() {
            self.history.settled(from, id, outcome, run);
        }
    }

    pub(super) fn apply_effect(&mut self, effect: Effect) {
        match effect {
            Effect::Registered { conn, epoch, request, .. } => {
                self.on_registered_effect(conn, epoch, &request)
            }
            Effect::Answer { conn, request, status } => self.on_answer(conn, number(&request), status),
            Effect::Refuse { conn, request, error } => {
                self.on_refuse(conn, number(&request), error.reason);
            }
            Effect::Deliver { conn, epoch, seq, envelope } => self.deliver(conn, epoch, seq, envelope),
            Effect::Forward { .. } => unreachable!("step_core makes deliveries of them"),
            Effect::Notice { conn, epoch, seq, id, to, outcome, missed, .. } => {
                let now = self.moment();
                if let Some(link) = self.links.get_mut(&conn) {
                    link.last_seq = link.last_seq.max(seq);
                    let client = link.client;
                    self.history.noticed(client, id, outcome, now);
                    if seq > 0 && missed < std::mem::take(&mut self.clients[client].untold) {
                        let text = format!("client {client} does not hear that notices were dropped");
                        self.history.violation("I7", text);
                    }
                }
                self.down(conn, ToClient::Notice { epoch, seq, to: to.to_string(), missed });
            }
            Effect::Close { conn, code } => {
                self.history.coverage.replaced += 1;
                if let Some(link) = self.links.get_mut(&conn) {
                    link.epoch = None;
                    if code == CloseCode::Policy && !std::mem::take(&mut link.must_close) {
                        let text = format!("client {} is closed for a good settlement", link.client);
                        self.history.violation("I5", text);
                    }
                }
                self.down(conn, ToClient::End);
            }
            Effect::Write(write) => self.write(write),
            Effect::LoadPage { agent, epoch, rows } => {
                let (count, limits) = (rows.len(), &self.limits);
                if count > limits.page_rows || count as u64 > limits.window_messages {
                    self.history.violation("I8", format!("a page of {count} rows is read"));
                }
                let slow = self.rng.random_bool(0.1);
                let due_ms = self.now_ms + if slow { self.rng.random_range(50..1_200) } else { 3 };
                self.loads.push_back(PendingLoad { due_ms, agent, epoch, rows });
            }
            Effect::Metered(event) => self.on_metered(&event),
            Effect::Count(counter) => self.count(counter),
        }
    }

    fn count(&mut self, counter: Counter) {
        match counter {
            Counter::Backlog => self.history.coverage.backlogs += 1,
            Counter::Repeated => self.history.coverage.repeated += 1,
            Counter::Unreadable => {
                self.history.coverage.unreadable += 1;
                if self.store.damaged.is_empty() {
                    self.history.violation("I1", "a row is unreadable".into());
                }
            }
            Counter::Expired | Counter::Dropped | Counter::ClockStepped => {}
        }
    }

    fn on_registered_effect(&mut self, conn: ConnId, mut epoch: u64, request: &RequestId) {
        if let Some(link) = self.links.get_mut(&conn) {
            link.epoch = Some(epoch);
            link.deliveries.clear();
            link.last_seq = 0;
            if link.refused.contains_key(&number(request)) {
                self.history.violation("I6", "another agent got the connection".into());
            }
        }
        let first = *self.first_epoch.get_or_insert(epoch);
        if self.mutation == Some(Mutation::RepeatedEpoch) {
            epoch = first;
        }
        self.down(conn, ToClient::Registered { epoch });
    }

    fn on_answer(&mut self, conn: ConnId, request: u64, status: SendStatus) {
        let run = self.store.starts;
        if self.mutation == Some(Mutation::SwallowedAnswer) && self.rng.random_bool(0.1) {
            return;
        }
        if let Some(asked) = self.requests.get(&request) {
            self.history.answered(asked.client, asked.id, status, &asked.body, run);
            self.metered.answered(asked.client, asked.id, status);
        }
        if let Some(link) = self.links.get_mut(&conn) {
            link.requests.remove(&request);
            if let Some(reason) = link.refused.remove(&request) {
                self.history.violation("I6", format!("a send was {status:?} and not refused: {reason:?}"));
            }
        }
        self.down(conn, ToClient::Answer { request });
    }

    fn on_refuse(&mut self, conn: ConnId, request: u64, reason: Reason) {
        let coverage = &mut self.history.coverage;
        coverage.refused += 1;
        self.refusals.push((request, reason));
        match reason {
            Reason::StorageUnavailable => coverage.storage_refusals += 1,
            Reason::StorageFull => coverage.storage_full += 1,
            Reason::MailboxFull => coverage.mailbox_full += 1,
            Reason::Overloaded => coverage.overloaded += 1,
            Reason::DuplicateId => coverage.duplicate_ids += 1,
            Reason::RateLimited => coverage.rate_limited += 1,
            _ => {}
        }
        if reason == Reason::StorageUnavailable && self.store_takes_messages {
            self.history.violation("I9", "a send is refused by a store that takes messages".into());
        }
        let run = self.store.starts;
        if let Some(asked) = self.requests.get(&request) {
            self.history.refused(asked.client, asked.id, reason, &asked.body, run);
        }
        if let Some(link) = self.links.get_mut(&conn) {
            link.requests.remove(&request);
            let expected = link.refused.remove(&request);
            let unrelated = matches!(reason, Reason::Draining | Reason::NotRegistered);
            if expected.is_some_and(|expected| expected != reason && !unrelated) {
                self.history.violation("I6", format!("refused with {reason:?}, not {expected:?}"));
            }
        }
        self.down(conn, ToClient::Refuse { request, reason });
    }

    fn write(&mut self, write: Write) {
        let row = self.observe_write(&write);
        self.store.submit(write, self.now_ms);
        if let (Some(upto), Some(Mutation::EarlyCommit)) = (row, self.mutation) {
            let mut effects = Vec::new();
            let now = self.now();
            self.core.step(Event::Stored { upto }, now, &self.directory, &mut effects);
            effects.into_iter().for_each(|effect| self.apply_effect(effect));
        }
    }

    /// Learns which message each row holds, and how it ends. Returns the row that is inserted.
    fn observe_write(&mut self, write: &Write) -> Option<RowId> {
        match write {
            Write::Insert(row) => {
                if let WriteContent::Message(body) = &row.content {
                    if !self.store_takes_messages {
                        self.history.violation("I8", "a message goes to a store that takes none".into());
                    }
                    let (from, _, id) = route(body);
                    self.row_messages.insert(row.row, (from, id));
                } else {
                    // A row that a crash has lost gave its number back.
                    self.row_messages.remove(&row.row);
                }
                if let WriteContent::Notice { ends: Some(ends), .. } = row.content {
                    self.end(ends);
                }
                Some(row.row)
            }
            Write::Remove { row, outcome: Some(outcome) } if *outcome != Outcome::Delivered => {
                self.end(*row);
                None
            }
            Write::Remove { .. } | Write::Forget { .. } => None,
        }
    }

    fn end(&mut self, row: RowId) {
        if let Some((from, id)) = self.row_messages.get(&row) {
            self.history.end_written(*from, *id, self.store.starts);
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
        let (from, _, id) = route(&envelope);
        let now = self.moment();
        if let Some(link) = self.links.get_mut(&conn) {
            link.deliveries.insert(seq, (from, id));
            link.last_seq = link.last_seq.max(seq);
            self.history.delivers(from, id, &envelope, now);
        }
        self.down(conn, ToClient::Deliver { epoch, seq, envelope });
        if self.mutation == Some(Mutation::ForgedAck) && self.rng.random_bool(0.1) {
            let mut effects = Vec::new();
            let now = self.now();
            self.core.step(Event::Acked { conn, epoch, seq }, now, &self.directory, &mut effects);
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
