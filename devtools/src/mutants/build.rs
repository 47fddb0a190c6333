//! Builds the test programs that contain the mutants.

use std::path::{Path, PathBuf};

use anyhow::ensure;
use serde::Deserialize;

use super::{MutantList, MutantPlan};
use crate::command;

/// One line of cargo's output, as far as it is needed.
#[derive(Deserialize)]
struct CargoMessage {
    executable: Option<PathBuf>,
    manifest_path: Option<PathBuf>,
    profile: Option<CargoProfile>,
}

#[derive(Deserialize)]
struct CargoProfile {
    test: bool,
}

/// A test program, and the folder it expects to run in.
#[derive(Debug)]
pub(super) struct TestProgram {
    pub(super) path: PathBuf,
    pub(super) folder: PathBuf,
}

pub(super) fn test_programs(
    list: &MutantList,
    plan: &MutantPlan,
    source: &Path,
) -> anyhow::Result<Vec<TestProgram>> {
    let mut cargo = std::process::Command::new(&plan.cargo);
    cargo.current_dir(source).arg("test").args(["--no-run", "--message-format", "json-render-diagnostics"]);
    for setting in &list.cargo_config {
        cargo.args(["--config", setting]);
    }
    cargo.args(&list.build).env("CARGO_TARGET_DIR", plan.folder.join("target"));
    let programs: Vec<TestProgram> =
        command::output_of(&mut cargo)?.lines().filter_map(test_program).collect();
    ensure!(!programs.is_empty(), "nothing was built");
    Ok(programs)
}

fn test_program(line: &str) -> Option<TestProgram> {
    let message: CargoMessage = serde_json::from_str(line).ok()?;
    let path = message.executable.filter(|_| message.profile.is_some_and(|profile| profile.test))?;
    Some(TestProgram { path, folder: message.manifest_path?.parent()?.to_owned() })
}
