//! Sends the messages about tasks that are stored. Those of one task leave one after the other, in
//! their order, and each under its id until the relay has answered.

use std::time::Duration;

use daemon::Shutdown;
use protocol::Reason;
use protocol::envelope::{MessageId, MessageType};

use super::toolbox::Toolbox;
use crate::change_feed::Change;
use crate::network::{NetworkError, OutgoingMessage, SessionStatus};
use crate::tasks::UnsentMessage;
use crate::tool_error::ToolError;

/// How often what earlier calls left unsent is sent again.
const RESEND_INTERVAL: Duration = Duration::from_secs(5);

/// Sends what earlier calls, also of an earlier process, left unsent. Returns at shutdown.
pub async fn resend_unsent(toolbox: Toolbox, shutdown: Shutdown) {
    loop {
        tokio::select! {
            () = shutdown.begun() => return,
            () = tokio::time::sleep(RESEND_INTERVAL) => {}
        }
        if let Err(error) = send_all_unsent(&toolbox).await {
            tracing::warn!(error = daemon::error_chain(&error), "cannot send what waits about tasks now");
        }
    }
}

/// Sends the waiting messages of every task that no call is sending about. Without a session it
/// does nothing, because another process of this agent may have it.
pub(super) async fn send_all_unsent(toolbox: &Toolbox) -> Result<(), ToolError> {
    let tasks = &toolbox.store.tasks;
    if toolbox.network.own_agent().session != SessionStatus::Connected {
        return Ok(());
    }
    for task in tasks.with_unsent().await.map_err(ToolError::Database)? {
        let Some(_turn) = tasks.try_turn(task) else { continue };
        match send_unsent(toolbox, task, None).await {
            // The other tasks may have other agents, and their messages may leave.
            Ok(()) | Err(ToolError::Unanswered) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Sends the waiting messages of one task in their order. The caller has the task's turn. `own` is
/// the message whose caller waits: a refusal of it is returned, and that of another one is logged.
///
/// # Errors
/// The relay refused `own`; or it did not answer, and what waits is sent later.
pub(super) async fn send_unsent(
    toolbox: &Toolbox,
    task: i64,
    own: Option<MessageId>,
) -> Result<(), ToolError> {
    let tasks = &toolbox.store.tasks;
    for unsent in tasks.unsent(task).await.map_err(ToolError::Database)? {
        let is_own = own == Some(unsent.message);
        match send_with_retry(toolbox, outgoing(&unsent)).await {
            Ok(()) => tasks.mark_sent(&unsent).await.map_err(ToolError::Database)?,
            Err(error) if error.is_uncertain() || (!is_own && error.retry_after_ms().is_some()) => {
                return Err(ToolError::Unanswered);
            }
            Err(error) => {
                tasks.undo(&unsent).await.map_err(ToolError::Database)?;
                toolbox.store.changes.publish(Change::TaskChanged { id: unsent.task_id });
                if is_own {
                    return Err(error.into());
                }
                let (reason, id) = (error.reason(), unsent.message);
                tracing::warn!(reason, message.id = %id, "a message about a task was refused");
            }
        }
    }
    Ok(())
}

fn outgoing(unsent: &UnsentMessage) -> OutgoingMessage {
    let kind = if unsent.is_submit() { MessageType::Request } else { MessageType::Event };
    OutgoingMessage {
        to: unsent.to.clone(),
        id: Some(unsent.message),
        kind,
        content: unsent.content.clone(),
        thread: Some(unsent.task_id.to_string()),
        re: (!unsent.is_submit()).then_some(unsent.task_id),
    }
}

/// Sends a message. When it is unknown whether the relay accepted it, sends it once more with the
/// same id, which the relay accepts only once.
async fn send_with_retry(toolbox: &Toolbox, message: OutgoingMessage) -> Result<(), NetworkError> {
    let again = message.clone();
    match accepted(toolbox.network.send(message).await.map(drop)) {
        Err(error) if error.is_uncertain() => {
            accepted(toolbox.network.send(again).await.map(drop)).map_err(|_| error)
        }
        sent => sent,
    }
}

/// A message with this id was accepted before: the answer to an earlier attempt was lost.
fn accepted(sent: Result<(), NetworkError>) -> Result<(), NetworkError> {
    match sent {
        Err(NetworkError::Relay { reason: Reason::DuplicateId, .. }) => Ok(()),
        sent => sent,
    }
}
