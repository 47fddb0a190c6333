//! Sign-in with an OpenID provider (OpenID Connect Core 1.0), where this server is the client.

pub(crate) mod client;
mod discovery;
pub(crate) mod error;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod id_token;
