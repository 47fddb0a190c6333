//! Builds and verifies records: what an agent registers at its relay and other agents look up.
//!
//! A record holds the agent's two DID documents and its card. It travels as its exact bytes,
//! which the signature of the registration covers.
//!
//! ```
//! use msg2agent_protocol::record::{self, Capability, Card, VerifiedRecord};
//! use msg2agent_protocol::Identity;
//!
//! let did = "did:wba:example.com:agent:acme:alice".parse()?;
//! let alice = Identity::generate(did, 1_790_000_000, &mut rand::rng());
//! let card = Card {
//!     name: "Alice".into(),
//!     capabilities: vec![Capability { id: "plan.create".into(), name: "Create a plan".into() }],
//!     ..Card::default()
//! };
//! let bytes = record::build(&alice, card, Some("wss://example.com/ws"), 1_790_000_000)?;
//!
//! let record = VerifiedRecord::parse(&bytes, alice.did())?;
//! assert_eq!(record.card.name, "Alice");
//! let (kid, _key) = record.keys.current_encryption().ok_or("no encryption key")?;
//! assert_eq!(kid.to_string(), "enc-1");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::direct::{self, DirectEndpoint};
use crate::document::{self, DidDocument, DocumentError, PublicKeys, ServiceUrls};
use crate::limits::{CAPABILITIES_MAX, DESCRIPTION_BYTES_MAX, LABEL_BYTES_MAX, RECORD_BYTES_MAX};
use crate::{Did, Identity, UnixSeconds, strict_json};

/// How an agent presents itself in discovery. Limits: [`crate::limits`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Card {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub capabilities: Vec<Capability>,
    #[serde(default, deserialize_with = "strict_json::unit_enum")]
    pub discovery: Discovery,
}

/// Something that an agent can do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Capability {
    /// What other agents search for, such as `plan.create`.
    pub id: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
}

/// Controls who can find an agent without knowing its DID.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Discovery {
    /// Every agent of its tenant.
    #[default]
    Tenant,
    /// Nobody. The agent can only be reached by its DID.
    Hidden,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Record {
    #[serde(deserialize_with = "strict_json::object")]
    document: DidDocument,
    #[serde(deserialize_with = "strict_json::object")]
    self_certifying: DidDocument,
    #[serde(deserialize_with = "strict_json::object")]
    card: Card,
}

/// A record whose documents and card were verified, with the exact bytes that were verified.
#[derive(Debug, Clone)]
pub struct VerifiedRecord {
    pub did: Did,
    pub keys: PublicKeys,
    pub card: Card,
    pub document: DidDocument,
    pub self_certifying: DidDocument,
    pub bytes: Arc<[u8]>,
}

