//! Keeps the events of a stream in the order that the specification demands (3.1.2, 3.1.6).
//!
//! A stream is one message, or a task and then changes of the same task. It ends with the message
//! or with a terminal state.

use crate::error::{A2aError, ErrorKind};
use crate::model::StreamResponse;

/// What a stream has given so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum EventOrder {
    Empty,
    OfTask(String),
    Ended,
}

impl EventOrder {
    /// Takes the next event.
    ///
    /// # Errors
    /// The event may not come here.
    pub(crate) fn take(&mut self, event: &StreamResponse) -> Result<(), A2aError> {
        let task = match (&*self, event) {
            (Self::Empty, StreamResponse::Message(_)) => None,
            (Self::Empty, StreamResponse::Task(task)) => Some(task.id.clone()),
            (Self::OfTask(id), event) if task_of(event) == Some(id) => Some(id.clone()),
            _ => {
                *self = Self::Ended;
                let message = "the agent's stream gave an event out of order";
                return Err(A2aError::new(ErrorKind::InvalidAgentResponse, message));
            }
        };
        *self = task.filter(|_| !event.is_last()).map_or(Self::Ended, Self::OfTask);
        Ok(())
    }

    pub(crate) const fn has_ended(&self) -> bool {
        matches!(self, Self::Ended)
    }
}

fn task_of(event: &StreamResponse) -> Option<&String> {
    match event {
        StreamResponse::Task(task) => Some(&task.id),
        StreamResponse::StatusUpdate(update) => Some(&update.task_id),
        StreamResponse::ArtifactUpdate(update) => Some(&update.task_id),
        StreamResponse::Message(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn event(value: serde_json::Value) -> StreamResponse {
        serde_json::from_value(value).unwrap()
    }

    fn task(id: &str, state: &str) -> StreamResponse {
        event(json!({"task": {"id": id, "contextId": "c", "status": {"state": state}}}))
    }

    fn update(id: &str, state: &str) -> StreamResponse {
        event(json!({"statusUpdate": {"taskId": id, "contextId": "c", "status": {"state": state}}}))
    }

    fn message() -> StreamResponse {
        event(json!({"message": {"messageId": "m", "role": "ROLE_AGENT", "parts": [{"text": "x"}]}}))
    }

    fn take_all(events: &[StreamResponse]) -> Result<EventOrder, ErrorKind> {
        let mut order = EventOrder::Empty;
        for event in events {
            order.take(event).map_err(|error| error.kind())?;
        }
        Ok(order)
    }

    #[test]
    fn a_stream_is_one_message_or_a_task_with_its_changes() {
        let open = EventOrder::OfTask("t".into());
        assert_eq!(take_all(&[message()]), Ok(EventOrder::Ended));
        assert_eq!(take_all(&[task("t", "TASK_STATE_WORKING")]), Ok(open.clone()));
        let working = update("t", "TASK_STATE_INPUT_REQUIRED");
        assert_eq!(take_all(&[task("t", "TASK_STATE_WORKING"), working]), Ok(open));
        let done = update("t", "TASK_STATE_COMPLETED");
        assert_eq!(take_all(&[task("t", "TASK_STATE_WORKING"), done]), Ok(EventOrder::Ended));
        assert_eq!(take_all(&[task("t", "TASK_STATE_FAILED")]), Ok(EventOrder::Ended));
    }

    #[test]
    fn every_other_order_is_the_agents_fault() {
        let working = || task("t", "TASK_STATE_WORKING");
        for events in [
            vec![update("t", "TASK_STATE_WORKING")],
            vec![working(), update("u", "TASK_STATE_WORKING")],
            vec![working(), message()],
            vec![message(), message()],
            vec![working(), update("t", "TASK_STATE_CANCELED"), update("t", "TASK_STATE_WORKING")],
        ] {
            assert_eq!(take_all(&events), Err(ErrorKind::InvalidAgentResponse), "{events:?}");
        }
    }
}
