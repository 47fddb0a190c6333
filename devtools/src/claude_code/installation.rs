//! Installs the release of Claude Code that `devtools/claude/package-lock.json` pins.

use std::path::PathBuf;

use anyhow::ensure;
use tokio::sync::Mutex;

use crate::{npm, repository};

/// Name of the folder that npm installs into, without its fingerprint.
const NAME: &str = "claude-code";

/// Tests of one process install one after the other.
static INSTALLING: Mutex<()> = Mutex::const_new(());

/// Path of the program, installed if it is not yet.
///
/// # Errors
/// npm is missing or fails, or there is no release for this machine.
pub async fn program() -> anyhow::Result<PathBuf> {
    let _installing = INSTALLING.lock().await;
    tokio::task::spawn_blocking(install).await?
}

/// Whether the release is installed already.
///
/// # Errors
/// The target folder cannot be found, or the lock file cannot be read.
pub fn is_installed() -> anyhow::Result<bool> {
    npm::is_installed(&sources(), NAME)
}

fn sources() -> PathBuf {
    repository().join("devtools/claude")
}

fn install() -> anyhow::Result<PathBuf> {
    let installed = npm::installed(&sources(), NAME)?;
    let program = installed.join("node_modules/@anthropic-ai").join(platform_package()?).join("claude");
    ensure!(program.is_file(), "the release of Claude Code holds no {}", program.display());
    Ok(program)
}

/// The package with the program for this machine.
fn platform_package() -> anyhow::Result<String> {
    let system = match std::env::consts::OS {
        "macos" => "darwin",
        other => other,
    };
    let processor = match std::env::consts::ARCH {
        "x86_64" => "x64",
        "aarch64" => "arm64",
        other => anyhow::bail!("there is no release of Claude Code for {other}"),
    };
    Ok(format!("claude-code-{system}-{processor}"))
}
