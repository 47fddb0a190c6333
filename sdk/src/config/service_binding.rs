//! Reads settings from a folder in the layout of the Service Binding specification: a file per
//! setting.
//!
//! The folder is flat, or has the two folders as which the operator's Secrets are mounted:
//! `credentials` (files `url`, `did`, `token`, optionally `ca.crt` and `card.json`) and `identity`
//! (file `identity.json`).

use std::path::Path;
use std::time::Duration;

use protocol::record::Card;
use protocol::strict_json;

use super::endpoint::Endpoint;
#[cfg(feature = "direct")]
use super::peers_file::PEERS_FILE;
use super::setting_file::read;
use super::settings::{Config, KeySource};
use super::variables::flag;
use crate::error::{Error, ErrorKind};
use crate::token::TokenSource;

/// How long a pod tries to connect. It may start before the operator has registered its agent at
/// the relay, which takes seconds.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(60);

impl Config {
    /// Reads a folder, such as `/var/run/msg2agent`. [`Agent::connect`](crate::Agent::connect) then
    /// retries refused credentials for a minute, because a pod may start before the operator has
    /// registered its agent.
    ///
    /// # Errors
    /// [`ErrorKind::Config`]; the text contains the file's path.
    ///
    /// # Examples
    /// ```
    /// # let folder = tempfile::tempdir()?;
    /// # let folder = folder.path();
    /// std::fs::write(folder.join("url"), "wss://relay.example/ws")?;
    /// std::fs::write(folder.join("did"), "did:wba:relay.example:agent:acme:alice")?;
    /// let config = msg2agent::Config::from_dir(folder)?;
    /// assert_eq!(config.did().name(), "alice");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn from_dir(folder: impl AsRef<Path>) -> Result<Self, Error> {
        let folder = folder.as_ref();
        let inner =
            |name: &str| Some(folder.join(name)).filter(|f| f.is_dir()).unwrap_or_else(|| folder.into());
        Self::from_dirs(inner("credentials"), inner("identity"))
    }

    /// Reads credentials and identity from two folders.
    ///
    /// # Errors
    /// [`ErrorKind::Config`]; the text contains the file's path.
    pub fn from_dirs(credentials: impl AsRef<Path>, identity: impl AsRef<Path>) -> Result<Self, Error> {
        let credentials = credentials.as_ref();
        #[cfg(feature = "direct")]
        if let Some(config) = Self::from_dirs_without_relay(credentials, identity.as_ref())? {
            return config.with_trust_from_variables();
        }
        let url = required(credentials, "url")?;
        let ca = Some(credentials.join("ca.crt")).filter(|path| path.exists());
        let endpoint = Endpoint::from_setting(&url, ca, flag("MSG2AGENT_INSECURE_PLAINTEXT")?)?;
        let did = required(credentials, "did")?.parse()?;
        let token = TokenSource::File(credentials.join("token"));
        let keys = KeySource::File(identity.as_ref().join("identity.json"));
        let mut config = Self::new(endpoint, did, token, keys).with_connect_timeout(CONNECT_TIMEOUT);
        config.awaits_credentials = true;
        if let Some(card) = read(&credentials.join("card.json"))? {
            config.card = parse_card(&card, &credentials.join("card.json"))?;
        }
        config.with_direct_from(Some(credentials))?.with_trust_from_variables()
    }

    /// The settings of a folder that has peers and no relay.
    #[cfg(feature = "direct")]
    fn from_dirs_without_relay(credentials: &Path, identity: &Path) -> Result<Option<Self>, Error> {
        let has_peers = credentials.join(PEERS_FILE).exists();
        if !has_peers || credentials.join("url").exists() {
            return Ok(None);
        }
        let did = required(credentials, "did")?.parse()?;
        let keys = KeySource::File(identity.join("identity.json"));
        let direct = super::DirectSettings::from_variables(Some(credentials))?.unwrap_or_default();
        Ok(Some(Self::without_relay(did, keys, direct)))
    }
}

fn parse_card(text: &str, path: &Path) -> Result<Card, Error> {
    let failed = || Error::new(ErrorKind::Config, format!("cannot use the card in {}", path.display()));
    let card: Card = strict_json::from_slice(text.as_bytes()).map_err(|e| failed().caused_by(e))?;
    card.check().map_err(|e| failed().caused_by(e))?;
    Ok(card)
}

fn required(folder: &Path, name: &str) -> Result<String, Error> {
    let path = folder.join(name);
    let missing = || {
        Error::new(ErrorKind::Config, format!("cannot find {}", path.display()))
            .advising("mount the agent's credentials there, or create a profile with `m2a init`")
    };
    read(&path)?.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()).ok_or_else(missing)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn write(folder: &Path, files: &[(&str, &str)]) {
        fs::create_dir_all(folder).unwrap();
        for (name, text) in files {
            fs::write(folder.join(name), text).unwrap();
        }
    }

    const CREDENTIALS: [(&str, &str); 3] = [
        ("url", "wss://relay.example/ws\n"),
        ("did", "did:wba:relay.example:agent:acme:alice"),
        ("token", "sk_live_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n"),
    ];

    #[test]
    fn two_mounted_secrets_and_a_flat_folder_read_alike() {
        let folder = tempfile::tempdir().unwrap();
        write(&folder.path().join("credentials"), &CREDENTIALS);
        write(&folder.path().join("identity"), &[]);
        let config = Config::from_dir(folder.path()).unwrap();
        assert!(
            matches!(&config.keys, KeySource::File(p) if p == &folder.path().join("identity/identity.json"))
        );
        assert_eq!(config.did().name(), "alice");
        assert!(config.relay.unwrap().token.read().is_ok());

        let flat = tempfile::tempdir().unwrap();
        write(flat.path(), &CREDENTIALS);
        let config = Config::from_dir(flat.path()).unwrap();
        assert!(matches!(&config.keys, KeySource::File(p) if p == &flat.path().join("identity.json")));
        assert_eq!(config.url(), "wss://relay.example/ws");
    }

    #[test]
    fn a_missing_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), CREDENTIALS.get(..1).unwrap());
        let error = Config::from_dir(folder.path()).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().ends_with("/did"), "{error}");
    }

    #[test]
    fn a_card_beside_the_credentials_is_used_and_checked() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &CREDENTIALS);
        write(folder.path(), &[("card.json", r#"{"name":"Alice","capabilities":[{"id":"sum"}]}"#)]);
        assert_eq!(Config::from_dir(folder.path()).unwrap().card().name, "Alice");
        write(folder.path(), &[("card.json", r#"{"name":"Alice","colour":"blue"}"#)]);
        assert!(Config::from_dir(folder.path()).err().unwrap().chain().contains("colour"));
    }
}
