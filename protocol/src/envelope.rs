//! Seals, opens and routes envelopes. An envelope is one message between two agents, as it travels.
//!
//! An envelope has routing members that the relay reads, and three opaque texts: the signed header,
//! the ciphertext and the signature. [`seal()`] makes one, [`open()`] verifies and decrypts one,
//! and [`Routing`] is the relay's view.
//!
//! ```
//! use msg2agent_protocol::envelope::{Class, Content, Draft, MessageId, MessageType, open, seal};
//! use msg2agent_protocol::{Envelope, Identity, document};
//!
//! let now = 1_790_000_000;
//! let (alice, bob) = ("did:wba:example.com:agent:alice", "did:wba:example.com:agent:bob");
//! let alice = Identity::generate(alice.parse()?, now, &mut rand::rng());
//! let bob = Identity::generate(bob.parse()?, now, &mut rand::rng());
//! // Both sides take the other's keys from its verified record; here from its document.
//! let document = |of: &Identity| document::build(of, None, now).0;
//! let keys = |of: &Identity| document::verify(&document(of), of.did().as_str());
//! let (alice_keys, bob_keys) = (keys(&alice)?, keys(&bob)?);
//!
//! let draft = Draft {
//!     to: bob.did().clone(),
//!     id: MessageId::new(now, rand::random()),
//!     class: Class::Reliable,
//!     r#type: MessageType::Request,
//!     thread: None,
//!     re: None,
//!     ttl: Some(3_600),
//!     content: Content::text("Are you there?"),
//! };
//! let recipient_key = bob_keys.current_encryption().ok_or("no encryption key")?;
//! let sealed = seal(draft, &alice, recipient_key, now, &mut rand::rng())?;
//! let text = serde_json::to_string(&sealed.envelope)?;
//!
//! let envelope = Envelope::parse(&text)?;
//! let opened = open(&envelope, &alice_keys, &bob, now)?;
//! assert_eq!(opened.header.from, *alice.did());
//! assert_eq!(opened.content.as_text(), Some("Are you there?"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use serde::{Deserialize, Serialize};

use crate::{Did, strict_json};

pub mod content;
pub mod freshness;
pub mod header;
pub mod message_id;
pub mod open;
pub mod routing;
pub mod seal;
pub mod suite1;

pub use content::Content;
pub use header::{Class, Header, MessageType};
pub use message_id::MessageId;
pub use open::{OpenError, Opened, open};
pub use routing::Routing;
pub use seal::{Draft, SealError, seal};

/// An envelope as an agent holds it. The relay never builds this type: it forwards the bytes that
/// arrived.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Envelope {
    pub to: Did,
    pub from: Did,
    pub id: MessageId,
    #[serde(deserialize_with = "strict_json::unit_enum")]
    pub class: Class,
    /// How many seconds the relay keeps a reliable message. Ephemeral messages have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<u64>,
    /// base64url of the [`Header`]'s JSON.
    pub protected: String,
    /// base64url of the ciphertext.
    pub body: String,
    /// base64url of the Ed25519 signature over `protected "." body`.
    pub signature: String,
}

impl Envelope {
    /// Reads the JSON of one envelope. It verifies nothing; [`open()`] does.
    ///
    /// # Errors
    /// The text is not one JSON object with exactly these members.
    pub fn parse(text: &str) -> serde_json::Result<Self> {
        strict_json::from_str(text)
    }
}
