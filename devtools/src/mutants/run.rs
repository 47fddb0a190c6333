//! Runs the group's test for each mutant, and says which ones it found.

use std::fmt;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use super::build::TestProgram;
use super::switch::MUTANT_VARIABLE;
use super::{Mutant, MutantList, MutantPlan};

/// Between two looks at whether a test has ended.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// The result of one mutant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MutantOutcome {
    /// A test failed, with this message.
    Caught(String),
    /// The test took too long, as an endless loop does.
    TimedOut,
    Survived,
}

/// The results of a group.
#[derive(Debug)]
pub struct MutantReport {
    results: Vec<(Mutant, MutantOutcome)>,
    caught_percent_min: usize,
}

impl MutantReport {
    fn caught(&self) -> usize {
        self.results.iter().filter(|(_, outcome)| *outcome != MutantOutcome::Survived).count()
    }

    /// Enough mutants were caught, every survivor has a reason, and no mutant with a reason was
    /// caught.
    #[must_use]
    pub fn is_good(&self) -> bool {
        let as_said = |(mutant, outcome): &(Mutant, MutantOutcome)| {
            (*outcome == MutantOutcome::Survived) == mutant.survives.is_some()
        };
        self.caught() * 100 >= self.results.len() * self.caught_percent_min
            && self.results.iter().all(as_said)
    }
}

impl fmt::Display for MutantReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (mutant, outcome) in &self.results {
            match (outcome, &mutant.survives) {
                (MutantOutcome::Survived, None) => {
                    writeln!(f, "SURVIVED {} ({}): {}", mutant.name, mutant.file, mutant.fault)?;
                }
                (MutantOutcome::Survived, Some(reason)) => {
                    writeln!(f, "survived, as expected: {}: {reason}", mutant.name)?;
                }
                (_, Some(_)) => writeln!(f, "CAUGHT, though said to survive: {}", mutant.name)?,
                _ => {}
            }
        }
        writeln!(f, "{} of {} mutants were caught", self.caught(), self.results.len())
    }
}

pub(super) fn run_all(
    list: &MutantList,
    plan: &MutantPlan,
    programs: &[TestProgram],
    progress: fn(&str),
) -> anyhow::Result<MutantReport> {
    let logs = plan.folder.join(&plan.group).join("logs");
    fs::create_dir_all(&logs).context("make the folder of the logs")?;
    match run_one(list, programs, "", &logs)? {
        MutantOutcome::Survived => progress("without a mutant the test passes"),
        failed => bail!("the test fails without a mutant: {failed:?}"),
    }
    let chosen: Vec<&Mutant> = list.mutants.iter().filter(|m| m.name.contains(&plan.filter)).collect();
    let next = AtomicUsize::new(0);
    let outcomes = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..plan.jobs.max(1) {
            scope.spawn(|| {
                while let Some(mutant) = chosen.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let outcome = run_one(list, programs, &mutant.name, &logs);
                    progress(&format!("{}: {outcome:?}", mutant.name));
                    if let Ok(mut outcomes) = outcomes.lock() {
                        outcomes.push(((*mutant).clone(), outcome));
                    }
                }
            });
        }
    });
    let outcomes = outcomes.into_inner().context("a thread panicked")?;
    let results = outcomes.into_iter().map(|(mutant, outcome)| Ok((mutant, outcome?)));
    let results = results.collect::<anyhow::Result<_>>()?;
    Ok(MutantReport { results, caught_percent_min: list.caught_percent_min })
}

fn run_one(
    list: &MutantList,
    programs: &[TestProgram],
    mutant: &str,
    logs: &Path,
) -> anyhow::Result<MutantOutcome> {
    let log = logs.join(if mutant.is_empty() { "none" } else { mutant });
    for program in programs {
        let output = File::create(&log).with_context(|| format!("make {}", log.display()))?;
        let mut child = Command::new(&program.path)
            .args(&list.test)
            .envs(&list.environment)
            .env(MUTANT_VARIABLE, mutant)
            .current_dir(&program.folder)
            .stdin(Stdio::null())
            .stdout(output.try_clone().context("write the test's output")?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("start {}", program.path.display()))?;
        let end = Instant::now() + Duration::from_secs(list.timeout_seconds);
        let status = loop {
            if let Some(status) = child.try_wait().context("wait for the test")? {
                break status;
            }
            if Instant::now() >= end {
                child.kill().context("end the test")?;
                child.wait().context("wait for the test")?;
                return Ok(MutantOutcome::TimedOut);
            }
            thread::sleep(POLL_INTERVAL);
        };
        if !status.success() {
            let text = fs::read(&log).context("read the test's output")?;
            return Ok(MutantOutcome::Caught(first_failure(&String::from_utf8_lossy(&text))));
        }
    }
    Ok(MutantOutcome::Survived)
}

/// The message of the first panic in a test's output.
fn first_failure(output: &str) -> String {
    let mut lines = output.lines().skip_while(|line| !line.contains("panicked at"));
    let message = lines.nth(1).unwrap_or("the test program ended without a message");
    message.chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(outcome: MutantOutcome, survives: Option<&str>) -> MutantReport {
        let mutant = Mutant {
            name: "less".into(),
            file: "a.rs".into(),
            find: "a < b".into(),
            replace: "a <= b".into(),
            fault: "One too many is let in.".into(),
            survives: survives.map(Into::into),
        };
        MutantReport { results: vec![(mutant, outcome)], caught_percent_min: 0 }
    }

    #[test]
    fn a_survivor_needs_a_reason_and_a_reason_a_survivor() {
        let caught = || MutantOutcome::Caught("assertion failed".into());
        assert!(report(caught(), None).is_good());
        assert!(report(MutantOutcome::Survived, Some("nobody sees it")).is_good());
        assert!(!report(MutantOutcome::Survived, None).is_good());
        assert!(!report(caught(), Some("nobody sees it")).is_good());
    }

    #[test]
    fn the_share_that_is_caught_has_a_minimum() {
        let mut survived = report(MutantOutcome::Survived, Some("nobody sees it"));
        survived.caught_percent_min = 1;
        assert!(!survived.is_good());
    }

    #[test]
    fn the_first_panic_is_the_failure() {
        let output = "running 1 test\nthread 'a' panicked at a.rs:1:2:\nseed 7: lost\nnote: more\n";
        assert_eq!(first_failure(output), "seed 7: lost");
    }
}
