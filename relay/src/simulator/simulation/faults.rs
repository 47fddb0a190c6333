//! Injects faults: cut connections, a store that fails, a full disk, removed agents, a clock that
//! is set, a drain, a power failure.

use rand::RngExt;

use super::send_checks::SendCounts;
use super::{Simulation, TENANTS};
use crate::core::{ConnId, Core, Event, RowKind};
use crate::simulator::model_client::Pace;
use crate::simulator::model_connection::ToRelay;
use crate::simulator::model_store::Durable;
use crate::simulator::mutation::Mutation;

impl Simulation {
    pub(super) fn inject_fault(&mut self) {
        if self.rng.random_bool(0.01) {
            let client = self.rng.random_range(0..self.clients.len());
            let notice = self.rng.random_range(0..2_000);
            self.history.coverage.cuts += 1;
            self.cut(client, notice);
        }
        if self.faults.crashes && self.rng.random_bool(0.002) {
            self.crash();
        }
        if self.faults.crashes && self.rng.random_bool(0.0005) {
            self.history.coverage.drains += 1;
            self.draining = true;
            self.step_core(Event::Drain);
        }
        if self.draining && self.rng.random_bool(0.02) {
            self.crash();
        }
        self.inject_store_fault();
        self.inject_directory_fault();
        if self.faults.clock_steps && self.rng.random_bool(0.004) {
            self.history.coverage.clock_steps += 1;
            self.wall_offset = self.rng.random_range(-1_000_000..1_000_000);
        }
    }

    fn inject_store_fault(&mut self) {
        if self.store.failing.is_some() {
            if self.rng.random_bool(if self.faults.long_failures { 0.002 } else { 0.01 }) {
                self.store.failing = None;
            } else if self.faults.crashes && self.rng.random_bool(0.005) {
                self.crash();
            }
        } else if self.faults.failing_store && self.rng.random_bool(0.004) {
            let durable = self.rng.random_bool(0.3);
            self.history.coverage.durable_failures += u64::from(durable);
            self.store.failing = Some(Durable(durable));
        }
        let turn = if self.store.full { 0.01 } else { 0.003 };
        if self.faults.full_disk && self.rng.random_bool(turn) {
            self.store.full = !self.store.full;
        }
        if self.faults.damage && self.rng.random_bool(0.01) {
            let rows: Vec<_> = self.store.rows.keys().copied().collect();
            if !rows.is_empty() {
                let row = rows[self.rng.random_range(0..rows.len())];
                self.store.damaged.insert(row);
            }
        }
    }

    fn inject_directory_fault(&mut self) {
        if self.faults.removals && self.rng.random_bool(0.003) {
            let client = self.rng.random_range(0..self.clients.len());
            if self.rng.random_bool(0.2) {
                self.remove_tenant(TENANTS[client]);
            } else {
                self.history.coverage.removals += 1;
                self.forget_client(client);
                let did = self.clients[client].did.clone();
                self.step_core(Event::AgentRemoved { did: did.as_str() });
                self.metered_client_removed(client);
                self.check_core();
                self.close_links(client);
            }
            if self.faults.crashes && self.rng.random_bool(0.3) {
                self.crash();
            }
        }
        if self.faults.removals && self.rng.random_bool(0.002) {
            let client = self.rng.random_range(0..self.clients.len());
            self.history.coverage.retained_mailboxes += 1;
            self.directory.retained[client] = true;
            self.clients[client].disconnected();
            self.close_links(client);
        }
        for client in 0..self.clients.len() {
            if !self.directory.present[client] && self.rng.random_bool(0.01) {
                self.directory.present[client] = true;
            }
            if self.directory.retained[client] && self.rng.random_bool(0.01) {
                self.directory.retained[client] = false;
            }
        }
    }

    fn remove_tenant(&mut self, tenant: &str) {
        self.history.coverage.tenant_removals += 1;
        let members: Vec<_> = (0..self.clients.len()).filter(|client| TENANTS[*client] == tenant).collect();
        members.iter().for_each(|client| self.forget_client(*client));
        self.step_core(Event::TenantRemoved { tenant: &tenant.parse().unwrap() });
        members.iter().for_each(|client| self.metered_client_removed(*client));
        self.check_core();
        members.iter().for_each(|client| self.close_links(*client));
        self.sends.removed_tenant(tenant, self.now_ms);
    }

    /// The directory removes the agent.
    fn forget_client(&mut self, client: usize) {
        self.directory.present[client] = false;
        self.clients[client].disconnected();
        self.clients[client].outbox.clear();
        self.clients[client].sent.clear();
        self.clients[client].untold = 0;
        self.sends.removed(client, self.now_ms);
        self.history.removed(client, self.store.starts);
    }

    /// The hub closes the connections of a removed agent.
    fn close_links(&mut self, client: usize) {
        let conns = self.links.iter().filter(|(_, link)| link.client == client);
        let conns: Vec<ConnId> = conns.map(|(conn, _)| *conn).collect();
        for conn in conns {
            self.links.remove(&conn);
            self.step_core(Event::Closed { conn });
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
        self.store_takes_messages = true;
        self.believes_failed = false;
        self.note_what_left();
        self.links.clear();
        self.loads.clear();
        for client in &mut self.clients {
            client.disconnected();
            client.untold = 0;
        }
        self.store.starts += 1;
        self.stall_ended();
        self.sends = SendCounts::new(self.now_ms);
        self.metered.restarted();
        self.start_offset = self.wall_offset;
        self.note_aged_notices();
        let (next_row, starts) = (self.store.next_row, self.store.starts);
        self.core = Core::new(self.limits.clone(), next_row, starts, self.now());
        for row in self.store.restored() {
            self.core.restore(&row, &self.directory);
        }
        if self.core.stats().remembered > self.limits.dedup_entries_max {
            self.history.violation("I8", "more ids are remembered than allowed".into());
        }
    }

    /// Learns which notices have expired by the wall clock, which may have been set.
    fn note_aged_notices(&mut self) {
        if !self.faults.clock_steps {
            return;
        }
        let unix = self.now().unix;
        for saved in self.store.rows.values().filter(|saved| saved.row.expires <= unix) {
            let mut dids = self.directory.dids.iter();
            if let (RowKind::Notice { .. }, Some(sender)) =
                (saved.row.kind(), dids.position(|did| did.as_str() == &*saved.row.recipient))
            {
                self.history.notice_aged(sender, saved.row.id);
            }
        }
    }

    /// From now on nothing fails any more, and everybody is there and quick.
    pub(super) fn stop_faults(&mut self) {
        self.faults_stopped = true;
        if self.draining {
            self.crash();
        }
        self.store.failing = None;
        self.store.full = false;
        self.directory.present.fill(true);
        self.directory.retained.fill(false);
        for client in &mut self.clients {
            client.pace = Pace::Quick;
            if client.unacked > 0 {
                client.ack_at.get_or_insert(self.now_ms);
            }
        }
    }
}
