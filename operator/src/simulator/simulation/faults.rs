//! Faults: of processes, of watches, of the clock, and of relays.

use std::time::Duration;

use rand::RngExt;

use super::{PROCESSES_MAX, Simulation};
use crate::simulator::api_server::model_kind::MODEL_KINDS;
use crate::simulator::api_server::object_store::ObjectStore;

impl Simulation {
    pub(super) fn inject_fault(&mut self) {
        match self.rng.random_range(0..12) {
            0 | 1 => self.crash_after_writes(),
            2 => self.crash(),
            3 if self.processes.len() < PROCESSES_MAX => self.start_process(),
            3 | 4 => self.pause(),
            5 | 6 => self.delay_watch(),
            7 => {
                self.note("the history of changes is compacted");
                self.cluster.server.with(ObjectStore::compact);
                // Watches find out when they have to resume.
                for process in &self.processes {
                    process.network.end_watches();
                }
            }
            8 => self.step_clock(),
            9 => self.hide_relay(),
            10 => self.silence_watch(),
            _ => self.restore_volume(),
        }
    }

    fn crash_after_writes(&mut self) {
        let writes = self.rng.random_range(1..12);
        let process = self.rng.random_range(0..self.processes.len());
        self.note(format!("{} will die after {writes} writes", self.processes[process].name));
        self.processes[process].network.cut_after_writes(writes);
    }

    fn crash(&mut self) {
        let process = self.rng.random_range(0..self.processes.len());
        if self.rng.random_bool(0.3) {
            self.note(format!("{} is terminated", self.processes[process].name));
            let process = self.processes.remove(process);
            process.terminate();
            self.former.push(process.network);
        } else {
            self.processes[process].network.cut();
        }
    }

    fn pause(&mut self) {
        let seconds = self.rng.random_range(3..40);
        let process = self.rng.random_range(0..self.processes.len());
        self.note(format!("{} is paused for {seconds} s", self.processes[process].name));
        self.processes[process].network.pause(Duration::from_secs(seconds));
    }

    fn delay_watch(&mut self) {
        let plural = MODEL_KINDS[self.random_kind()].plural;
        let time = Duration::from_secs(self.rng.random_range(2..60));
        let lag = time.mul_f64(self.rng.random_range(0.1..1.0));
        let process = self.rng.random_range(0..self.processes.len());
        self.note(format!(
            "{}: the watch of {plural} is {lag:.1?} behind for {time:?}",
            self.processes[process].name
        ));
        self.processes[process].network.delay_watch(plural, time, lag);
    }

    /// The connection of a watch is lost, and nobody is told.
    fn silence_watch(&mut self) {
        let plural = MODEL_KINDS[self.random_kind()].plural;
        let process = self.rng.random_range(0..self.processes.len());
        self.note(format!("{}: the watch of {plural} is silent", self.processes[process].name));
        self.processes[process].network.silence_watch(plural);
    }

    /// The kinds that reconciles read are more likely.
    fn random_kind(&mut self) -> usize {
        let kind = self.rng.random_range(0..MODEL_KINDS.len());
        if self.rng.random_bool(0.6) { kind % 4 } else { kind }
    }

    /// Minutes as a bad time server does it, or a day as a person does.
    fn step_clock(&mut self) {
        let most = if self.rng.random_bool(0.2) { 86_400_000 } else { 600_000 };
        let milliseconds = self.rng.random_range(-most..most);
        self.note(format!("the wall clock is set by {} s", milliseconds / 1000));
        self.cluster.clock.step(milliseconds);
    }

    fn hide_relay(&mut self) {
        let Some(relay) = self.random(&self.relay_names()) else { return };
        let seconds = self.rng.random_range(2..60);
        self.note(format!("the relay {relay} is unreachable for {seconds} s"));
        self.cluster.relays.with(|state| state.hide(&relay, Duration::from_secs(seconds)));
    }

    /// Takes a snapshot of a volume, or restores an earlier one.
    fn restore_volume(&mut self) {
        let Some(relay) = self.random(&self.relay_names()) else { return };
        let claim = self.cluster.relays.with(|state| state.relays[&relay].claim.clone());
        match self.snapshots.remove(&claim) {
            Some(snapshot) => {
                self.note(format!("the volume of {relay} is restored to version {}", snapshot.version));
                self.cluster.relays.with(|state| state.restore(&claim, snapshot));
                self.controllers.evict(&relay);
            }
            None => {
                let snapshot = self.cluster.relays.with(|state| state.volumes[&claim].clone());
                self.note(format!("a snapshot of the volume of {relay} at version {}", snapshot.version));
                self.snapshots.insert(claim, snapshot);
            }
        }
    }
}
