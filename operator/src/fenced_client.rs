//! The Kubernetes client of the reconciles: it refuses writes without a valid lease, and bounds
//! every request.
//!
//! Refusals for overload (429, 503 and 504) are repeated below the fence, after the time that
//! `Retry-After` names.

use std::time::Duration;

use anyhow::Context as _;
use kube::Client;
use kube::client::ClientBuilder;
use tower::timeout::TimeoutLayer;

use crate::lease::{WRITE_TIMEOUT, WriteFenceLayer};

/// Bounds the set-up of a connection. Two attempts fit into [`WRITE_TIMEOUT`].
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Creates the client.
///
/// # Errors
/// TLS or the credentials of `config` are not usable.
pub fn create(mut config: kube::Config, fence: &WriteFenceLayer) -> anyhow::Result<Client> {
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    config.default_retry = true;
    let builder = ClientBuilder::try_from(config).context("failed to create a Kubernetes client")?;
    Ok(builder.with_layer(&TimeoutLayer::new(WRITE_TIMEOUT)).with_layer(fence).build())
}
