//! Writes an agent's folder as a pod mounts it from the Agent's Secrets.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::Context as _;
use protocol::Identity;
use protocol::api_key::ApiKey;

use crate::relay_process::RelayProcess;

/// Writes credentials, identity and card of an agent at this relay.
///
/// # Errors
/// The folder cannot be written.
pub fn write(folder: &Path, relay: &RelayProcess, identity: &Identity, key: &ApiKey) -> anyhow::Result<()> {
    let name = identity.did().name();
    let capital: String =
        name.chars().enumerate().map(|(at, c)| if at == 0 { c.to_ascii_uppercase() } else { c }).collect();
    write_secret(&folder.join("url"), &relay.url())?;
    write_secret(&folder.join("did"), identity.did().as_str())?;
    write_secret(&folder.join("token"), key.reveal())?;
    write_secret(&folder.join("identity.json"), &identity.to_key_file())?;
    write_secret(&folder.join("card.json"), &serde_json::json!({"name": capital}).to_string())
}

/// A file for its owner alone.
///
/// # Errors
/// It cannot be written.
pub fn write_secret(path: &Path, text: &str) -> anyhow::Result<()> {
    let file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
    let write = |mut file: std::fs::File| file.write_all(text.as_bytes());
    file.and_then(write).with_context(|| format!("write {}", path.display()))
}
