//! A copy of the repository's source with some files replaced. Files that are as they should be
//! are left alone, so that cargo builds only what changed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::command;

/// Makes `copy` hold the files of `repository` that git does not ignore, some of them replaced.
pub(super) fn write(
    repository: &Path,
    copy: &Path,
    replaced: &BTreeMap<PathBuf, String>,
) -> anyhow::Result<()> {
    let listed = command::run(
        "git",
        ["-C".as_ref(), repository.as_os_str()]
            .into_iter()
            .chain(["ls-files", "-z", "--cached", "--others", "--exclude-standard"].map(AsRef::as_ref)),
    )?;
    let names: BTreeSet<&str> = listed.split('\0').filter(|name| !name.is_empty()).collect();
    for name in names {
        let from = repository.join(name);
        if !from.is_file() {
            continue;
        }
        let content = match replaced.get(Path::new(name)) {
            Some(text) => text.clone().into_bytes(),
            None => fs::read(&from).with_context(|| format!("read {name}"))?,
        };
        write_if_different(&copy.join(name), &content)?;
    }
    Ok(())
}

fn write_if_different(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    if fs::read(path).is_ok_and(|present| present == content) {
        return Ok(());
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
    }
    fs::write(path, content).with_context(|| format!("write {}", path.display()))
}
