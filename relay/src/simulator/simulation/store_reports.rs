//! Runs the model of the store, and passes its reports to the core.

use rand::RngExt;

use super::Simulation;
use crate::core::{Event, RowId};
use crate::simulator::mutation::Mutation;

/// When the hub says that the store is stalled.
const STALLED_AFTER_MS: u64 = 2_000;

impl Simulation {
    pub(super) fn run_store(&mut self) {
        let lost_removal = self.mutation == Some(Mutation::LostRemoval);
        let events = self.store.end(self.now_ms, lost_removal);
        self.note_what_left();
        for event in events {
            let reported =
                self.mutation == Some(Mutation::EarlyCommit) && matches!(event, Event::Stored { .. });
            if !reported {
                self.report_of_store(event);
            }
        }
        let takes_ms = self.draw_commit_time();
        if let Some(event) = self.store.begin(self.now_ms, takes_ms) {
            self.report_of_store(event);
        }
        let stalled = self.store.oldest_ms(self.now_ms) >= STALLED_AFTER_MS;
        if stalled && !self.stall_reported {
            self.history.coverage.stalls += 1;
            self.believes_stalled = true;
            self.step_core(Event::StoreStalled);
        }
        self.stall_reported = stalled;
        if self.store.is_full() && self.believes_failed {
            let text = "a full disk, which takes removals, is taken for one that fails";
            self.history.violation("I9", text.into());
        }
        self.run_loads();
    }

    fn report_of_store(&mut self, event: Event<'_>) {
        match &event {
            Event::StoreFull => {
                self.history.coverage.full_disks += 1;
                self.store_takes_messages = false;
                self.believes_failed = false;
            }
            Event::StoreFailed { .. } => {
                self.stall_ended();
                self.store_takes_messages = false;
                self.believes_failed = true;
            }
            Event::StoreRecovered => {
                self.store_takes_messages = true;
                self.believes_failed = false;
            }
            // The core takes these as the end of a stall, and has to hear if it goes on.
            Event::Stored { .. } => self.stall_ended(),
            Event::Removed { rows } => {
                self.stall_ended();
                let rows = rows.clone();
                self.note_removals(&rows);
                self.step_core(event);
                return self.check_told(&rows);
            }
            _ => {}
        }
        self.step_core(event);
    }

    pub(super) const fn stall_ended(&mut self) {
        self.stall_reported = false;
        self.believes_stalled = false;
    }

    /// Learns which messages are no longer in a mailbox on the disk.
    pub(super) fn note_what_left(&mut self) {
        for row in std::mem::take(&mut self.store.left) {
            if let Some((from, id)) = self.row_messages.get(&row) {
                self.history.left_disk(*from, *id, self.store.starts);
            }
        }
    }

    /// The relay learns which rows are removed.
    fn note_removals(&mut self, rows: &[RowId]) {
        for row in rows {
            if let Some((from, id)) = self.row_messages.get(row) {
                self.history.left_reported(*from, *id);
            }
        }
    }

    /// Senders that are connected hear that the messages in these rows were delivered.
    fn check_told(&mut self, rows: &[RowId]) {
        let live =
            |client: usize| self.links.values().any(|link| link.client == client && link.epoch.is_some());
        let told = rows.iter().filter_map(|row| self.row_messages.get(row).copied());
        for (from, id) in told.filter(|(from, _)| live(*from)).collect::<Vec<_>>() {
            self.history.must_have_told(from, id, self.store.starts);
        }
    }

    fn draw_commit_time(&mut self) -> u64 {
        let stalls = self.faults.stalls && !self.faults_stopped && self.rng.random_bool(0.01);
        if stalls { self.rng.random_range(1_000..9_000) } else { self.rng.random_range(1..30) }
    }

    fn run_loads(&mut self) {
        while let Some(load) = self.loads.pop_front_if(|load| load.due_ms <= self.now_ms) {
            let (agent, epoch) = (load.agent, load.epoch);
            if !self.faults_stopped && self.rng.random_bool(0.05) {
                self.history.coverage.failed_loads += 1;
                self.step_core(Event::LoadFailed { agent, epoch });
            } else {
                let page = self.store.read(&load.rows);
                self.step_core(Event::Loaded { agent, epoch, page });
            }
        }
    }
}
