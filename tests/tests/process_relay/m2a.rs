//! Runs the command line as a process, with its profiles in a folder of the test and nothing else
//! from the environment.

use std::path::Path;
use std::process::{Output, Stdio};

use devtools::programs;
use serde_json::Value;
use tokio::process::Command;

pub(crate) fn m2a(home: &Path) -> Command {
    let mut command = Command::new(programs::path("m2a").unwrap());
    command.env_clear().env("MSG2AGENT_HOME", home).stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// What a command that succeeds prints, a value per line.
pub(crate) async fn printed_values(home: &Path, arguments: &[&str]) -> Vec<Value> {
    let output = m2a(home).args(["--output", "json"]).args(arguments).output().await.unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    let printed = String::from_utf8(output.stdout).unwrap();
    printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The exit code and the printed error of a command that fails.
pub(crate) fn failure(output: &Output) -> (Option<i32>, Value) {
    assert!(output.stdout.is_empty(), "{output:?}");
    let text = String::from_utf8_lossy(&output.stderr);
    // The last line is ours; a program it had started may have spoken before.
    let printed: Value = serde_json::from_str(text.lines().last().unwrap_or_default())
        .unwrap_or_else(|e| panic!("{e}: {output:?}"));
    (output.status.code(), printed["error"].clone())
}
