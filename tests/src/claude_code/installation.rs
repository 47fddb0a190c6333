//! Installs the release of Claude Code that `tests/claude/package-lock.json` names, hash by hash, once per lock file.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use sha2::{Digest as _, Sha256};
use tokio::sync::Mutex;

use crate::command::run;
use crate::{programs, repository};

const FILES: [&str; 3] = ["package.json", "package-lock.json", ".npmrc"];

/// Tests of one process install one after the other; across processes, npm's result is moved into place whole.
static INSTALLING: Mutex<()> = Mutex::const_new(());

/// Path of the program, installed if it is not yet.
///
/// # Errors
/// npm is missing or fails, or there is no release for this machine.
pub async fn program() -> anyhow::Result<PathBuf> {
    let _installing = INSTALLING.lock().await;
    tokio::task::spawn_blocking(install).await?
}

fn install() -> anyhow::Result<PathBuf> {
    let source = repository().join("tests/claude");
    let lock = fs::read(source.join("package-lock.json")).context("read the lock file of Claude Code")?;
    let version: String = Sha256::digest(&lock).iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    let installed = programs::folder()?.join(format!("claude-code-{version}"));
    let program = installed.join("node_modules/@anthropic-ai").join(platform_package()?).join("claude");
    if !program.is_file() {
        fetch(&source, &installed)?;
    }
    ensure!(program.is_file(), "the release of Claude Code holds no {}", program.display());
    Ok(program)
}

fn fetch(source: &Path, installed: &Path) -> anyhow::Result<()> {
    let parent = installed.parent().context("find the target folder")?;
    let work = tempfile::tempdir_in(parent).context("make a folder to install in")?;
    for file in FILES {
        fs::copy(source.join(file), work.path().join(file)).with_context(|| format!("copy {file}"))?;
    }
    let folder = work.path().to_str().context("the target folder's name is not UTF-8")?;
    run("npm", ["ci", "--prefix", folder])?;
    match fs::rename(work.keep(), installed) {
        // Another process was faster, with the same files.
        Err(_) if installed.is_dir() => Ok(()),
        moved => moved.context("move Claude Code into place"),
    }
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
