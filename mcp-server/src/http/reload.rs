//! Follows the certificate files, which kubelet replaces in a mounted Secret.

use std::time::Duration;

use daemon::Shutdown;

use super::tls::Certificate;

/// How late a renewed certificate is noticed: far below the minute kubelet takes to bring a change.
const CERTIFICATE_RELOAD_INTERVAL: Duration = Duration::from_secs(5);

/// Follows the certificate until shutdown. While it cannot be used, the previous one stays in use.
pub async fn follow_certificate(certificate: Certificate, shutdown: Shutdown) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(CERTIFICATE_RELOAD_INTERVAL) => {}
            () = shutdown.begun() => return,
        }
        match certificate.reload().await {
            Ok(true) => tracing::info!("the certificate has changed"),
            Ok(false) => {}
            Err(error) => tracing::warn!(%error, "keeping the certificate as it was"),
        }
    }
}
