//! Times the stages of the demo and prints them as a table.

use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};

/// One stage, with the time that is expected on two idle cores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stage {
    pub(super) name: &'static str,
    pub(super) expected: Duration,
}

impl Stage {
    pub(super) const fn new(name: &'static str, expected_seconds: u64) -> Self {
        Self { name, expected: Duration::from_secs(expected_seconds) }
    }
}

/// The stages so far and how long each took; a failed one is the last.
#[derive(Debug, Default)]
pub(super) struct Stages {
    taken: Vec<(Stage, Duration, bool)>,
}

impl Stages {
    /// Runs one stage and says so.
    pub(super) fn run<T>(
        &mut self,
        stage: Stage,
        work: impl FnOnce() -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        announce(stage);
        let begun = Instant::now();
        let outcome = work();
        self.taken.push((stage, begun.elapsed(), outcome.is_ok()));
        outcome
    }

    /// The same for work that waits.
    pub(super) async fn run_async<T>(
        &mut self,
        stage: Stage,
        work: impl Future<Output = anyhow::Result<T>>,
    ) -> anyhow::Result<T> {
        announce(stage);
        let begun = Instant::now();
        let outcome = work.await;
        self.taken.push((stage, begun.elapsed(), outcome.is_ok()));
        outcome
    }

    /// Time of these stages together.
    pub(super) fn total(&self, stages: &[Stage]) -> Duration {
        self.taken.iter().filter(|(stage, ..)| stages.contains(stage)).map(|(_, time, _)| *time).sum()
    }

    /// Name, seconds taken, seconds expected.
    pub(super) fn table(&self) -> String {
        let mut text = format!("{:<28} {:>8} {:>9}\n", "stage", "seconds", "expected");
        for (stage, time, succeeded) in &self.taken {
            let (name, expected) = (stage.name, stage.expected.as_secs());
            let outcome = if *succeeded { "" } else { "  failed" };
            // Writing to a string cannot fail.
            let _infallible = writeln!(text, "{name:<28} {:>8.1} {expected:>9}{outcome}", time.as_secs_f64());
        }
        text
    }
}

fn announce(stage: Stage) {
    println!("\n== {} (about {})", stage.name, rounded(stage.expected));
}

/// A time in seconds, or in minutes where it is some.
pub(super) fn rounded(expected: Duration) -> String {
    match expected.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds => format!("{} min", seconds.div_ceil(60)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Stage = Stage::new("first", 3);
    const SECOND: Stage = Stage::new("second", 1);

    #[test]
    fn long_times_are_in_minutes() {
        assert_eq!(rounded(Duration::from_secs(12)), "12 s");
        assert_eq!(rounded(Duration::from_secs(420)), "7 min");
    }

    #[test]
    fn the_table_tells_a_failed_stage() {
        let mut stages = Stages::default();
        stages.run(FIRST, || Ok(())).unwrap();
        assert!(stages.run::<()>(SECOND, || anyhow::bail!("no")).is_err());
        let table = stages.table();
        let lines: Vec<_> = table.lines().collect();
        assert!(lines[1].starts_with("first") && !lines[1].contains("failed"), "{table}");
        assert!(lines[2].starts_with("second") && lines[2].ends_with("failed"), "{table}");
    }

    #[test]
    fn a_total_counts_only_the_stages_asked_for() {
        let stages = Stages {
            taken: vec![(FIRST, Duration::from_secs(2), true), (SECOND, Duration::from_secs(5), true)],
        };
        assert_eq!(stages.total(&[SECOND]), Duration::from_secs(5));
    }
}
