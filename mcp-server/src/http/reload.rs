//! Files that change under a running process: the token and the certificate, as kubelet replaces them in a mounted Secret.

use std::path::Path;
use std::time::Duration;

use daemon::Shutdown;
use protocol::api_key::{ApiKey, ApiKeyError, KeyHash};
use zeroize::Zeroizing;

use super::guard::Guard;
use super::outbound::Outbound;
use super::tls::Certificate;

/// Between two looks: far below the minute kubelet takes to bring a change.
const INTERVAL: Duration = Duration::from_secs(5);

#[derive(Debug, thiserror::Error)]
pub enum TokenFileError {
    #[error("failed to read the token file")]
    Read(#[source] std::io::Error),
    #[error("failed to use the token file")]
    Parse(#[source] ApiKeyError),
}

/// # Errors
/// No such file, or no API key in it.
pub async fn token(path: &Path) -> Result<KeyHash, TokenFileError> {
    let text = tokio::fs::read_to_string(path).await.map(Zeroizing::new).map_err(TokenFileError::Read)?;
    text.trim().parse::<ApiKey>().map(|key| key.hash()).map_err(TokenFileError::Parse)
}

/// Follows the token file until shutdown. While it cannot be read, the key before stays.
pub async fn follow_token(path: &Path, guard: Guard, shutdown: Shutdown) {
    while tick(&shutdown).await {
        match token(path).await {
            Ok(key) if guard.rotate(key) => {
                tracing::info!(key_id = %key.key_id().as_str(), "the API key has changed")
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "keeping the API key as it was"),
        }
    }
}

/// Follows the certificate until shutdown. While it cannot be used, the one before stays.
pub async fn follow_certificate(certificate: Certificate, shutdown: Shutdown) {
    while tick(&shutdown).await {
        match certificate.reload().await {
            Ok(true) => tracing::info!("the certificate has changed"),
            Ok(false) => {}
            Err(error) => tracing::warn!(%error, "keeping the certificate as it was"),
        }
    }
}

/// Follows the relay's authority until shutdown.
pub async fn follow_authority(outbound: Outbound, shutdown: Shutdown) {
    follow("the relay's authority", || outbound.reload(), shutdown).await;
}

/// Follows a file until shutdown. While it cannot be used, what it said before stays.
pub async fn follow<E: std::error::Error>(
    what: &'static str,
    reload: impl Fn() -> Result<bool, E>,
    shutdown: Shutdown,
) {
    while tick(&shutdown).await {
        match reload() {
            Ok(true) => tracing::info!("{what} has changed"),
            Ok(false) => {}
            Err(error) => {
                let source = error.source().map(ToString::to_string);
                tracing::warn!(%error, source, "keeping {what} as it was");
            }
        }
    }
}

/// `false` when shutdown began instead.
async fn tick(shutdown: &Shutdown) -> bool {
    tokio::select! {
        () = tokio::time::sleep(INTERVAL) => true,
        () = shutdown.begun() => false,
    }
}
