//! Compares what the relay meters with the sends that it accepted.

use std::collections::BTreeSet;

use protocol::envelope::{Class, MessageId};
use protocol::frame::SendStatus;

use super::{Simulation, TENANTS};
use crate::core::MeterEvent;
use crate::simulator::model_connection::ModelSend;

/// The sends of one client since the relay knows it.
#[derive(Debug, Clone, Default)]
struct ClientSends {
    /// Every id of a reliable message that it sent.
    attempted: BTreeSet<MessageId>,
    /// Those of them that no earlier run of the relay got, and that were accepted.
    accepted: BTreeSet<MessageId>,
    forwarded: u64,
    metered_reliable: u64,
    metered_ephemeral: u64,
}

#[derive(Debug)]
pub(super) struct MeteredSends {
    clients: Vec<ClientSends>,
    /// Sender and id of every reliable message that any run got.
    known: BTreeSet<(usize, MessageId)>,
    /// Those that this run got first.
    new: BTreeSet<(usize, MessageId)>,
}

impl MeteredSends {
    pub(super) fn new() -> Self {
        let clients = vec![ClientSends::default(); TENANTS.len()];
        Self { clients, known: BTreeSet::new(), new: BTreeSet::new() }
    }

    pub(super) fn attempted(&mut self, send: &ModelSend) {
        if send.class == Class::Reliable {
            self.clients[send.from].attempted.insert(send.id);
            if self.known.insert((send.from, send.id)) {
                self.new.insert((send.from, send.id));
            }
        }
    }

    pub(super) fn answered(&mut self, client: usize, id: MessageId, status: SendStatus) {
        match status {
            SendStatus::Forwarded => self.clients[client].forwarded += 1,
            SendStatus::Stored | SendStatus::Delivered if self.new.contains(&(client, id)) => {
                self.clients[client].accepted.insert(id);
            }
            SendStatus::Stored | SendStatus::Delivered => {}
        }
    }

    fn metered(&mut self, client: usize, event: &MeterEvent) {
        let sends = &mut self.clients[client];
        match event.class {
            Class::Reliable => sends.metered_reliable += event.messages,
            Class::Ephemeral => sends.metered_ephemeral += event.messages,
        }
    }

    /// The relay has restarted.
    pub(super) fn restarted(&mut self) {
        self.clients.fill(ClientSends::default());
        self.new.clear();
    }
}

impl Simulation {
    pub(super) fn on_metered(&mut self, event: &MeterEvent) {
        let client = self.directory.dids.iter().position(|did| did.as_str() == &*event.agent);
        match client.filter(|client| TENANTS[*client] == event.tenant.as_str()) {
            Some(client) => self.metered.metered(client, event),
            None => self.history.violation("I13", format!("nobody sent {event:?}")),
        }
    }

    /// After each tick everything is told.
    pub(super) fn check_metered(&mut self) {
        (0..self.clients.len()).for_each(|client| self.check_metered_of(client));
    }

    /// All that was accepted of this client was told, and nothing that was not.
    fn check_metered_of(&mut self, client: usize) {
        let sends = &self.metered.clients[client];
        let (least, most) = (sends.accepted.len() as u64, sends.attempted.len() as u64);
        let (reliable, ephemeral) = self.core.untold_sends(self.clients[client].did.as_str());
        let told = reliable + ephemeral == 0
            && sends.metered_ephemeral == sends.forwarded
            && sends.metered_reliable >= least
            && (sends.metered_reliable <= most || !self.history.remembers_all);
        if !told {
            let text = format!("client {client} was metered wrongly: {sends:?}");
            self.history.violation("I13", text);
        }
    }

    /// The relay has removed the client and remembers no ids of it.
    pub(super) fn metered_client_removed(&mut self, client: usize) {
        self.check_metered_of(client);
        self.metered.clients[client] = ClientSends::default();
        self.metered.new.retain(|(from, _)| *from != client);
    }
}
