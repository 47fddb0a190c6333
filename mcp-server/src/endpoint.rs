//! The endpoint of one agent: authenticates callers, checks their scopes, and passes their requests
//! to rmcp, which implements MCP.
//!
//! Reading order: [`settings`], [`process`], [`router`], [`guard`], [`bearer`], [`accepted_keys`],
//! [`token`], [`issuer_keys`], [`sessions`], [`required_scopes`].

pub mod accepted_keys;
pub mod bearer;
pub mod guard;
pub mod issuer_keys;
pub mod process;
pub mod required_scopes;
pub mod router;
pub mod sessions;
pub mod settings;
pub mod token;
