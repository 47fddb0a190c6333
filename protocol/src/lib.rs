//! The msg2agent wire: names, keys, DID documents, envelopes, frames, proofs and the bodies of the
//! relay's admin API.
//!
//! Pure: no I/O, no clock, no randomness of its own. Time comes in as seconds since the Unix epoch,
//! randomness as a [`rand_core::CryptoRng`]. The text of the protocol is `docs/protocol.md`; golden
//! examples are in `protocol/fixtures/`.
//!
//! Reading order: [`did`], [`identity`], [`document`], [`record`], [`envelope`], [`frame`],
//! [`challenge`], [`proof`], [`task`].

pub mod access_token;
pub mod admin;
pub mod api_key;
pub mod base64url;
pub mod challenge;
pub mod close;
pub mod did;
pub mod document;
pub mod envelope;
pub mod frame;
pub mod identity;
pub mod introspection;
pub mod limits;
pub mod multikey;
pub mod proof;
pub mod quota;
pub mod reason;
pub mod record;
pub mod signature;
pub mod strict_json;
pub mod task;
pub mod url;

pub use did::Did;
pub use envelope::Envelope;
pub use identity::Identity;
pub use reason::Reason;

/// Seconds since the Unix epoch, UTC. The protocol knows no finer time, so that a message does not
/// tell more than it must.
pub type UnixSeconds = u64;
