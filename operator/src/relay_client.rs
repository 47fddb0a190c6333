//! HTTP client of a relay's admin API ([`protocol::admin`]). It authenticates with a bearer token.

use std::net::SocketAddr;
use std::time::Duration;

use protocol::Reason;
use protocol::admin::{Applied, Problem, Version};
use reqwest::{Method, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

/// Bounds one request. A relay answers from memory and one fsync, so a slower one is not ready.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// Bounds connecting to a pod of the same cluster.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Why a request to a relay failed.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    #[error("failed to build the HTTP client")]
    Build(#[source] reqwest::Error),
    #[error("failed to reach the relay at {address}")]
    Reach {
        address: SocketAddr,
        #[source]
        source: reqwest::Error,
    },
    #[error("the relay at {address} refused the request ({}): {detail}", refusal_code(*reason, *status))]
    Refused { address: SocketAddr, status: StatusCode, reason: Option<Reason>, detail: String },
}

/// Cheap to clone. Clones share connections.
#[derive(Debug, Clone)]
pub struct RelayClient(reqwest::Client);

/// The admin listener of one replica, and the token for it.
#[derive(Clone, Copy)]
pub struct Target<'a> {
    pub address: SocketAddr,
    pub token: &'a Zeroizing<String>,
}

impl RelayClient {
    /// Builds the client.
    ///
    /// # Errors
    /// [`RelayError::Build`] when the TLS library refuses its configuration.
    pub fn new() -> Result<Self, RelayError> {
        let client = reqwest::Client::builder()
            // Admin listeners speak plaintext inside the cluster, and the image has no authorities
            // to load.
            .tls_certs_only([])
            .no_proxy()
            .timeout(REQUEST_TIMEOUT)
            .connect_timeout(CONNECT_TIMEOUT);
        client.build().map(Self).map_err(RelayError::Build)
    }

    /// Asks a replica for its version, its store and its build.
    ///
    /// # Errors
    /// [`RelayError::Reach`] or [`RelayError::Refused`].
    pub async fn version(&self, target: Target<'_>) -> Result<Version, RelayError> {
        self.call(target, Method::GET, "/admin/v1/version", None::<&()>).await
    }

    /// Creates or replaces the content at `path`.
    ///
    /// # Errors
    /// [`RelayError::Reach`] or [`RelayError::Refused`].
    pub async fn put<B: Serialize + Sync>(
        &self,
        target: Target<'_>,
        path: &str,
        body: &B,
    ) -> Result<Applied, RelayError> {
        self.call(target, Method::PUT, path, Some(body)).await
    }

    /// Deletes the content at `path`.
    ///
    /// # Errors
    /// [`RelayError::Reach`] or [`RelayError::Refused`].
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
        let mut request =
            self.0.request(method, format!("http://{address}{path}")).bearer_auth(target.token.as_str());
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.map_err(reach)?;
        let status = response.status();
        if status.is_success() {
            return response.json().await.map_err(reach);
        }
        let problem = response.json::<Problem>().await.ok();
        Err(RelayError::Refused {
            address,
            status,
            reason: problem.as_ref().map(|problem| problem.reason),
            detail: problem.and_then(|problem| problem.detail).unwrap_or_else(|| status.to_string()),
        })
    }
}

/// The reason of a refusal, or its HTTP status.
fn refusal_code(reason: Option<Reason>, status: StatusCode) -> String {
    reason.map_or_else(|| status.as_u16().to_string(), |reason| reason.as_str().to_owned())
}

impl RelayError {
    /// Whether the relay refused the content, so that a retry with the same content fails again.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused { status, .. } if status.is_client_error() && *status != StatusCode::UNAUTHORIZED)
    }
}
