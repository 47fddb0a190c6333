//! The task that writes what must be on disk before a direct message is answered.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use super::shared::Shared;

/// How often a write is tried again that failed.
const DISK_RETRY_INTERVAL: Duration = Duration::from_secs(5);

/// Runs until the agent has ended and no link waits for an answer.
pub(super) async fn run(shared: Arc<Shared>) {
    let mut retry = interval(DISK_RETRY_INTERVAL);
    retry.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let acknowledgements = &shared.state.acknowledgements;
    let over = async {
        shared.ended().await;
        shared.no_links().await;
    };
    tokio::pin!(over);
    loop {
        tokio::select! {
            () = acknowledgements.direct_changed() => {}
            _ = retry.tick() => acknowledgements.retry(),
            () = &mut over => return,
        }
        if let Err(error) = write(&shared).await {
            tracing::warn!(error = %error, "cannot sync the state folder; direct messages wait for it");
        }
    }
}

async fn write(shared: &Arc<Shared>) -> std::io::Result<()> {
    // Without a session nobody else shortens the file.
    if let Some(rewrite) = shared.state.acknowledgements.begin_rewrite() {
        let shared = Arc::clone(shared);
        let job = move || shared.state.acknowledgements.rewrite(rewrite);
        tokio::task::spawn_blocking(job).await.map_err(std::io::Error::other)??;
    }
    while let Some(sync) = shared.state.acknowledgements.begin_direct_sync()? {
        let (sync, synced) = tokio::task::spawn_blocking(move || {
            let synced = sync.run();
            (sync, synced)
        })
        .await
        .map_err(std::io::Error::other)?;
        shared.state.acknowledgements.finish_direct_sync(sync, &synced);
        synced?;
    }
    Ok(())
}
