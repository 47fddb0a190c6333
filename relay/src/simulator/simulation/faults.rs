//! Injects faults: cut connections, a failing store, a drain, a power failure.

use rand::RngExt;

use super::{Simulation, limits};
use crate::core::{Core, Event};
use crate::simulator::model_client::ModelClient;
use crate::simulator::model_connection::ToRelay;
use crate::simulator::mutation::Mutation;

impl Simulation {
    pub(super) fn inject_fault(&mut self) {
        if self.rng.random_bool(0.01) {
            let client = self.rng.random_range(0..self.clients.len());
            let notice = self.rng.random_range(0..2_000);
            self.history.coverage.cuts += 1;
            self.cut(client, notice);
        }
        if self.rng.random_bool(0.002) {
            self.crash();
        }
        if self.rng.random_bool(0.0005) {
            self.history.coverage.drains += 1;
            self.draining = true;
            self.step_core(Event::Drain);
        }
        if self.draining && self.rng.random_bool(0.02) {
            self.crash();
        }
        if self.store.failing && self.rng.random_bool(0.03) {
            self.store.failing = false;
            self.step_core(Event::StoreRecovered);
        } else if !self.store.failing && self.rng.random_bool(0.003) {
            self.store.failing = true;
        }
    }

    /// Disconnects a client. The relay notices after `notice_ms`, and some of what was sent still
    /// arrives.
    pub(super) fn cut(&mut self, client: usize, notice_ms: u64) {
        let Some(conn) = self.clients[client].conn else { return };
        self.clients[client].disconnected();
        let Some(link) = self.links.get_mut(&conn) else { return };
        link.connected = false;
        link.up.truncate(self.rng.random_range(0..=link.up.len()));
        link.up.push(self.now_ms + notice_ms, ToRelay::End);
    }

    /// A power failure of the relay: memory and queue are lost, the disk is as last committed.
    pub(super) fn crash(&mut self) {
        self.history.coverage.crashes += 1;
        self.draining = false;
        let happened = self.rng.random_bool(0.5);
        self.store.crash(happened, self.mutation == Some(Mutation::LostRemoval));
        self.links.clear();
        self.loads.clear();
        self.clients.iter_mut().for_each(ModelClient::disconnected);
        self.store.starts += 1;
        self.core = Core::new(limits(), self.store.next_row, self.store.starts);
        let mut effects = Vec::new();
        for row in self.store.restored() {
            self.core.restore(row, &self.names, &mut effects);
        }
        effects.into_iter().for_each(|effect| self.apply_effect(effect));
    }
}
