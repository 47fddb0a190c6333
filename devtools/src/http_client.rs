//! Makes HTTP clients for servers on this machine and in test clusters. They use no proxy, whatever
//! the environment says.

use anyhow::Context as _;
use reqwest::{Client, ClientBuilder};

/// A client with the defaults of reqwest.
///
/// # Errors
/// No TLS provider is installed.
pub fn new() -> anyhow::Result<Client> {
    builder().build().context("build an HTTP client")
}

/// The builder of a client.
#[expect(clippy::disallowed_methods, reason = "the one place where clients are made")]
pub fn builder() -> ClientBuilder {
    Client::builder().no_proxy()
}

/// Sends one GET request.
///
/// # Errors
/// No answer comes.
pub async fn get(url: &str) -> anyhow::Result<reqwest::Response> {
    new()?.get(url).send().await.with_context(|| format!("GET {url}"))
}
