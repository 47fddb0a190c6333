//! Installs the packages that a lock file pins by hash, once for each lock file.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use sha2::{Digest as _, Sha256};

use crate::command::run;
use crate::programs;

const FILES: [&str; 3] = ["package.json", "package-lock.json", ".npmrc"];

/// Folder with the `node_modules` of the package in `source`, installed if it is not yet. Safe
/// across processes: npm's result is moved into place whole.
///
/// # Errors
/// npm is missing or fails.
pub fn installed(source: &Path, name: &str) -> anyhow::Result<PathBuf> {
    let installed = folder_of(source, name)?;
    if !installed.join("node_modules").is_dir() {
        fetch(source, &installed)?;
    }
    ensure!(installed.join("node_modules").is_dir(), "npm has installed nothing in {}", installed.display());
    Ok(installed)
}

/// Whether the package in `source` is installed already.
///
/// # Errors
/// The target folder cannot be found, or the lock file cannot be read.
pub fn is_installed(source: &Path, name: &str) -> anyhow::Result<bool> {
    Ok(folder_of(source, name)?.join("node_modules").is_dir())
}

fn folder_of(source: &Path, name: &str) -> anyhow::Result<PathBuf> {
    let lock = source.join("package-lock.json");
    let lock = fs::read(&lock).with_context(|| format!("read {}", lock.display()))?;
    Ok(programs::folder()?.join(format!("{name}-{}", fingerprint(&lock))))
}

/// Names what was installed from these bytes.
#[must_use]
pub fn fingerprint(pins: &[u8]) -> String {
    Sha256::digest(pins).iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}

fn fetch(source: &Path, installed: &Path) -> anyhow::Result<()> {
    let parent = installed.parent().context("find the target folder")?;
    let work = tempfile::tempdir_in(parent).context("make a folder to install in")?;
    for file in FILES {
        fs::copy(source.join(file), work.path().join(file)).with_context(|| format!("copy {file}"))?;
    }
    let folder = work.path().to_str().context("the target folder's name is not UTF-8")?;
    run("npm", ["ci", "--loglevel=error", "--prefix", folder])?;
    move_into_place(work, installed)
}

/// Another process may have been faster, with the same files.
///
/// # Errors
/// The folder cannot be moved.
pub fn move_into_place(work: tempfile::TempDir, installed: &Path) -> anyhow::Result<()> {
    match fs::rename(work.keep(), installed) {
        Err(_) if installed.is_dir() => Ok(()),
        moved => moved.with_context(|| format!("move {} into place", installed.display())),
    }
}
