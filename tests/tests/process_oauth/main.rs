//! Tests the authorization server of a relay process with the conformance suite and a real browser.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot set itself up should fail on the spot"
)]

mod browser;
mod client;
mod conformance;
mod gateway;
mod person;
mod provider;
mod secrecy;
mod site;
