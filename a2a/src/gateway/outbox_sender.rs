//! Sends to agents what is stored for them. The messages of one task leave one after the other, and
//! each under its id until the relay has answered.

use std::collections::HashSet;
use std::time::Duration;

use daemon::Shutdown;
use tokio::task::JoinSet;

use super::TaskGateway;
use crate::network::NetworkError;
use crate::store::{StoreError, UnsentMessage};

/// How often what the relay did not take is sent again.
const RESEND_INTERVAL: Duration = Duration::from_secs(3);
/// Messages that are being sent at a time, each of another task.
const SENDS_MAX: u32 = 64;

/// Sends until shutdown.
pub async fn run(gateway: TaskGateway, shutdown: Shutdown) {
    // Tasks of their own: this loop waits for the one connection of the store, which a send may
    // have.
    let mut sending = JoinSet::new();
    let mut busy = HashSet::new();
    loop {
        let unsent = gateway.store().unsent(SENDS_MAX).await.unwrap_or_else(|error| {
            tracing::error!(error = daemon::error_chain(&error), "cannot read what waits to be sent");
            Vec::new()
        });
        for message in unsent {
            if busy.insert(message.task) {
                sending.spawn(send(gateway.clone(), message));
            }
        }
        tokio::select! {
            () = shutdown.begun() => return,
            () = gateway.0.outgoing.notified() => {}
            Some(sent) = sending.join_next(), if !sending.is_empty() => {
                // A panic ends the process: it is a failure of this task.
                let (task, again) = sent.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
                busy.remove(&task);
                if again {
                    // Not at once: the relay has just not taken it.
                    tokio::select! {
                        () = shutdown.begun() => return,
                        () = tokio::time::sleep(RESEND_INTERVAL) => {}
                    }
                }
            }
        }
    }
}

/// The task, and whether its message must be sent again.
async fn send(gateway: TaskGateway, message: UnsentMessage) -> (i64, bool) {
    let done = match gateway.0.network.send(&message).await {
        Ok(()) => gateway.store().mark_sent(&message).await,
        Err(NetworkError::Temporary) => return (message.task, true),
        Err(NetworkError::NotFound) => give_up(&gateway, &message, "the agent does not exist any more").await,
        Err(NetworkError::Refused(why)) => give_up(&gateway, &message, &why).await,
    };
    if let Err(error) = &done {
        tracing::error!(error = daemon::error_chain(error), "cannot store that a message was sent");
    }
    (message.task, done.is_err())
}

/// Ends the task of a message that its agent will not get.
async fn give_up(gateway: &TaskGateway, message: &UnsentMessage, why: &str) -> Result<(), StoreError> {
    tracing::warn!(message.id = %message.message, why, "a message to an agent was refused");
    if message.is_submit() {
        gateway.fail(&message.to, message.task_id, why).await;
    }
    gateway.store().mark_sent(message).await
}
