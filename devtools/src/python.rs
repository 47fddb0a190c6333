//! Installs the Python packages that a requirements file pins by hash, once for each file.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::command::run;
use crate::{npm, programs};

/// Folder of a virtual environment with the packages of `requirements.txt` in `source`. A virtual
/// environment cannot be moved, so it is made in place and marked when it is whole.
///
/// # Errors
/// Python is missing, or a package cannot be fetched.
pub fn installed(source: &Path, name: &str) -> anyhow::Result<PathBuf> {
    let requirements = source.join("requirements.txt");
    let pins = fs::read(&requirements).context("read the Python requirements")?;
    let venv = programs::folder()?.join(format!("{name}-{}", npm::fingerprint(&pins)));
    let whole = venv.join("whole");
    let lock = fs::File::create(venv.with_extension("lock")).context("create the environment's lock")?;
    lock.lock().context("wait for another installation")?;
    if !whole.is_file() {
        let path = venv.to_str().context("the target folder's name is not UTF-8")?;
        run("python3", ["-m", "venv", "--clear", path])?;
        let pip = venv.join("bin/pip");
        let pip = pip.to_str().context("the target folder's name is not UTF-8")?;
        let requirements = requirements.to_str().context("the repository's name is not UTF-8")?;
        run(pip, ["install", "-q", "--disable-pip-version-check", "--require-hashes", "-r", requirements])?;
        fs::write(&whole, "").context("mark the environment as whole")?;
    }
    Ok(venv)
}
