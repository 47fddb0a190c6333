//! The folder with the files of `m2a dev`.

use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// The data folder. A temporary one is removed when this is dropped.
pub(super) enum DataDir {
    Kept(PathBuf),
    Temporary(tempfile::TempDir),
}

impl DataDir {
    pub(super) fn open(path: Option<&Path>) -> Result<Self, Failure> {
        let Some(path) = path else {
            let created = tempfile::Builder::new().prefix("m2a-dev-").tempdir();
            return created
                .map(Self::Temporary)
                .map_err(|e| Failure::io("cannot create a temporary folder", e));
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
