//! The clock of a simulation: tokio's paused time, and a wall clock on top of it that can be set.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// The wall clock at the start of every simulation.
const START_UNIX: i64 = 1_790_000_000;

/// Cheap to clone. Clones share the offset.
#[derive(Debug, Clone)]
pub(crate) struct ModelClock {
    started: Instant,
    /// When the wall clock was set, and the milliseconds that are added to it since then.
    offsets: Arc<Mutex<Vec<(Instant, i64)>>>,
}

impl ModelClock {
    pub(crate) fn start() -> Self {
        let started = Instant::now();
        Self { started, offsets: Arc::new(Mutex::new(vec![(started, 0)])) }
    }

    /// The wall clock, as the operator and the API server read it.
    pub(crate) fn now(&self) -> Timestamp {
        self.at(Instant::now(), self.offsets.lock().unwrap().last().unwrap().1)
    }

    /// The latest time that the wall clock showed from `before` earlier than `at` until `at`.
    pub(crate) fn latest(&self, at: Instant, before: Duration) -> Timestamp {
        let offsets = self.offsets.lock().unwrap();
        let begin = offsets.partition_point(|(since, _)| *since + before <= at).saturating_sub(1);
        let shown = offsets[begin..].iter().take_while(|(since, _)| *since <= at);
        self.at(at, shown.map(|(_, offset)| *offset).max().unwrap())
    }

    fn at(&self, at: Instant, offset_ms: i64) -> Timestamp {
        let elapsed = SignedDuration::try_from(at.duration_since(self.started)).unwrap();
        Timestamp::from_second(START_UNIX).unwrap() + elapsed + SignedDuration::from_millis(offset_ms)
    }

    /// Seconds since the start, for messages.
    pub(crate) fn elapsed_seconds(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

    /// Sets the wall clock forward or back. The monotonic clock is not changed.
    pub(crate) fn step(&self, milliseconds: i64) {
        let mut offsets = self.offsets.lock().unwrap();
        let before = offsets.last().unwrap().1;
        offsets.push((Instant::now(), before + milliseconds));
    }
}
