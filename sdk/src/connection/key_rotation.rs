//! Rotates signing and encryption keys, on request or by age. The key file is written first.

use protocol::{Identity, UnixSeconds};

use super::own_record;
use crate::config::{Config, KeySource};
use crate::error::{Error, ErrorKind};
use crate::key_file;

/// Generates new keys and writes them. The next registration publishes them.
pub(crate) fn rotate(config: &Config) -> Result<(), Error> {
    let failed = || Error::new(ErrorKind::KeyFile, "cannot rotate the agent's keys");
    let KeySource::File(path) = &config.keys else {
        return Err(failed().caused_by("the application stores the keys, not a key file"));
    };
    if !key_file::is_writable(path) {
        return Err(failed()
            .caused_by("the key file is read-only here")
            .advising("rotate the keys where they are stored"));
    }
    let mut identity = key_file::load(path).map_err(|e| failed().caused_by(e))?;
    let now = config.clock.now();
    if let Some(until) = identity.rotation_loses_messages_until(now) {
        let seconds = until.saturating_sub(now);
        return Err(failed()
            .caused_by("messages in transit may still need the oldest of its keys")
            .advising(format!("rotate them again in {seconds} s or later")));
    }
    identity.rotate(now, &mut rand::rng());
    key_file::replace(path, &identity).map_err(|e| failed().caused_by(e))
}

/// Whether the agent must register again: its keys were due and are rotated now, or the key file
/// holds other keys than the registered ones. A mounted Secret changes by itself.
pub(super) fn must_register(config: &Config, registered: &Identity) -> bool {
    rotate_if_due(config)
        || config.load_identity().is_ok_and(|stored| !own_record::same_keys(&stored, registered))
}

/// Rotates keys that are older than their TTL, if the key file is writable. A failure is only
/// logged, because old keys are better than no connection.
pub(super) fn rotate_if_due(config: &Config) -> bool {
    let (Some(ttl), KeySource::File(path)) = (config.key_ttl, &config.keys) else {
        return false;
    };
    let old = key_file::load(path).is_ok_and(|identity| age(&identity, config.clock.now()) >= ttl.as_secs());
    if !old || !key_file::is_writable(path) {
        return false;
    }
    match rotate(config) {
        Ok(()) => true,
        Err(error) => {
            tracing::warn!(
                error = error.chain(),
                "cannot rotate the agent's keys, which are older than their limit"
            );
            false
        }
    }
}

fn age(identity: &Identity, now: UnixSeconds) -> u64 {
    identity.current_signing().map_or(0, |key| now.saturating_sub(key.created))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::config::Endpoint;
    use crate::token::TokenSource;

    #[test]
    fn a_rotation_that_would_lose_messages_is_refused_and_says_when_it_is_possible() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("identity.json");
        let did: protocol::Did = "did:wba:example.com:agent:acme:alice".parse().unwrap();
        key_file::create(&path, &Identity::generate(did.clone(), Clock::system().now(), &mut rand::rng()))
            .unwrap();
        let endpoint = Endpoint::new("wss://relay.example.com/ws").unwrap();
        let token = TokenSource::File(folder.path().join("token"));
        let config = Config::new(endpoint, did, token, KeySource::File(path.clone()));
        (1..8).for_each(|_| rotate(&config).unwrap());
        let before = std::fs::read(&path).unwrap();
        let refused = rotate(&config).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::KeyFile);
        assert!(refused.chain().contains("the oldest of its keys"), "{refused:?}");
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }

    #[test]
    fn keys_that_somebody_else_changed_in_the_key_file_are_registered() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("identity.json");
        let did: protocol::Did = "did:wba:example.com:agent:acme:alice".parse().unwrap();
        let registered = Identity::generate(did.clone(), Clock::system().now(), &mut rand::rng());
        key_file::create(&path, &registered).unwrap();
        let endpoint = Endpoint::new("wss://relay.example.com/ws").unwrap();
        let token = TokenSource::File(folder.path().join("token"));
        let config = Config::new(endpoint, did, token, KeySource::File(path.clone()));
        assert!(!must_register(&config, &registered));
        let mut rotated = Identity::from_key_file(&registered.to_key_file()).unwrap();
        rotated.rotate(Clock::system().now(), &mut rand::rng());
        key_file::replace(&path, &rotated).unwrap();
        assert!(must_register(&config, &registered));
        assert!(!must_register(&config, &rotated));
        std::fs::write(&path, "damaged").unwrap();
        assert!(!must_register(&config, &rotated), "the keys in memory stay in use");
    }
}
