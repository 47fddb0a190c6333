//! Actions of clients: connect, send, acknowledge.

use bytes::Bytes;
use protocol::envelope::{Class, MessageId};
use rand::RngExt;

use super::{EPOCH_UNIX, OUTBOX_MAX, Simulation};
use crate::core::ConnId;
use crate::simulator::model_client::OutboxMessage;
use crate::simulator::model_connection::{ModelConnection, ToRelay};

impl Simulation {
    pub(super) fn maybe_ack(&mut self, client: usize) {
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
        self.up(client, ToRelay::Ack { epoch, seq });
    }

    pub(super) fn maybe_connect(&mut self, client: usize) {
        let wanted = if self.faults_stopped { 1.0 } else { 0.02 };
        if self.clients[client].conn.is_some() || !self.rng.random_bool(wanted) {
            return;
        }
        let conn = ConnId(self.next_conn);
        self.next_conn += 1;
        let link =
            ModelConnection { client, up: Default::default(), down: Default::default(), connected: true };
        self.links.insert(conn, link);
        self.clients[client].conn = Some(conn);
        self.clients[client].slow = self.rng.random_bool(0.3);
        self.up(client, ToRelay::Register);
    }

    pub(super) fn send_randomly(&mut self) {
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
        let number = self.next_number();
        let mut random = [0; 10];
        random[..8].copy_from_slice(&number.to_be_bytes());
        let id = MessageId::new(EPOCH_UNIX, random);
        let envelope = Bytes::from(format!("{client} {to} {id} {}", "x".repeat(padding)));
        let (class, ttl) = if ephemeral { (Class::Ephemeral, None) } else { (Class::Reliable, Some(ttl)) };
        let message = OutboxMessage { request: number, to, id, class, ttl, envelope };
        if self.clients[client].epoch.is_some() {
            self.clients[client].outbox.push_back(message.clone());
            self.submit(client, &message);
        } else if class == Class::Reliable {
            self.clients[client].outbox.push_back(message);
        }
    }

    pub(super) fn submit(&mut self, client: usize, message: &OutboxMessage) {
        let OutboxMessage { request, to, id, class, ttl, envelope } = message.clone();
        self.history.attempt(client, to, id, class);
        self.up(client, ToRelay::Send { request, to, id, class, ttl, envelope });
    }
}
