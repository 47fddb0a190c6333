//! Builds the workspace's programs, which is most of the demonstration's time on a machine that has not built them before.

use std::{
    env,
    process::{Command, Stdio},
    time::Instant,
};

use anyhow::{Context as _, ensure};

/// Runs cargo on the whole workspace with its own progress shown.
pub fn build() -> anyhow::Result<()> {
    println!("== programs (about 12 min the first time on two cores, seconds later)");
    let begun = Instant::now();
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--workspace", "--bins"])
        .current_dir(crate::repository())
        .stdin(Stdio::null())
        .status()
        .context("start cargo")?;
    ensure!(status.success(), "cargo build failed ({status})");
    println!("  {:.1} s", begun.elapsed().as_secs_f64());
    Ok(())
}
