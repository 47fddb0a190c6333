//! The record that this agent registers. It is built when the keys change; otherwise its bytes stay
//! the same for every connection.

use std::sync::Arc;

use protocol::document::{DidDocument, ServiceUrls};
use protocol::identity::public_of;
use protocol::record::{self, VerifiedRecord};
use protocol::{Identity, Reason};

use crate::config::Config;
use crate::error::{Error, ErrorKind};

#[derive(Clone)]
pub(super) struct OwnRecord {
    built: Option<Built>,
    outdated: bool,
}

#[derive(Clone)]
struct Built {
    identity: Arc<Identity>,
    document: Arc<DidDocument>,
    bytes: Arc<[u8]>,
}

impl OwnRecord {
    pub(super) fn new() -> Self {
        Self { built: None, outdated: false }
    }

    /// Reads the keys, because they may have been rotated, and builds a new record if they differ.
    /// If they cannot be read, the agent continues with the keys that it has.
    pub(super) fn refresh(&mut self, config: &Config) -> Result<(), Error> {
        let identity = match config.load_identity() {
            Ok(identity) => identity,
            Err(error) if self.built.is_some() => {
                tracing::warn!(
                    error = error.chain(),
                    "cannot read the key file; the keys in memory stay in use"
                );
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let same = self.built.as_ref().is_some_and(|built| same_keys(&built.identity, &identity));
        if same && !self.outdated {
            return Ok(());
        }
        self.built = Some(build(config, identity)?);
        self.outdated = false;
        Ok(())
    }

    /// Lets the next attempt sign the record again, because the relay does not take its time.
    pub(super) fn on_refusal(&mut self, reason: Reason) {
        self.outdated |= matches!(reason, Reason::RecordRollback | Reason::RecordInFuture);
    }

    /// The bytes, to be shared.
    #[cfg(feature = "direct")]
    pub(super) fn shared_bytes(&self) -> Option<Arc<[u8]>> {
        self.built.as_ref().map(|built| Arc::clone(&built.bytes))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.built.as_ref().map_or(&[], |built| &built.bytes)
    }

    pub(super) fn identity(&self) -> Option<&Identity> {
        self.built.as_ref().map(|built| built.identity.as_ref())
    }

    pub(super) fn parts(&self) -> Option<(Arc<Identity>, Arc<DidDocument>)> {
        self.built.as_ref().map(|built| (Arc::clone(&built.identity), Arc::clone(&built.document)))
    }
}

fn build(config: &Config, identity: Arc<Identity>) -> Result<Built, Error> {
    let failed = |e: record::RecordError| {
        Error::new(ErrorKind::Config, "cannot build the agent's record").caused_by(e)
    };
    let bytes = sign(config, &identity).map_err(failed)?;
    let record = VerifiedRecord::parse(&bytes, &config.did).map_err(failed)?;
    Ok(Built { identity, document: Arc::new(record.document), bytes: record.bytes })
}

fn sign(config: &Config, identity: &Identity) -> Result<Vec<u8>, record::RecordError> {
    let relay = config.relay.as_ref().map(|relay| relay.endpoint.url());
    #[cfg(feature = "direct")]
    let endpoints = config.direct.as_ref().map(|direct| direct.endpoints.as_slice()).unwrap_or_default();
    #[cfg(not(feature = "direct"))]
    let endpoints = &[];
    let urls = ServiceUrls { relay, direct: endpoints, ..ServiceUrls::default() };
    record::build_with_services(identity, config.card.clone(), urls, config.clock.now())
}

/// Whether both hold the same keys.
pub(super) fn same_keys(a: &Identity, b: &Identity) -> bool {
    let signing = |identity: &Identity| -> Vec<_> {
        identity.signing().iter().map(|key| key.key.verifying_key().to_bytes()).collect()
    };
    let encryption = |identity: &Identity| -> Vec<_> {
        identity.encryption().iter().map(|key| public_of(&key.key).to_bytes()).collect()
    };
    a.root_public() == b.root_public() && signing(a) == signing(b) && encryption(a) == encryption(b)
}
