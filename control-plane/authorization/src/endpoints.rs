//! The HTTP endpoints, one per file, and what they share.

pub(crate) mod authorize;
pub(crate) mod connector;
pub(crate) mod consent;
mod extract;
pub(crate) mod introspect;
pub(crate) mod jwks;
pub(crate) mod metadata;
mod pending_request;
pub(crate) mod register;
mod respond;
pub(crate) mod revoke;
pub(crate) mod sign_in_invitation;
pub(crate) mod sign_in_provider;
pub(crate) mod state;
pub(crate) mod token;
