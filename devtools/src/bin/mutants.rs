//! Tests whether the tests can fail: runs them against each listed mutant of the source.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Parser;
use msg2agent_devtools::mutants::{self, MutantPlan};
use msg2agent_devtools::repository;

/// Builds all mutants of a group once, and runs the group's test for each of them.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The name of a list in devtools/mutants, without its extension.
    group: String,
    /// Tests only mutants whose name contains this text.
    #[arg(long, default_value = "")]
    filter: String,
    /// Mutants tested at the same time; by default as many as there are cores.
    #[arg(long)]
    jobs: Option<NonZeroUsize>,
    /// Keeps the copies of the source, the builds and the logs [default: target/mutants].
    #[arg(long)]
    folder: Option<PathBuf>,
    /// The program that builds.
    #[arg(long, env = "CARGO", default_value = "cargo")]
    cargo: String,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let repository = repository();
    let list = mutants::read_list(&repository, &arguments.group)?;
    let folder = arguments.folder.unwrap_or_else(|| repository.join("target/mutants"));
    let jobs = arguments.jobs.or_else(|| std::thread::available_parallelism().ok());
    let plan = MutantPlan {
        repository,
        group: arguments.group,
        folder,
        cargo: arguments.cargo,
        jobs: jobs.map_or(1, NonZeroUsize::get),
        filter: arguments.filter,
    };
    let report = mutants::run(&list, &plan, |line| println!("{line}"))?;
    print!("{report}");
    anyhow::ensure!(report.is_good(), "the tests do not find what they should");
    Ok(())
}
