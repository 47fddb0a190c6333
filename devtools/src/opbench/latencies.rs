//! Computes p50, p99 and the maximum of durations.

use std::fmt;
use std::time::Duration;

#[derive(Debug, Clone, Default)]
pub struct Latencies(Vec<Duration>);

impl Latencies {
    #[must_use]
    pub fn new(mut values: Vec<Duration>) -> Self {
        values.sort_unstable();
        Self(values)
    }

    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The least value that `percent` of all do not exceed (nearest rank).
    #[must_use]
    pub fn percentile(&self, percent: usize) -> Duration {
        let rank = (self.0.len() * percent).div_ceil(100).max(1);
        self.0.get(rank - 1).copied().unwrap_or_default()
    }
}

impl fmt::Display for Latencies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [p50, p99, most] = [50, 99, 100].map(|percent| self.percentile(percent).as_secs_f64());
        write!(f, "p50 {p50:.3} s, p99 {p99:.3} s, max {most:.3} s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let latencies = Latencies::new((1..=50).rev().map(Duration::from_millis).collect());
        assert_eq!(latencies.to_string(), "p50 0.025 s, p99 0.050 s, max 0.050 s");
        assert_eq!(Latencies::default().percentile(99), Duration::ZERO);
    }
}
