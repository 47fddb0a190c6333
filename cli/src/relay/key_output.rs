//! Outputs a new API key once: to a file of mode 0600, or to standard output.

use std::path::{Path, PathBuf};

use clap::Args;
use protocol::api_key::ApiKey;
use serde::Serialize;

use super::secret_file::SecretFile;
use crate::failure::Failure;
use crate::output::Output;

#[derive(Args)]
pub(super) struct KeyOutput {
    /// Write the new API key to this new file (mode 0600) instead of showing it once.
    #[arg(long, value_name = "FILE")]
    key_out: Option<PathBuf>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NewKeyView<'a> {
    key_id: String,
    version: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a Path>,
}

impl KeyOutput {
    /// Writes the file. Call it before the relay gets the key, so that no valid key is lost.
    pub(super) fn write_file(&self, key: &ApiKey) -> Result<(), Failure> {
        let Some(path) = &self.key_out else { return Ok(()) };
        SecretFile::create(path, "the API key")?.write(key.reveal())
    }

    pub(super) fn show(&self, what: &str, key: &ApiKey, version: u64, output: &Output) {
        let key_id = key.hash().key_id().to_string();
        let file = self.key_out.as_deref();
        let text = match file {
            Some(path) => {
                format!("{what}, key {key_id}, version {version}; the key is in {}", path.display())
            }
            None => format!(
                "{what}, key {key_id}, version {version}; the key is shown only now:\n{}",
                key.reveal()
            ),
        };
        let key = file.is_none().then(|| key.reveal());
        output.result(&NewKeyView { key_id, version, key, file }, text);
    }
}
