//! The only code that talks to a relay: its admin API, `protocol::admin`, with the bearer token of its Secret.

use std::net::SocketAddr;
use std::time::Duration;

use protocol::Reason;
use protocol::admin::{Applied, Problem, Version};
use reqwest::{Method, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

/// A relay answers from memory and one fsync; whoever is slower is not ready.
const TIMEOUT: Duration = Duration::from_secs(5);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    #[error("failed to make the HTTP client")]
    Build(#[source] reqwest::Error),
    #[error("failed to reach the relay at {address}")]
    Reach { address: SocketAddr, #[source] source: reqwest::Error },
    #[error("the relay at {address} refused: {reason:?}, {detail}")]
    Refused { address: SocketAddr, status: StatusCode, reason: Option<Reason>, detail: String },
}

/// Cheap to clone; connections are kept.
#[derive(Debug, Clone)]
pub struct RelayClient(reqwest::Client);

/// Where and with what to speak to one replica.
#[derive(Clone, Copy)]
pub struct Target<'a> {
    pub address: SocketAddr,
    pub token: &'a Zeroizing<String>,
}

impl RelayClient {
    /// # Errors
    /// The TLS library refuses its configuration.
    pub fn new() -> Result<Self, RelayError> {
        // No authorities: admin listeners speak plaintext inside the cluster, and the image has none to load.
        let client = reqwest::Client::builder().tls_certs_only([]).timeout(TIMEOUT).connect_timeout(CONNECT_TIMEOUT);
        let client = client.no_proxy();
        client.build().map(Self).map_err(RelayError::Build)
    }

    /// # Errors
    /// The relay does not answer, or refuses.
    pub async fn version(&self, target: Target<'_>) -> Result<Version, RelayError> {
        self.call(target, Method::GET, "/admin/v1/version", None::<&()>).await
    }

    /// # Errors
    /// The relay does not answer, or refuses the body.
    pub async fn put<B: Serialize + Sync>(&self, target: Target<'_>, path: &str, body: &B) -> Result<Applied, RelayError> {
        self.call(target, Method::PUT, path, Some(body)).await
    }

    /// # Errors
    /// The relay does not answer, or refuses.
    pub async fn delete(&self, target: Target<'_>, path: &str) -> Result<Applied, RelayError> {
        self.call(target, Method::DELETE, path, None::<&()>).await
    }

    async fn call<B: Serialize + Sync, A: DeserializeOwned>(
        &self,
        target: Target<'_>,
        method: Method,
        path: &str,
        body: Option<&B>,
    ) -> Result<A, RelayError> {
        let address = target.address;
        let reach = |source: reqwest::Error| RelayError::Reach { address, source: source.without_url() };
        let mut request = self.0.request(method, format!("http://{address}{path}")).bearer_auth(target.token.as_str());
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.map_err(reach)?;
        let status = answer.status();
        if status.is_success() {
            return answer.json().await.map_err(reach);
        }
        let problem = answer.json::<Problem>().await.ok();
        Err(RelayError::Refused {
            address,
            status,
            reason: problem.as_ref().map(|problem| problem.reason),
            detail: problem.and_then(|problem| problem.detail).unwrap_or_else(|| status.to_string()),
        })
    }
}

impl RelayError {
    /// Whether the relay itself said no, so that trying again with the same content is of no use.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused { status, .. } if status.is_client_error() && *status != StatusCode::UNAUTHORIZED)
    }
}
