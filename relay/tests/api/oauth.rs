//! Tests of the authorization server as the relay mounts it: a client, a person with a browser, and
//! everything that is refused.

#![expect(clippy::indexing_slicing, reason = "a missing member should fail the test on the spot")]

mod cleanup;
mod connecting;
mod declared_invitations;
mod discovery;
mod gateway;
mod gateway_choice;
mod gateway_ending;
mod gateway_keys;
mod grant_limit;
mod person;
mod provider;
mod provider_sign_in;
mod refreshing;
mod refusals;
mod registering;
mod revoking;
mod rotating;
mod signing_in;
mod store;
