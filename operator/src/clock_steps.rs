//! Notices when the wall clock is set forward, or when the machine slept. Timers count the time
//! that has passed, and what is due at a time of day, as the end of a key's overlap, would come
//! late.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use crate::clock::Clock;
use crate::queue::Queue;

/// Interval between two comparisons of the clocks while nothing is reconciled.
const COMPARISON_INTERVAL: Duration = Duration::from_secs(30);
/// A difference up to this is drift, or a clock that is being corrected.
const DRIFT_GRACE: Duration = Duration::from_secs(10);

/// Compares the clocks, and makes what waits in the queue due earlier by each step forward.
///
/// A delay that was computed while the clock was behind is too long once it is put right, also when
/// both steps are between two of the regular comparisons. So each pass over an object compares too,
/// before it reads the clock and after it.
#[derive(Debug)]
pub struct ClockSteps {
    clock: Clock,
    queue: Arc<Queue>,
    reading: Mutex<ClockReading>,
}

/// Both clocks when the wall clock was furthest behind since the last step forward.
#[derive(Debug)]
struct ClockReading {
    wall: Timestamp,
    passed: Instant,
}

impl ClockReading {
    /// How far the wall clock was set forward.
    fn step_forward(&mut self, wall: Timestamp, passed: Instant) -> Option<Duration> {
        let by_passed = SignedDuration::try_from(passed.duration_since(self.passed)).ok()?;
        let step = wall.duration_since(self.wall).checked_sub(by_passed)?;
        let is_forward = step > SignedDuration::try_from(DRIFT_GRACE).ok()?;
        if is_forward || step.is_negative() {
            *self = Self { wall, passed };
        }
        Duration::try_from(step).ok().filter(|_| is_forward)
    }
}

impl ClockSteps {
    #[must_use]
    pub fn new(clock: Clock, queue: Arc<Queue>) -> Self {
        let reading = Mutex::new(ClockReading { wall: clock.now(), passed: Instant::now() });
        Self { clock, queue, reading }
    }

    /// Compares the clocks. Returns how far the wall clock was set forward since the last time.
    pub fn compare(&self) -> Option<Duration> {
        let mut reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        let step = reading.step_forward(self.clock.now(), Instant::now())?;
        tracing::warn!(seconds = step.as_secs(), "the wall clock was set forward");
        self.queue.bring_forward(step);
        Some(step)
    }

    /// Compares the clocks for ever.
    pub async fn follow(&self) {
        loop {
            tokio::time::sleep(COMPARISON_INTERVAL).await;
            self.compare();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_step_forward_of_more_than_drift_counts_and_counts_once() {
        let (wall, passed) = (Timestamp::from_second(1_800_000_000).unwrap(), Instant::now());
        let mut reading = ClockReading { wall, passed };
        let mut after = |wall_seconds, passed_seconds| {
            let wall = wall + jiff::SignedDuration::from_secs(wall_seconds);
            reading.step_forward(wall, passed + Duration::from_secs(passed_seconds))
        };
        assert_eq!(after(30, 30), None);
        assert_eq!(after(70, 60), None, "10 s are drift");
        assert_eq!(after(86_500, 90), Some(Duration::from_secs(86_410)), "with the drift before it");
        assert_eq!(after(86_530, 120), None, "counted already");
        assert_eq!(after(130, 150), None, "set back");
        assert_eq!(after(160, 180), None);
        assert_eq!(after(400, 190), Some(Duration::from_secs(230)), "put right again");
    }

    #[tokio::test(start_paused = true)]
    async fn a_delay_from_while_the_clock_was_behind_is_cut_when_it_is_put_right() {
        let offset = Arc::new(Mutex::new(SignedDuration::ZERO));
        let (begun, start) = (Timestamp::from_second(1_800_000_000).unwrap(), Instant::now());
        let clock = Clock::from_fn({
            let offset = Arc::clone(&offset);
            move || begun + SignedDuration::try_from(start.elapsed()).unwrap() + *offset.lock().unwrap()
        });
        let queue = Arc::new(Queue::default());
        let steps = ClockSteps::new(clock, Arc::clone(&queue));
        *offset.lock().unwrap() = SignedDuration::from_hours(-20);
        assert_eq!(steps.compare(), None, "before a pass");
        let key = crate::object_key::NamespacedName::new("team", "alice").key(crate::object_key::Kind::Agent);
        queue.add_after(key.clone(), Duration::from_secs(20 * 3600));
        *offset.lock().unwrap() = SignedDuration::ZERO;
        assert_eq!(steps.compare(), Some(Duration::from_secs(20 * 3600)));
        assert_eq!(queue.next(crate::queue::WorkerKind::General).await.key, key);
        assert_eq!(start.elapsed(), Duration::ZERO, "it is due at once");
    }
}
