//! Identifies a process by its id and its start time, so that it cannot be mistaken for a later one
//! with the same id.

use std::fs;

use serde::{Deserialize, Serialize};

use crate::command::run;

/// Position of `starttime` among the fields after the name in /proc/<pid>/stat (field 22 in
/// proc(5)).
const START_TIME_AFTER_NAME: usize = 19;

/// Names one process of this boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessIdentity {
    pub pid: u32,
    /// Clock ticks since boot.
    started: u64,
}

impl ProcessIdentity {
    /// The process that has `pid` now; `None` when there is none.
    pub fn of(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let started = start_time(&stat)?;
        Some(Self { pid, started })
    }

    /// Whether this very process still runs. One that has ended but was not collected by its parent
    /// does not.
    pub fn is_alive(self) -> bool {
        let Ok(stat) = fs::read_to_string(format!("/proc/{}/stat", self.pid)) else { return false };
        start_time(&stat) == Some(self.started) && !is_zombie(&stat)
    }

    /// Ends it at once; nothing happens when it has already ended.
    pub fn kill(self) -> anyhow::Result<()> {
        if !self.is_alive() {
            return Ok(());
        }
        self.signal("KILL")
    }

    /// Sends a signal by its name without SIG; an error when the process has ended.
    pub fn signal(self, name: &str) -> anyhow::Result<()> {
        anyhow::ensure!(self.is_alive(), "process {} has ended", self.pid);
        run("sh", ["-c", &format!("kill -{name} {}", self.pid)]).map(drop)
    }
}

/// The name, in brackets, may hold blanks and brackets itself; fields are counted after the last
/// bracket.
fn fields_after_name(stat: &str) -> impl Iterator<Item = &str> {
    stat.rsplit_once(')').map(|(_, rest)| rest).unwrap_or_default().split_whitespace()
}

fn start_time(stat: &str) -> Option<u64> {
    fields_after_name(stat).nth(START_TIME_AFTER_NAME)?.parse().ok()
}

fn is_zombie(stat: &str) -> bool {
    fields_after_name(stat).next() == Some("Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str = "42 (a ) b) S 1 42 42 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 777 100 200";

    #[test]
    fn the_start_time_is_found_behind_a_name_with_brackets() {
        assert_eq!(start_time(STAT), Some(777));
        assert!(!is_zombie(STAT));
        assert!(is_zombie("42 (x) Z 1"));
    }

    #[test]
    fn this_process_is_alive_and_an_impostor_is_not() {
        let me = ProcessIdentity::of(std::process::id()).unwrap();
        assert!(me.is_alive());
        assert!(!ProcessIdentity { started: me.started + 1, ..me }.is_alive());
    }
}
