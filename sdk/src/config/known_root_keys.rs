//! Lists the root keys that an agent knows without asking its relay.

use protocol::{Did, multikey};

use super::Config;
use crate::contacts;
use crate::error::{Error, ErrorKind};

impl Config {
    /// The agent's own root key, and those that it has pinned in its state folder, as Multikeys.
    /// They anchor a proof.
    ///
    /// # Errors
    /// The key file or the list of pinned root keys cannot be read.
    pub fn known_root_keys(&self) -> Result<Vec<(Did, String)>, Error> {
        let own = multikey::encode_ed25519(&self.load_identity()?.root_public());
        let mut known = vec![(self.did.clone(), own)];
        if let Some(folder) = &self.state_dir {
            let failed = |e: std::io::Error| {
                Error::new(ErrorKind::State, "cannot read the list of pinned root keys").caused_by(e)
            };
            known.extend(contacts::pinned_root_keys(folder).map_err(failed)?);
        }
        Ok(known)
    }
}
