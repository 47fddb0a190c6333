//! Handles what arrives at a client, and records violations of the relay's guarantees.

use bytes::Bytes;
use protocol::Reason;
use protocol::envelope::{Class, MessageId};
use protocol::frame::Outcome;
use rand::RngExt;

use super::{Simulation, route};
use crate::core::ConnId;
use crate::simulator::model_connection::ToClient;

impl Simulation {
    pub(super) fn deliver_to_client(&mut self, conn: ConnId) {
        while let Some(link) = self.links.get_mut(&conn).filter(|link| link.connected) {
            let client = link.client;
            let Some(item) = link.down.pop(self.now_ms) else { return };
            match item {
                ToClient::Registered { epoch } => self.on_registered(client, epoch),
                ToClient::Answer { request, status } => {
                    if let Some(message) = self.clients[client].take(request) {
                        self.history.answered(client, message.id, status);
                    }
                }
                ToClient::Refuse { request, reason } => self.refused(client, request, reason),
                ToClient::Deliver { epoch, seq, envelope } => self.delivered(client, epoch, seq, &envelope),
                ToClient::Notice { epoch, seq, id, to, outcome } => {
                    self.noticed(client, epoch, seq, id, &to, outcome);
                }
                ToClient::End => self.cut(client, 0),
            }
        }
    }

    fn on_registered(&mut self, client: usize, epoch: u64) {
        let state = &mut self.clients[client];
        if epoch <= state.last_epoch {
            self.history.violation("I5", format!("client {client} got epoch {epoch} again"));
        }
        state.epoch = Some(epoch);
        state.last_epoch = epoch;
        state.last_seq = 0;
        for message in state.outbox.clone() {
            self.submit(client, &message);
        }
    }

    fn refused(&mut self, client: usize, request: u64, reason: Reason) {
        self.history.coverage.refused += 1;
        if reason == Reason::StorageUnavailable {
            self.history.coverage.storage_refusals += 1;
        }
        let Some(mut message) = self.clients[client].take(request) else { return };
        if reason == Reason::DuplicateId {
            self.history.violation("I2", "an id was taken for another message".into());
        }
        let again = !matches!(reason, Reason::NotFound | Reason::RecipientOffline);
        if again && message.class == Class::Reliable && self.rng.random_bool(0.5) {
            message.request = self.next_number();
            self.clients[client].outbox.push_back(message.clone());
            self.submit(client, &message);
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
            self.history.violation("I8", format!("client {client} has more than a window unacknowledged"));
        }
    }

    fn noticed(&mut self, client: usize, epoch: u64, seq: u64, id: MessageId, to: &str, outcome: Outcome) {
        self.history.noticed(client, id, outcome);
        if !self.names.0.iter().any(|did| did.as_str() == to) {
            self.history.violation("I7", format!("a notice about {to}"));
        }
        if seq > 0 {
            self.take_seq(client, epoch, seq);
        }
    }

    fn take_seq(&mut self, client: usize, epoch: u64, seq: u64) {
        let delay = match (self.faults_stopped, self.clients[client].slow) {
            (false, true) => self.rng.random_range(60..400),
            _ => self.rng.random_range(0..20),
        };
        let state = &mut self.clients[client];
        if state.epoch != Some(epoch) || seq != state.last_seq + 1 {
            let text = format!("client {client} got {epoch}/{seq} after {}", state.last_seq);
            self.history.violation("I5", text);
        }
        state.last_seq = seq;
        state.ack_at.get_or_insert(self.now_ms + delay);
    }
}
