//! Starts a server process on its CPU, reads its CPU time, and ends it.

use std::path::Path;
use std::process::{Child, Command};
use std::time::Duration;

use anyhow::Context as _;

use crate::command::{isolated, run};

/// Clock ticks per second of `/proc/<pid>/stat`: USER_HZ, 100 on every Linux architecture Rust
/// supports.
const TICKS_PER_SECOND: u64 = 100;

/// Ends with the value that holds it.
#[derive(Debug)]
pub struct Process {
    child: Child,
}

/// Where servers run, away from the generator.
pub const SERVER_CPU: &str = "0";
/// Where the generator runs.
pub const GENERATOR_CPU: &str = "1";

/// `program`, to be started on the servers' CPU where `pinned`. `taskset` replaces itself by it:
/// same process id.
#[must_use]
pub fn command(program: &Path, pinned: bool) -> Command {
    if !pinned {
        return isolated(program);
    }
    let mut command = isolated("taskset");
    command.args(["-c", SERVER_CPU]).arg(program);
    command
}

/// Puts all threads of a running process on one CPU.
///
/// # Errors
/// No `taskset`, or no such CPU.
pub fn pin(process: u32, cpu: &str) -> anyhow::Result<()> {
    run("taskset", ["-a", "-cp", cpu, &process.to_string()])?;
    Ok(())
}

/// Lets the calling thread run only while no other thread wants its CPU.
///
/// # Errors
/// No `chrt`.
pub fn yield_to_others() -> anyhow::Result<()> {
    let thread = std::fs::read_link("/proc/thread-self").context("find the id of this thread")?;
    let id = thread.file_name().context("a thread without an id")?.to_string_lossy().into_owned();
    run("chrt", ["--idle", "--pid", "0", &id])?;
    Ok(())
}

/// User and system time of a process so far, of all its threads.
///
/// # Errors
/// The process is gone.
pub fn cpu_time(process: u32) -> anyhow::Result<Duration> {
    let path = format!("/proc/{process}/stat");
    let stat = std::fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
    cpu_time_of(&stat).with_context(|| format!("understand {path}"))
}

impl Process {
    /// # Errors
    /// The program cannot be started.
    pub fn start(mut command: Command) -> anyhow::Result<Self> {
        let child = command.spawn().with_context(|| format!("start {:?}", command.get_program()))?;
        Ok(Self { child })
    }

    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Fails only when the process has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Fields 14 and 15 (proc_pid_stat(5)); the second field may hold spaces and parentheses.
fn cpu_time_of(stat: &str) -> Option<Duration> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(Duration::from_millis((user + system) * 1000 / TICKS_PER_SECOND))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_read_behind_a_name_with_parentheses() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 1 0 0 0 150 25 9 9 20 0 1 0 5";
        assert_eq!(cpu_time_of(stat), Some(Duration::from_millis(1750)));
        assert_eq!(cpu_time_of("7 (a) S 1"), None);
    }
}
