//! The clock of a simulation: tokio's paused time, and a wall clock on top of it that can be set.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// The wall clock at the start of every simulation.
const START_UNIX: i64 = 1_790_000_000;

/// Cheap to clone. Clones share the offset.
#[derive(Debug, Clone)]
pub(crate) struct ModelClock {
    started: Instant,
    /// Added to the wall clock by steps of it, in milliseconds.
    offset_ms: Arc<AtomicI64>,
}

impl ModelClock {
    pub(crate) fn start() -> Self {
        Self { started: Instant::now(), offset_ms: Arc::default() }
    }

    /// The wall clock, as the operator and the API server read it.
    pub(crate) fn now(&self) -> Timestamp {
        let elapsed = SignedDuration::try_from(self.started.elapsed()).unwrap();
        let offset = SignedDuration::from_millis(self.offset_ms.load(Ordering::Relaxed));
        Timestamp::from_second(START_UNIX).unwrap() + elapsed + offset
    }

    /// Seconds since the start, for messages.
    pub(crate) fn elapsed_seconds(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

    /// Sets the wall clock forward or back. The monotonic clock is not changed.
    pub(crate) fn step(&self, milliseconds: i64) {
        self.offset_ms.fetch_add(milliseconds, Ordering::Relaxed);
    }
}
