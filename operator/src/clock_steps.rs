//! Notices when the wall clock is set forward, or when the machine slept. Timers count the time
//! that has passed, and what is due at a time of day, as the end of a key's overlap, would come
//! late.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use crate::clock::Clock;
use crate::queue::Queue;

/// Interval between two comparisons of the clocks.
const COMPARISON_INTERVAL: Duration = Duration::from_secs(30);
/// A difference up to this is drift, or a clock that is being corrected.
const DRIFT_GRACE: Duration = Duration::from_secs(10);

/// Both clocks at the last comparison.
#[derive(Debug)]
struct ClockReading {
    wall: Timestamp,
    passed: Instant,
}

impl ClockReading {
    /// How far the wall clock was set forward since the last comparison.
    fn step_forward(&mut self, wall: Timestamp, passed: Instant) -> Option<Duration> {
        let before = std::mem::replace(self, Self { wall, passed });
        let by_wall = Duration::try_from(wall.duration_since(before.wall)).ok()?;
        let step = by_wall.checked_sub(passed.duration_since(before.passed))?;
        (step > DRIFT_GRACE).then_some(step)
    }
}

/// Compares the clocks for ever, and makes what waits in the queue due earlier by each step.
pub async fn follow(clock: &Clock, queue: &Queue) {
    let mut reading = ClockReading { wall: clock.now(), passed: Instant::now() };
    loop {
        tokio::time::sleep(COMPARISON_INTERVAL).await;
        if let Some(step) = reading.step_forward(clock.now(), Instant::now()) {
            tracing::warn!(seconds = step.as_secs(), "the wall clock was set forward");
            queue.bring_forward(step);
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
        assert_eq!(after(86_500, 90), Some(Duration::from_secs(86_400)));
        assert_eq!(after(86_530, 120), None, "counted already");
        assert_eq!(after(130, 150), None, "set back");
        assert_eq!(after(160, 180), None);
    }
}
