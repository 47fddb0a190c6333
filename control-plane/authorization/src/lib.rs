//! The authorization server of a relay (OAuth 2.1): people sign in and allow an MCP client to use
//! an agent, and the client gets access tokens for that agent's endpoint.
//!
//! [`open`] starts it; [`Relay`] is everything it asks the relay. Each folder is one module:
//! `endpoints` has one file per HTTP endpoint and is the only module that uses all the others.
//! Decisions are pure functions: `authorize::request`, `clients::redirect_uri`, `grants::exchange`,
//! `grants::grant_validity`, `people::account` and `tokens::access_token`.
//!
//! Standards: RFC 6749, 7009, 7591, 7636, 7662, 8252, 8414, 8707, 9068, 9207 and 9700.

mod authorize;
mod cleanup;
mod clients;
mod endpoints;
mod error;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod grants;
mod limits;
mod metrics;
mod pages;
mod parameters;
mod people;
mod relay;
mod router;
mod secret;
mod server;
mod settings;
mod store;
mod tokens;

pub use authorize::agent_choices::{AgentChoices, gateway_choices};
pub use document_fetcher::{NotAProxy, OutboundProxy};
pub use grants::grant::Grant;
pub use grants::grant_validity::{GrantInvalid, check_grant};
pub use people::account::{AccessDenied, Account, INVITATION_ISSUER};
pub use people::invitation_error::InvitationError;
pub use people::invitations::Invitations;
pub use relay::{ApiKeyError, McpEndpoint, Principal, Relay};
pub use server::{AuthorizationServer, OpenError, Setup, open};
pub use settings::{Clock, GatewaySettings, ProviderSettings, Settings};
pub use tokens::key_folder::SigningKeysError;
