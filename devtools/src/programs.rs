//! Finds the workspace's built programs beside the one that runs.

use std::path::PathBuf;

use anyhow::{Context as _, ensure};

/// Folder cargo puts binaries in, e.g. `target/x86_64-unknown-linux-gnu/debug`.
pub fn folder() -> anyhow::Result<PathBuf> {
    let me = std::env::current_exe().context("find this program")?;
    let folder = me.parent().context("find this program's folder")?;
    // Test binaries and examples are one level below.
    let below = folder.ends_with("deps") || folder.ends_with("examples");
    let folder = if below { folder.parent().context("find the target folder")? } else { folder };
    Ok(folder.to_owned())
}

/// Path of a built program; an error that says how to build it when it is not there.
pub fn path(name: &str) -> anyhow::Result<PathBuf> {
    let path = folder()?.join(name);
    ensure!(path.is_file(), "{name} is not built: run `cargo build --workspace` first");
    Ok(path)
}
