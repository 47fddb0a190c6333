//! Ends the process when a panic left shared state half changed.
//!
//! The message core, the tables of connections, the directory and the queue of writes are never
//! used after a panic under their lock: a wrong count, or a right that should be gone, would go
//! unnoticed. A restart rebuilds them from the store. A panic under the lock of one connection ends
//! that connection only, see `hub::connection`.

use std::sync::LockResult;
use std::time::Duration;

/// Exit code of the process, the one of a Rust program that panics.
const EXIT_CODE: i32 = 101;
/// Time for the task that panicked to be reported by its name, before the process ends.
const REPORT_GRACE: Duration = Duration::from_millis(200);

/// The guard, unless a panic happened under the lock. `state` names what the lock guards.
pub(crate) fn exit_if_poisoned<G>(locked: LockResult<G>, state: &'static str) -> G {
    locked.unwrap_or_else(|_| exit(state))
}

fn exit(state: &'static str) -> ! {
    std::thread::sleep(REPORT_GRACE);
    tracing::error!("a panic left {state} half changed; the relay exits and must be restarted");
    std::process::exit(EXIT_CODE)
}