/// Why a record was refused.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    #[error("a record has at most {RECORD_BYTES_MAX} bytes")]
    TooLong,
    #[error("the record is not JSON of the right shape")]
    Shape(#[source] serde_json::Error),
    #[error("the card's {0}")]
    Card(&'static str),
    #[error("the DID document is not valid")]
    Document(#[source] DocumentError),
    #[error("the self-certifying document is not valid")]
    SelfCertifying(#[source] DocumentError),
    #[error("the two documents do not hold the same keys, or do not refer to each other")]
    Mismatch,
}

impl Card {
    /// Checks the card against its limits.
    ///
    /// # Errors
    /// [`RecordError::Card`] with the member that exceeds its limit or repeats.
    pub fn check(&self) -> Result<(), RecordError> {
        let long = |text: &str, limit: usize| text.len() > limit;
        if long(&self.name, LABEL_BYTES_MAX) {
            return Err(RecordError::Card("name has at most 128 bytes"));
        }
        if long(&self.description, DESCRIPTION_BYTES_MAX) {
            return Err(RecordError::Card("description has at most 2048 bytes"));
        }
        if self.capabilities.len() > CAPABILITIES_MAX {
            return Err(RecordError::Card("capabilities are at most 64"));
        }
        let unfit = |c: &Capability| {
            c.id.is_empty() || long(&c.id, LABEL_BYTES_MAX) || long(&c.name, LABEL_BYTES_MAX)
        };
        if self.capabilities.iter().any(unfit) {
            return Err(RecordError::Card("capability ids have 1 to 128 bytes, their names at most 128"));
        }
        let mut ids: Vec<_> = self.capabilities.iter().map(|c| &c.id).collect();
        ids.sort_unstable();
        ids.dedup();
        if ids.len() < self.capabilities.len() {
            return Err(RecordError::Card("capability ids must differ"));
        }
        Ok(())
    }
}

/// Builds the bytes of a new record of `identity`. `relay` is the relay's WebSocket URL. `now` is
/// signed as the time of the documents; a relay refuses a record that is older than the registered
/// one.
///
/// # Errors
/// [`RecordError::Card`] for a card that exceeds its limits.
pub fn build(
    identity: &Identity,
    card: Card,
    relay: Option<&str>,
    now: UnixSeconds,
) -> Result<Vec<u8>, RecordError> {
    build_with_services(identity, card, ServiceUrls { relay, ..ServiceUrls::default() }, now)
}

/// The same as [`build`] with all addresses of the agent.
///
/// # Errors
/// [`RecordError::Card`] for a card that exceeds its limits.
pub fn build_with_services(
    identity: &Identity,
    card: Card,
    urls: ServiceUrls<'_>,
    now: UnixSeconds,
) -> Result<Vec<u8>, RecordError> {
    card.check()?;
    let (document, self_certifying) = document::build_with_services(identity, urls, now);
    serde_json::to_vec(&Record { document, self_certifying, card }).map_err(RecordError::Shape)
}

impl VerifiedRecord {
    /// Verifies the bytes of a record of `did`. The caller trusts `did`; everything else comes from
    /// the bytes.
    ///
    /// # Errors
    /// The first check that fails, with the part that it is about.
    pub fn parse(bytes: &[u8], did: &Did) -> Result<Self, RecordError> {
        if bytes.len() > RECORD_BYTES_MAX {
            return Err(RecordError::TooLong);
        }
        let record: Record = strict_json::from_slice(bytes).map_err(RecordError::Shape)?;
        record.card.check()?;
        let keys = document::verify(&record.document, did.as_str()).map_err(RecordError::Document)?;
        let alias = format!("{did}:e1_{}", document::thumbprint(&keys.root));
        let again = document::verify(&record.self_certifying, &alias).map_err(RecordError::SelfCertifying)?;
        let linked = record.document.also_known_as == [alias]
            && record.self_certifying.also_known_as == [did.as_str()];
        if keys != again || !linked {
            return Err(RecordError::Mismatch);
        }
        let Record { document, self_certifying, card } = record;
        Ok(Self { did: did.clone(), keys, card, document, self_certifying, bytes: bytes.into() })
    }

    /// The addresses at which the agent can be reached without the relay. The root key signed them.
    #[must_use]
    pub fn direct_endpoints(&self) -> Vec<DirectEndpoint> {
        direct::endpoints_of(&self.document)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(name: &str) -> Identity {
        let did = format!("did:wba:example.com:agent:acme:{name}").parse().unwrap();
        Identity::generate(did, 100, &mut rand::rng())
    }

    #[test]
    fn a_record_is_read_back_with_the_bytes_it_came_as() {
        let alice = identity("alice");
        let card = Card { name: "Alice".into(), ..Card::default() };
        let bytes = build(&alice, card.clone(), None, 200).unwrap();
        let record = VerifiedRecord::parse(&bytes, alice.did()).unwrap();
        assert_eq!(record.card, card);
        assert_eq!(&*record.bytes, bytes);
        assert_eq!(record.keys.root, alice.root_public());
    }

    #[test]
    fn a_record_under_another_name_is_refused() {
        let bytes = build(&identity("alice"), Card::default(), None, 200).unwrap();
        let error = VerifiedRecord::parse(&bytes, identity("bob").did()).unwrap_err();
        assert!(matches!(error, RecordError::Document(DocumentError::Subject { .. })), "{error}");
    }

    #[test]
    fn the_addresses_of_a_direct_listener_are_signed() {
        let alice = identity("alice");
        let endpoints: Vec<DirectEndpoint> = vec!["tls://192.0.2.7:7443".parse().unwrap()];
        let bytes = build_with_services(
            &alice,
            Card::default(),
            ServiceUrls { direct: &endpoints, ..ServiceUrls::default() },
            200,
        )
        .unwrap();
        assert_eq!(VerifiedRecord::parse(&bytes, alice.did()).unwrap().direct_endpoints(), endpoints);
        let moved = String::from_utf8(bytes).unwrap().replacen("192.0.2.7", "192.0.2.8", 1);
        let error = VerifiedRecord::parse(moved.as_bytes(), alice.did()).unwrap_err();
        assert!(matches!(error, RecordError::Document(DocumentError::Proof)), "{error}");
    }

    #[test]
    fn an_unknown_member_is_refused() {
        let alice = identity("alice");
        let bytes = build(&alice, Card::default(), None, 200).unwrap();
        let text = String::from_utf8(bytes).unwrap().replacen("{\"document\"", "{\"x\":1,\"document\"", 1);
        let error = VerifiedRecord::parse(text.as_bytes(), alice.did()).unwrap_err();
        assert!(matches!(error, RecordError::Shape(_)), "{error}");
    }
}
