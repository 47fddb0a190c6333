//! Reads one setting from a file.

use std::fs;
use std::path::Path;

use crate::error::{Error, ErrorKind};

/// Bytes of one file. The certificates of a private authority are the longest setting.
const SETTING_BYTES_MAX: u64 = 256 * 1024;

/// The file's text; `None` if the file does not exist.
pub(super) fn read(path: &Path) -> Result<Option<String>, Error> {
    let failed = || Error::new(ErrorKind::Config, format!("cannot read {}", path.display()));
    match fs::metadata(path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Ok(m) if m.len() > SETTING_BYTES_MAX => {
            return Err(failed().advising("the file is too large to be this setting"));
        }
        _ => {}
    }
    fs::read_to_string(path).map(Some).map_err(|e| failed().caused_by(e))
}
