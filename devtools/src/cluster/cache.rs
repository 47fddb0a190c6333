//! Finds the user's cache folder, which keeps what takes long to build or download.

use std::{env, path::PathBuf};

use anyhow::Context as _;

/// `${XDG_CACHE_HOME:-~/.cache}/msg2agent`; it may not exist yet.
pub(crate) fn folder() -> anyhow::Result<PathBuf> {
    let from_home = || env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let cache = env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = cache.or_else(from_home).context("set HOME or XDG_CACHE_HOME: builds are cached there")?;
    Ok(cache.join("msg2agent"))
}
