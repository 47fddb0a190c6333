//! Makes, signs and verifies the cards of agents.

mod builder;
mod canonical;
mod public_key;
mod publisher;
mod signature;

pub use public_key::PublicKey;
pub use publisher::CardPublisher;
pub use signature::{CardSigner, SignatureProblem, verify};
