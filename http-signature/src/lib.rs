//! HTTP requests that are signed by whoever controls a DID (ANP-02): HTTP Message Signatures (RFC
//! 9421) over the method, the URL and the digest of the body (RFC 9530).
//!
//! [`sign`] makes the header fields of a request, and [`verify_request`] says which DID signed one.
//! The crate is pure, except that verifying asks a [`ResolveDid`] for the document of the DID.
//! Refusals are typed, and [`challenge`] writes one as the header fields of a 401.
//!
//! ```
//! use http::HeaderMap;
//! use msg2agent_http_signature::{ReceivedRequest, Outgoing, SignedRequest, sign};
//! use protocol::did::WbaDid;
//! use protocol::document::{self, ResolvedDocument};
//! use protocol::Identity;
//!
//! let now = 1_790_000_000;
//! let alice = Identity::generate("did:wba:example.com:agent:alice".parse()?, now, &mut rand::rng());
//! let (_, document) = document::build(&alice, None, now);
//! let key = &alice.current_signing().ok_or("no signing key")?.key;
//! let (url, body) = ("https://example.org/a2a", b"{}".as_slice());
//! let outgoing = Outgoing { method: "POST", target_uri: url, body };
//! let fields = sign(outgoing, key, &format!("{}#sig-1", document.id), [7; 16], now)?;
//!
//! let headers: HeaderMap = fields.into_headers();
//! let received = ReceivedRequest { method: "POST", target_uri: url, headers: &headers, body };
//! let signed = SignedRequest::read(&received, now)?;
//! let did: WbaDid = document.id.parse()?;
//! assert_eq!(signed.did(), &did);
//! let document = ResolvedDocument::parse(&serde_json::to_vec(&document)?, &did, now)?;
//! assert_eq!(signed.verify(&document)?.did, did);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod caller;
mod challenge;
mod content_digest;
mod refusal;
mod replay;
mod request;
mod sign;
mod signature_base;
mod signature_input;
mod verified_caller;
mod verify;

pub use caller::{ResolveDid, verify_request};
pub use challenge::challenge;
pub use content_digest::content_digest;
pub use refusal::SignatureRefusal;
pub use replay::ReplayTable;
pub use request::ReceivedRequest;
pub use sign::{Outgoing, SignError, SignatureFields, sign};
pub use verified_caller::VerifiedCaller;
pub use verify::SignedRequest;

/// The longest time between signing a request and receiving it (ANP-02 section 3.2.1: 1 to 5
/// minutes).
pub const MAX_AGE_TTL_SECONDS: u64 = 300;
/// How far the clock of the other side may be ahead.
pub const CLOCK_SKEW_GRACE_SECONDS: u64 = 60;
