//! Writes and verifies proof files, which show offline who said what to whom.
//!
//! A proof file holds envelopes as they travelled, the key of each of these messages and of no
//! other, and the DID documents of every agent involved. The agent that writes the file attests all
//! of it. Only canonical JSON (RFC 8785) is accepted, so that every byte of the file is covered by
//! one of the checks.
//!
//! The documents in a file are signed with root keys that the file itself brings. What it proves
//! therefore depends on an *anchor*: the root keys that its reader knows from elsewhere.
//!
//! ```
//! use msg2agent_protocol::envelope::{Class, Content, Draft, MessageId, MessageType, seal};
//! use msg2agent_protocol::proof::{self, ProvenMessage};
//! use msg2agent_protocol::{Identity, document};
//!
//! let now = 1_790_000_000;
//! let (alice, bob) = ("did:wba:example.com:agent:alice", "did:wba:example.com:agent:bob");
//! let alice = Identity::generate(alice.parse()?, now, &mut rand::rng());
//! let bob = Identity::generate(bob.parse()?, now, &mut rand::rng());
//! let documents = [&alice, &bob].map(|of| document::build(of, None, now).0);
//! let bob_keys = document::verify(&documents[1], bob.did().as_str())?;
//! let draft = Draft {
//!     to: bob.did().clone(),
//!     id: MessageId::new(now, rand::random()),
//!     class: Class::Reliable,
//!     r#type: MessageType::Event,
//!     thread: None,
//!     re: None,
//!     ttl: None,
//!     content: Content::text("I will deliver on Monday."),
//! };
//! let to = bob_keys.current_encryption().ok_or("no encryption key")?;
//! let sealed = seal(draft, &alice, to, now, &mut rand::rng())?;
//!
//! // Bob, who received the message, proves that Alice wrote it.
//! let message = ProvenMessage { envelope: sealed.envelope, prk: sealed.prk.disclose() };
//! let file = proof::write(vec![message], documents.to_vec(), &bob, now)?;
//!
//! // Whoever verifies the file knows both root keys from elsewhere. Anybody can make a file with
//! // root keys of his own.
//! let roots = [(alice.did(), alice.root_public()), (bob.did(), bob.root_public())];
//! let known = |did: &msg2agent_protocol::Did| roots.iter().find(|(of, _)| *of == did).map(|(_, key)| *key);
//! let statements = proof::verify(&file, &known)?;
//! assert_eq!(statements[0].header.from, *alice.did());
//! assert_eq!(statements[0].content.as_text(), Some("I will deliver on Monday."));
//! assert!(proof::verify(&file, &|_| None).is_err(), "consistent, but not anchored");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use serde::{Deserialize, Serialize};

use crate::document::DidDocument;
use crate::identity::Kid;
use crate::{Did, Envelope, UnixSeconds, base64url};

mod verify;
mod write;

pub use verify::{ConsistentProof, ProofError, RootKeyOf, Statement, check_consistency, verify};
pub use write::{WriteError, write};

/// The only version of the format.
const VERSION: u32 = 1;

/// The content of a proof file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    pub version: u32,
    pub messages: Vec<ProvenMessage>,
    /// The documents of every DID in the messages and of the writer, in order of the DID.
    pub documents: Vec<DidDocument>,
    pub attestation: Attestation,
}

/// A message as it travelled, with its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProvenMessage {
    pub envelope: Envelope,
    /// The disclosed pseudo-random key of this message. It reads no other message.
    #[serde(with = "base64url::array")]
    pub prk: [u8; 32],
}

/// Who wrote the file and when. The signature covers everything else in the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attestation {
    pub by: Did,
    pub kid: Kid,
    pub time: UnixSeconds,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub signature: String,
}

/// The bytes that the attestation signs: the canonical JSON of the file without the signature.
fn attested_bytes(proof: &Proof) -> serde_json::Result<Vec<u8>> {
    let mut unsigned = proof.clone();
    unsigned.attestation.signature.clear();
    serde_json_canonicalizer::to_vec(&unsigned)
}
