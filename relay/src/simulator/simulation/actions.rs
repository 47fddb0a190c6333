//! Actions of clients: connect, send, acknowledge, refuse, and what no good client does.

use bytes::Bytes;
use protocol::Reason;
use protocol::envelope::{Class, MessageId};
use protocol::refusal::RefusalReason;
use rand::RngExt;

use super::{Asked, EPOCH_UNIX, OUTBOX_MAX, Simulation};
use crate::core::ConnId;
use crate::simulator::model_client::{OutboxMessage, Pace};
use crate::simulator::model_connection::{ModelConnection, ModelSend, ToRelay};

impl Simulation {
    pub(super) fn maybe_ack(&mut self, client: usize) {
        let state = &mut self.clients[client];
        let due = state.ack_at.is_some_and(|at| at <= self.now_ms);
        let Some(epoch) = state.epoch.filter(|_| due) else { return };
        state.ack_at = None;
        state.unacked = 0;
        state.unacked_bytes = 0;
        let seq = state.last_seq;
        self.up(client, ToRelay::Ack { epoch, seq });
    }

    pub(super) fn maybe_connect(&mut self, client: usize) {
        let wanted = if self.faults_stopped { 1.0 } else { 0.02 };
        let exists = self.directory.present[client] && !self.directory.retained[client];
        if self.clients[client].conn.is_some() || !exists || !self.rng.random_bool(wanted) {
            return;
        }
        let conn = ConnId(self.next_conn);
        self.next_conn += 1;
        self.links.insert(conn, ModelConnection::new(client));
        self.clients[client].conn = Some(conn);
        self.clients[client].pace = self.draw_pace();
        self.up(client, ToRelay::Register);
    }

    fn draw_pace(&mut self) -> Pace {
        match self.rng.random_range(0..10) {
            _ if self.faults_stopped => Pace::Quick,
            0..2 if self.faults.silent_clients => Pace::Silent,
            2..5 => Pace::Slow,
            _ => Pace::Quick,
        }
    }

    pub(super) fn send_randomly(&mut self) {
        let client = self.rng.random_range(0..self.clients.len());
        let burst = if self.rng.random_bool(0.02) { 25 } else { 1 };
        let to = self.rng.random_range(0..self.clients.len());
        for _ in 0..burst {
            if self.clients[client].outbox.len() < OUTBOX_MAX && self.rng.random_bool(0.6) {
                let to = if burst > 1 { to } else { self.rng.random_range(0..self.clients.len()) };
                self.send_something(client, to);
            }
        }
        if self.rng.random_bool(0.1) {
            self.send_again(client);
        }
        if self.faults.bad_clients && self.rng.random_bool(0.05) {
            self.misbehave(client);
        }
    }

    fn send_something(&mut self, client: usize, to: usize) {
        if !self.directory.present[client] {
            return;
        }
        let ephemeral = self.rng.random_bool(0.15);
        let ttl = if self.rng.random_bool(0.2) { 1 } else { 3600 };
        let number = self.next_number();
        let id = message_id(number);
        let envelope = self.draw_body(client, to, id);
        let (class, ttl) = if ephemeral { (Class::Ephemeral, None) } else { (Class::Reliable, Some(ttl)) };
        let message = OutboxMessage { request: number, to, id, class, ttl, envelope };
        if self.clients[client].epoch.is_some() {
            self.clients[client].outbox.push_back(message.clone());
            self.submit(client, &message);
        } else if class == Class::Reliable {
            self.clients[client].outbox.push_back(message);
        }
    }

    fn draw_body(&mut self, client: usize, to: usize, id: MessageId) -> Bytes {
        let padding = self.rng.random_range(0..200);
        let mut letter = || ["x", "y", "z"][self.rng.random_range(0..3)];
        let (letter, last) = (letter(), letter());
        Bytes::from(format!("{client} {to} {id} {}{last}", letter.repeat(padding)))
    }

