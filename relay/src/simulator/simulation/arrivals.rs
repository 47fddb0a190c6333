//! Handles what arrives at a client, and records violations of the relay's guarantees.

use bytes::Bytes;
use protocol::Reason;
use protocol::envelope::Class;
use rand::RngExt;

use super::{Simulation, route};
use crate::core::ConnId;
use crate::simulator::model_client::Pace;
use crate::simulator::model_connection::ToClient;

impl Simulation {
    pub(super) fn deliver_to_client(&mut self, conn: ConnId) {
        while let Some(link) = self.links.get_mut(&conn).filter(|link| link.connected) {
            let client = link.client;
            let Some(item) = link.down.pop(self.now_ms) else { return };
            match item {
                ToClient::Registered { epoch } => self.on_registered(client, epoch),
                ToClient::Answer { request } => {
                    if let Some(message) = self.clients[client].take(request)
                        && message.class == Class::Reliable
                    {
                        self.clients[client].remember(message);
                    }
                }
                ToClient::Refuse { request, reason } => self.on_refused(client, request, reason),
                ToClient::Deliver { epoch, seq, envelope } => {
                    self.on_delivered(client, epoch, seq, &envelope);
                }
                ToClient::Notice { epoch, seq, to, missed } => {
                    self.on_notice(client, epoch, seq, &to, missed);
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
        let first = state.epoch.is_none();
        state.end_session();
        state.epoch = Some(epoch);
        state.last_epoch = epoch;
        state.last_seq = 0;
        if first {
            for message in state.outbox.clone() {
                self.submit(client, &message);
            }
        }
    }

    fn on_refused(&mut self, client: usize, request: u64, reason: Reason) {
        let Some(mut message) = self.clients[client].take(request) else { return };
        let again = !matches!(
            reason,
            Reason::NotFound
                | Reason::RecipientOffline
                | Reason::DuplicateId
                | Reason::Ended
                | Reason::Refused
                | Reason::FromMismatch
                | Reason::InvalidTtl
        );
        if again && message.class == Class::Reliable && self.rng.random_bool(0.5) {
            message.request = self.next_number();
            self.clients[client].outbox.push_back(message.clone());
            self.submit(client, &message);
        } else if message.class == Class::Reliable {
            self.clients[client].remember(message);
        }
    }

    fn on_delivered(&mut self, client: usize, epoch: u64, seq: u64, envelope: &Bytes) {
        let (from, _, id) = route(envelope);
        self.history.received(client, from, id, epoch);
        if self.faults.refusals && !self.faults_stopped && self.rng.random_bool(0.05) {
            self.refuse(client, epoch, seq);
            return self.take_seq(client, epoch, seq, 0);
        }
        self.take_seq(client, epoch, seq, envelope.len());
    }

    fn on_notice(&mut self, client: usize, epoch: u64, seq: u64, to: &str, missed: u64) {
        if !self.directory.dids.iter().any(|did| did.as_str() == to) {
            self.history.violation("I7", format!("a notice about {to}"));
        }
        self.clients[client].missed += missed;
        self.history.coverage.missed += missed;
        if seq > 0 {
            self.take_seq(client, epoch, seq, 0);
        }
    }

    fn take_seq(&mut self, client: usize, epoch: u64, seq: u64, size: usize) {
        let delay = match self.clients[client].pace {
            Pace::Quick => Some(self.rng.random_range(0..20)),
            Pace::Slow => Some(self.rng.random_range(60..400)),
            Pace::Silent => None,
        };
        let state = &mut self.clients[client];
        if state.epoch != Some(epoch) || seq != state.last_seq + 1 {
            let text = format!("client {client} got {epoch}/{seq} after {}", state.last_seq);
            self.history.violation("I5", text);
        }
        state.last_seq = seq;
        state.unacked += 1;
        state.unacked_bytes += size;
        if let Some(delay) = delay {
            state.ack_at.get_or_insert(self.now_ms + delay);
        }
        let (count, bytes) = (state.unacked, state.unacked_bytes);
        let too_many = count as u64 > self.limits.window_messages;
        if too_many || (bytes > self.limits.window_bytes && count > 1) {
            let text = format!("client {client} has {count} deliveries of {bytes} bytes unacknowledged");
            self.history.violation("I8", text);
        }
    }
}
