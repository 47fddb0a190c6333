//! Mutation tests: every listed change of one place must make a test fail.
//!
//! All mutants of a group are compiled once. Each place becomes a branch on an environment variable
//! in a copy of the source, and the group's test runs once for each mutant.

mod build;
mod list;
mod run;
mod source_copy;
mod switch;

use std::path::{Path, PathBuf};

use anyhow::Context as _;

pub use list::{Mutant, MutantList};
pub use run::{MutantOutcome, MutantReport};

/// The choices of one run that are not in the list.
#[derive(Debug)]
pub struct MutantPlan {
    /// The repository whose source is copied.
    pub repository: PathBuf,
    /// The group's name.
    pub group: String,
    /// Keeps a copy of the source and the logs for each group, and what is built for all groups.
    pub folder: PathBuf,
    /// The program that builds, usually `cargo`.
    pub cargo: String,
    /// Mutants tested at the same time.
    pub jobs: usize,
    /// Only mutants whose name contains this text.
    pub filter: String,
}

/// Builds the group's mutants and tests each of them. `progress` gets one line for each.
///
/// # Errors
/// The list cannot be applied to the source, the copy does not build, or the test fails without
/// a mutant.
pub fn run(list: &MutantList, plan: &MutantPlan, progress: fn(&str)) -> anyhow::Result<MutantReport> {
    let source = plan.folder.join(&plan.group).join("source");
    let switched = switch::switched_files(list, &plan.repository).context("apply the list of mutants")?;
    source_copy::write(&plan.repository, &source, &switched).context("copy the source")?;
    let programs = build::test_programs(list, plan, &source).context("build the mutants")?;
    run::run_all(list, plan, &programs, progress)
}

/// The list of a group, `devtools/mutants/<group>.toml`.
///
/// # Errors
/// There is no such group, or its list is not valid.
pub fn read_list(repository: &Path, group: &str) -> anyhow::Result<MutantList> {
    let path = repository.join("devtools/mutants").join(format!("{group}.toml"));
    let text = std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    MutantList::parse(&text).with_context(|| format!("parse {}", path.display()))
}
