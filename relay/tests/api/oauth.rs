//! The authorization server over its sockets: a client, a person with a browser, and everything that is refused.

mod connecting;
mod discovery;
mod person;
mod provider;
mod provider_sign_in;
mod refreshing;
mod refusals;
mod registering;
mod revoking;
mod signing_in;
