//! Deletes expired rows from time to time, so that the tables do not grow without bound.

use std::time::Duration;

use daemon::{Shutdown, error_chain};

use crate::settings::Clock;
use crate::store::cleanup::{DeletedRows, ExpiredBefore};
use crate::store::database::Database;

/// How late expired rows are deleted. They are refused from the second they expire.
const CLEANUP_INTERVAL: Duration = Duration::from_secs(600);
/// How long a registered client is kept without a grant.
const UNUSED_CLIENT_TTL_SECONDS: u64 = 24 * 3600;
/// How long a client is kept after its last grant. Clients store their ids and never ask for new
/// ones, so this is long.
const IDLE_CLIENT_TTL_SECONDS: u64 = 180 * 24 * 3600;

/// Deletes expired rows until shutdown.
pub(crate) async fn run(store: Database, clock: Clock, shutdown: Shutdown) {
    let mut interval = tokio::time::interval(CLEANUP_INTERVAL);
    loop {
        tokio::select! {
            _ = interval.tick() => delete_expired(&store, &clock).await,
            () = shutdown.begun() => return,
        }
    }
}

async fn delete_expired(store: &Database, clock: &Clock) {
    let now = clock();
    let before = ExpiredBefore {
        now,
        registered: now.saturating_sub(UNUSED_CLIENT_TTL_SECONDS),
        used: now.saturating_sub(IDLE_CLIENT_TTL_SECONDS),
    };
    match store.delete_expired(before).await {
        Ok(deleted) if deleted == DeletedRows::default() => {}
        Ok(deleted) => tracing::info!(?deleted, "deleted expired rows of the authorization server"),
        Err(error) => tracing::warn!(error = %error_chain(&error), "failed to delete expired rows"),
    }
}
