//! Forgetting what has ended, so that the store does not grow with time.

use std::time::Duration;

use daemon::Shutdown;

use super::Oauth;
use super::chain;
use crate::store::oauth::{Horizon, Swept};

/// How late things are forgotten. All of them are refused from the second they end.
const SWEEP_INTERVAL: Duration = Duration::from_secs(600);
/// How long a client that registered may wait for its first consent.
pub(super) const UNUSED_CLIENT_SECONDS: u64 = 24 * 3600;
/// How long a client is known after its last grant: clients keep their ids and never ask for new ones.
const IDLE_CLIENT_SECONDS: u64 = 180 * 24 * 3600;

impl Oauth {
    /// Runs until shutdown.
    pub async fn sweep(self, shutdown: Shutdown) {
        let mut tick = tokio::time::interval(SWEEP_INTERVAL);
        loop {
            tokio::select! {
                _ = tick.tick() => self.sweep_once().await,
                () = shutdown.begun() => return,
            }
        }
    }

    async fn sweep_once(&self) {
        let now = self.now();
        let horizon = Horizon {
            now,
            registered: now.saturating_sub(UNUSED_CLIENT_SECONDS),
            used: now.saturating_sub(IDLE_CLIENT_SECONDS),
        };
        match self.store.sweep(horizon).await {
            Ok(swept) if swept == Swept::default() => {}
            Ok(swept) => tracing::info!(?swept, "forgot what had ended in the authorization server"),
            Err(error) => tracing::warn!(error = %chain(&error), "failed to forget what has ended"),
        }
    }
}
