//! Posts changes of tasks to webhooks: those of one webhook in their order, each until it is taken
//! or was tried often enough.

use std::time::Duration;

use daemon::Shutdown;
use futures::StreamExt as _;
use futures::stream;

use super::TaskGateway;
use crate::clock;
use crate::model::StreamResponse;
use crate::store::{DueNotification, StoreError};
use crate::webhook::WebhookClient;

/// How often webhooks whose next attempt may be due are looked for.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// Webhooks that are called at a time.
const CALLS_MAX: u32 = 32;
/// Failures in a row after which what waits for a webhook is dropped: about an hour and a half.
const FAILURES_MAX: u32 = 14;
/// The first wait after a failure; each further one is twice as long.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// The longest wait after a failure.
const MAX_RETRY_INTERVAL: Duration = Duration::from_secs(15 * 60);

/// Posts until shutdown.
pub async fn run(gateway: TaskGateway, client: WebhookClient, shutdown: Shutdown) {
    loop {
        match deliver_due(&gateway, &client).await {
            Ok(0) => {}
            Ok(_) => continue,
            Err(error) => {
                tracing::error!(error = daemon::error_chain(&error), "cannot read what waits for webhooks");
            }
        }
        tokio::select! {
            () = shutdown.begun() => return,
            () = gateway.0.notifications.notified() => {}
            () = tokio::time::sleep(POLL_INTERVAL) => {}
        }
    }
}

/// The number of webhooks that took a notification, so that their next ones follow at once.
async fn deliver_due(gateway: &TaskGateway, client: &WebhookClient) -> Result<usize, StoreError> {
    let due = gateway.store().due_notifications(clock::now(), CALLS_MAX).await?;
    let calls = usize::try_from(CALLS_MAX).unwrap_or(usize::MAX);
    let results: Vec<_> =
        stream::iter(due).map(|due| deliver(gateway, client, due)).buffer_unordered(calls).collect().await;
    let mut taken = 0;
    for result in results {
        taken += usize::from(result?);
    }
    Ok(taken)
}

async fn deliver(
    gateway: &TaskGateway,
    client: &WebhookClient,
    due: DueNotification,
) -> Result<bool, StoreError> {
    let view = due.task.empty_view();
    let event: Option<StreamResponse> = view.event(due.change.change.clone(), due.change.at);
    let Some(event) = event else {
        gateway.store().notified(&due).await?;
        return Ok(true);
    };
    match client.post(&due.config, &event).await {
        Ok(()) => {
            gateway.store().notified(&due).await?;
            Ok(true)
        }
        Err(error) => {
            let again_in = retry_after(due.failures);
            let dropped = again_in.is_none();
            tracing::info!(
                error = daemon::error_chain(&error),
                dropped,
                "a webhook did not take a notification"
            );
            gateway.store().notification_failed(&due, again_in, clock::now()).await?;
            Ok(false)
        }
    }
}

/// The wait before the next attempt; `None`: there is none.
fn retry_after(failures: u32) -> Option<Duration> {
    let wait = RETRY_INTERVAL.saturating_mul(2_u32.saturating_pow(failures));
    (failures + 1 < FAILURES_MAX).then(|| wait.min(MAX_RETRY_INTERVAL))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_bound_and_end() {
        assert_eq!(retry_after(0), Some(Duration::from_secs(1)));
        assert_eq!(retry_after(3), Some(Duration::from_secs(8)));
        assert_eq!(retry_after(FAILURES_MAX - 2), Some(MAX_RETRY_INTERVAL));
        assert_eq!(retry_after(FAILURES_MAX - 1), None);
    }
}
