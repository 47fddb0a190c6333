//! Defines what agents and relays send each other: DIDs, keys, records, envelopes, frames, proofs
//! and tasks.
//!
//! The crate is pure: it does no I/O and reads no clock. Times are arguments in seconds since the
//! Unix epoch, and random bytes come from a [`rand_core::CryptoRng`] that the caller passes. The
//! protocol is described in `docs/protocol.md`; golden examples for other languages are in
//! `protocol/fixtures/`.
//!
//! Read the modules in this order: [`did`], [`identity`], [`document`], [`record`], [`envelope`],
//! [`frame`], [`challenge`], [`proof`], [`task`].

pub mod access_token;
pub mod admin;
pub mod api_key;
pub mod base64url;
pub mod challenge;
pub mod close;
pub mod did;
pub mod direct;
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
pub mod refusal;
pub mod signature;
pub mod strict_json;
pub mod task;
pub mod url;

pub use did::Did;
pub use envelope::Envelope;
pub use identity::Identity;
pub use reason::Reason;

/// Seconds since the Unix epoch in UTC. The protocol has no finer time, so that a message reveals
/// no more than it must.
pub type UnixSeconds = u64;
