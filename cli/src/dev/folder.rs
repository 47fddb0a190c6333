//! Where `m2a dev` keeps its files.

use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// The data folder; a temporary one is removed in the end.
pub(super) enum Folder {
    Kept(PathBuf),
    Temporary(tempfile::TempDir),
}

impl Folder {
    pub(super) fn open(wanted: Option<&Path>) -> Result<Self, Failure> {
        let Some(path) = wanted else {
            let made = tempfile::Builder::new().prefix("m2a-dev-").tempdir();
            return made.map(Self::Temporary).map_err(|e| Failure::io("cannot make a temporary folder", e));
        };
        let failed = |e| Failure::io(format!("cannot use {}", path.display()), e);
        std::fs::create_dir_all(path).map_err(failed)?;
        std::path::absolute(path).map(Self::Kept).map_err(failed)
    }

    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Kept(path) => path,
            Self::Temporary(folder) => folder.path(),
        }
    }
}
