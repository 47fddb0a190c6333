//! Token introspection at the relay (RFC 7662): which agent a credential belongs to.

use std::sync::Arc;
use std::time::Duration;

use daemon::token_file::ReloadingToken;
use protocol::introspection::Introspection;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use crate::http::outbound::Outbound;

/// Time for an answer; clients give up after about ten seconds.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(4);
/// Concurrent introspections. Limits the load that strangers can put on the relay.
const INTROSPECTIONS_MAX: usize = 64;
/// How long an introspection may wait for one of them to end; clients give up after about ten
/// seconds.
const QUEUE_TIMEOUT: Duration = Duration::from_secs(2);
/// Bytes of an answer; the relay's have about 600.
const ANSWER_BYTES_MAX: usize = 16 * 1024;

/// Cheap to clone; clones share the token and the limit.
#[derive(Clone)]
pub struct IntrospectionClient {
    url: Arc<str>,
    outbound: Outbound,
    token: ReloadingToken,
    permits: Arc<Semaphore>,
}

#[derive(Debug, thiserror::Error)]
pub enum IntrospectionError {
    #[error("too many introspections are in progress")]
    Busy,
    #[error("failed to send the introspection request to the relay")]
    Request(#[source] reqwest::Error),
    /// 401: the relay does not accept this gateway's token.
    #[error("the relay answered the introspection with {0}")]
    Status(reqwest::StatusCode),
    #[error("the relay's answer has more than {ANSWER_BYTES_MAX} bytes")]
    Size,
    #[error("failed to parse the relay's answer")]
    Parse(#[source] serde_json::Error),
}

impl IntrospectionClient {
    /// `token` authenticates this gateway at the relay.
    #[must_use]
    pub fn new(url: &str, outbound: Outbound, token: ReloadingToken) -> Self {
        Self { url: url.into(), outbound, token, permits: Arc::new(Semaphore::new(INTROSPECTIONS_MAX)) }
    }

    /// # Errors
    /// The relay gives no answer that can be used.
    pub async fn introspect(&self, credential: &str) -> Result<Introspection, IntrospectionError> {
        let permit = tokio::time::timeout(QUEUE_TIMEOUT, self.permits.acquire()).await;
        let _permit = permit.ok().and_then(Result::ok).ok_or(IntrospectionError::Busy)?;
        let form = Zeroizing::new(format!("token={credential}"));
        let request = self
            .outbound
            .client()
            .post(&*self.url)
            .timeout(ANSWER_TIMEOUT)
            .bearer_auth(self.token.current().as_str())
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form.as_bytes().to_vec());
        let mut response = request.send().await.map_err(IntrospectionError::Request)?;
        if !response.status().is_success() {
            return Err(IntrospectionError::Status(response.status()));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(IntrospectionError::Request)? {
            body.extend_from_slice(&chunk);
            if body.len() > ANSWER_BYTES_MAX {
                return Err(IntrospectionError::Size);
            }
        }
        serde_json::from_slice(&body).map_err(IntrospectionError::Parse)
    }
}
