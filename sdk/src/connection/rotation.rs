//! Replacing signing and encryption keys: when they are old, or when asked. The key file is written first.

use protocol::Identity;

use crate::{Config, Error, ErrorKind, KeySource, clock, key_file};

/// Makes new keys and writes them; the next registration makes them known.
pub(crate) fn rotate(config: &Config) -> Result<(), Error> {
    let failed = || Error::new(ErrorKind::KeyFile, "cannot rotate the agent's keys");
    let KeySource::File(path) = &config.keys else {
        return Err(failed().caused_by("the keys are not in a file of this agent"));
    };
    if !key_file::writable(path) {
        return Err(failed()
            .caused_by("the key file cannot be written here")
            .advising("rotate where the keys are kept"));
    }
    let mut identity = key_file::load(path).map_err(|e| failed().caused_by(e))?;
    identity.rotate(clock::now(), &mut rand::rng());
    key_file::replace(path, &identity).map_err(|e| failed().caused_by(e))
}

/// Rotates keys that are older than the settings want, where the key file can be written. A failure is logged: old keys are
/// better than no connection.
pub(super) fn rotate_if_due(config: &Config) -> bool {
    let (Some(after), KeySource::File(path)) = (config.rotate_after, &config.keys) else {
        return false;
    };
    let old = key_file::load(path).is_ok_and(|identity| age(&identity) >= after.as_secs());
    if !old || !key_file::writable(path) {
        return false;
    }
    match rotate(config) {
        Ok(()) => true,
        Err(error) => {
            tracing::warn!(error = error.chain(), "the agent's keys are old and could not be rotated");
            false
        }
    }
}

fn age(identity: &Identity) -> u64 {
    identity.current_signing().map_or(0, |key| clock::now().saturating_sub(key.created))
}
