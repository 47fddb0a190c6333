//! Stores what became of messages that waited at the relay: a task whose first message nobody will
//! process has failed.

use msg2agent::{Agent, Notice, Outcome};

use crate::database::DatabaseError;
use crate::message_store::MessageStore;

/// Stores the outcomes of messages; returns when the agent has ended.
pub(super) async fn store_outcomes(agent: &Agent, store: &MessageStore) {
    let mut notices = agent.notices();
    while let Some(notice) = notices.next().await {
        let stored = match ending(&notice) {
            Some(text) => store.fail_task(&notice.to, notice.id, &text).await,
            None => Ok(()),
        };
        if let Err(error) = acknowledge(&notice, stored).await {
            // The next process is told the notice again.
            tracing::error!(error, message.id = %notice.id, "cannot store what became of a message");
        }
    }
}

async fn acknowledge(notice: &Notice, stored: Result<(), DatabaseError>) -> Result<(), String> {
    stored.map_err(|error| daemon::error_chain(&error))?;
    notice.ack().await.map_err(|error| error.chain())
}

/// What a model is told of a message that nobody will process; `None` if it was delivered.
fn ending(notice: &Notice) -> Option<String> {
    match notice.outcome {
        Outcome::Delivered => None,
        Outcome::Expired => Some("it expired before the agent connected".to_owned()),
        Outcome::Dropped => Some("the agent was removed before it connected".to_owned()),
        Outcome::Refused => {
            let reason = notice.reason.map_or("no reason given", |reason| reason.as_str());
            Some(format!("the agent refused it: {reason}"))
        }
    }
}