    /// Sends a message again that was answered, or that waits for its answer, now and then with
    /// another body.
    fn send_again(&mut self, client: usize) {
        let waits = self.rng.random_bool(0.2);
        let state = &self.clients[client];
        let messages = if waits { &state.outbox } else { &state.sent };
        if state.epoch.is_none() || messages.is_empty() || state.outbox.len() >= OUTBOX_MAX {
            return;
        }
        let last = messages.len() - 1;
        let index = if self.rng.random_bool(0.4) { last } else { self.rng.random_range(0..=last) };
        let mut message = messages[index].clone();
        if message.class == Class::Ephemeral {
            return;
        }
        message.request = self.next_number();
        if self.rng.random_bool(0.3) {
            message.envelope = self.draw_other_body(client, &message);
        }
        self.clients[client].outbox.push_back(message.clone());
        self.submit(client, &message);
    }

    /// Another body for this message, often of the same length or with another last letter.
    fn draw_other_body(&mut self, client: usize, message: &OutboxMessage) -> Bytes {
        if self.rng.random_bool(0.4) {
            return self.draw_body(client, message.to, message.id);
        }
        let text = std::str::from_utf8(&message.envelope).unwrap();
        let (head, body) = text.rsplit_once(' ').unwrap();
        let (padding, last) = body.split_at(body.len() - 1);
        let other = if last == "x" { "y" } else { "x" };
        if self.rng.random_bool(0.5) {
            return Bytes::from(format!("{head} {padding}{other}"));
        }
        Bytes::from(format!("{head} {}{last}", other.repeat(padding.len())))
    }

    /// What no good client does, and what the relay has to refuse or to ignore.
    fn misbehave(&mut self, client: usize) {
        let Some(epoch) = self.clients[client].epoch else { return };
        let other = (client + 1) % self.clients.len();
        match self.rng.random_range(0..6) {
            0 => {
                self.history.coverage.stale_acks += 1;
                self.up(client, ToRelay::Ack { epoch: epoch - 1, seq: 1_000_000 });
                let seq = self.clients[client].last_seq;
                self.up(client, ToRelay::Ack { epoch: epoch - 1, seq });
            }
            1 if self.rng.random_bool(0.2) => {
                self.history.coverage.acks_too_high += 1;
                let seq = self.clients[client].last_seq + 1_000;
                self.up(client, ToRelay::Ack { epoch, seq });
            }
            2 => {
                self.history.coverage.second_registrations += 1;
                self.up(client, ToRelay::Register);
            }
            3 => self.up(client, ToRelay::RegisterAs { client: other }),
            4 => self.send_refused(client, other, Some(3600), Reason::FromMismatch),
            _ => {
                let ttl = [None, Some(0), Some(8 * 24 * 3600)][self.rng.random_range(0..3)];
                self.send_refused(client, client, ttl, Reason::InvalidTtl);
            }
        }
    }

    /// Sends what the relay has to refuse for this reason.
    fn send_refused(&mut self, client: usize, from: usize, ttl: Option<u64>, reason: Reason) {
        let request = self.next_number();
        let id = message_id(request);
        let envelope = self.draw_body(from, client, id);
        let conn = self.clients[client].conn;
        if let Some(link) = conn.and_then(|conn| self.links.get_mut(&conn)) {
            link.refused.insert(request, reason);
        }
        let class = Class::Reliable;
        self.up(client, ToRelay::Send(ModelSend { request, from, to: client, id, class, ttl, envelope }));
    }

    /// The client will never process this delivery.
    pub(super) fn refuse(&mut self, client: usize, epoch: u64, seq: u64) {
        self.up(client, ToRelay::Refuse { epoch, seq, reason: RefusalReason::Undecryptable });
    }

    pub(super) fn submit(&mut self, client: usize, message: &OutboxMessage) {
        let OutboxMessage { request, to, id, class, ttl, envelope } = message.clone();
        self.history.attempt(client, to, id, class, ttl);
        self.requests.insert(request, Asked { client, id, body: envelope.clone() });
        self.up(client, ToRelay::Send(ModelSend { request, from: client, to, id, class, ttl, envelope }));
    }
}

fn message_id(number: u64) -> MessageId {
    let mut random = [0; 10];
    random[..8].copy_from_slice(&number.to_be_bytes());
    MessageId::new(EPOCH_UNIX, random)
}
