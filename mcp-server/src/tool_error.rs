//! Errors of tool calls, in a form that a model can act on: a reason from a closed set, advice, and
//! when to retry.

use protocol::Reason;
use protocol::did::{DidError, LabelError};
use protocol::limits::CONTENT_BYTES_MAX;
use protocol::task::TaskError;
use rmcp::model::{CallToolResult, ContentBlock};
use serde_json::json;

use crate::database::DatabaseError;
use crate::inbox::FindMessageError;
use crate::network::NetworkError;
use crate::tasks::rules::RuleError;
use crate::tasks::{FindTaskError, OutgoingError};

/// The advised delay while the database cannot be used: a full disk is not emptied sooner.
const DATABASE_RETRY_INTERVAL_MS: u64 = 30_000;

#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    #[error("the arguments do not fit this tool: {0}")]
    Arguments(String),
    #[error(
        "`to` must be an agent's name, such as alice, or a whole DID, such as did:wba:example.com:agent:acme:alice"
    )]
    Name(#[source] LabelError),
    #[error("the DID is not valid: {0}")]
    Did(#[source] DidError),
    #[error("a message id is a lower-case UUID of version 7, as listed by list_messages")]
    MessageId,
    #[error("a task id is a lower-case UUID of version 7, as listed by list_tasks")]
    TaskId,
    #[error("a cursor is the next_cursor of the previous page")]
    Cursor,
    #[error("the content is longer than {CONTENT_BYTES_MAX} bytes; send it in parts")]
    TooLarge,
    #[error("{0}")]
    FindMessage(#[source] FindMessageError),
    #[error("{0}")]
    FindTask(#[source] FindTaskError),
    #[error("{0}")]
    TaskRule(#[source] RuleError),
    #[error("{0}")]
    TaskBody(#[source] TaskError),
    #[error(
        "there are too many open tasks, or too many messages about them wait; cancel or finish some, then try again"
    )]
    TasksFull,
    #[error(
        "this server cannot use its database at the moment; try again, and report it to the operator if it persists"
    )]
    Database(#[source] DatabaseError),
    #[error("{0}")]
    Network(#[source] NetworkError),
    /// The message is stored and will leave.
    #[error(
        "the relay did not answer in time; the message is stored here and is sent until the relay has answered. Do not \
         repeat the call; see get_task_status"
    )]
    Unanswered,
    #[error("this server failed; its log contains the cause")]
    Internal,
}

impl ToolError {
    /// The reason for programs and metrics.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Arguments(_)
            | Self::Name(_)
            | Self::Did(_)
            | Self::MessageId
            | Self::TaskId
            | Self::TaskBody(_)
            | Self::Cursor => "invalid_arguments",
            Self::FindMessage(FindMessageError::Absent) => "unknown_message",
            Self::FindMessage(FindMessageError::Ambiguous) => "ambiguous_message",
            Self::FindTask(FindTaskError::Absent) => "unknown_task",
            Self::FindTask(FindTaskError::Ambiguous) => "ambiguous_task",
            Self::TaskRule(RuleError::NotTheWorker | RuleError::NotTheGiver) => "not_your_side",
            Self::TaskRule(RuleError::Ended(_)) => "task_ended",
            Self::TaskRule(RuleError::State { .. }) => "task_state",
            Self::TasksFull => "tasks_full",
            Self::Database(_)
            | Self::FindMessage(FindMessageError::Database(_))
            | Self::FindTask(FindTaskError::Database(_)) => "store_unavailable",
            Self::TooLarge => Reason::TooLarge.as_str(),
            Self::Network(error) => error.reason(),
            Self::Unanswered => "unanswered",
            Self::Internal => "internal",
        }
    }

    #[must_use]
    pub const fn retry_after_ms(&self) -> Option<u64> {
        match self {
            Self::Network(error) => error.retry_after_ms(),
            Self::Database(_)
            | Self::FindMessage(FindMessageError::Database(_))
            | Self::FindTask(FindTaskError::Database(_)) => Some(DATABASE_RETRY_INTERVAL_MS),
            _ => None,
        }
    }

    /// The tool result: text only, because clients check structured content against the output
    /// schema.
    #[must_use]
    pub fn to_result(&self) -> CallToolResult {
        let mut error = json!({"reason": self.reason(), "message": self.to_string()});
        if let (Some(delay), Some(error)) = (self.retry_after_ms(), error.as_object_mut()) {
            error.insert("retry_after_ms".into(), delay.into());
        }
        if let (Self::Network(network), Some(error)) = (self, error.as_object_mut())
            && let Some(quota) = network.quota()
        {
            error.insert("quota".into(), json!(quota));
        }
        CallToolResult::error(vec![ContentBlock::text(json!({"error": error}).to_string())])
    }
}

impl From<OutgoingError<Self>> for ToolError {
    fn from(error: OutgoingError<Self>) -> Self {
        match error {
            OutgoingError::Refused(error) => error,
            OutgoingError::Full => Self::TasksFull,
            OutgoingError::Database(error) => Self::Database(error),
        }
    }
}

impl From<NetworkError> for ToolError {
    fn from(error: NetworkError) -> Self {
        match error {
            NetworkError::TooLarge => Self::TooLarge,
            error => Self::Network(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use protocol::quota::{Quota, QuotaName};

    use super::*;

    #[test]
    fn a_rate_limit_says_which_how_much_and_when_to_retry() {
        let quota = Some(Quota::of_default_plan(QuotaName::SendsBurst, 40, 40));
        let error = NetworkError::Relay { reason: Reason::RateLimited, retry_after_ms: Some(1500), quota };
        let result = serde_json::to_value(ToolError::from(error).to_result()).unwrap();
        assert_eq!(result["isError"], true);
        let text: serde_json::Value =
            serde_json::from_str(result["content"][0]["text"].as_str().unwrap()).unwrap();
        let message = "wait for retryAfterMs, then send more slowly";
        let expected = json!({"reason": "rate_limited", "message": message, "retry_after_ms": 1500,
            "quota": {"plan": "default", "name": "sends_burst", "limit": 40, "current": 40}});
        assert_eq!(text, json!({"error": expected}));
    }

    #[test]
    fn a_refusal_without_retry_names_no_delay() {
        let absent = ToolError::FindMessage(FindMessageError::Absent);
        let result = serde_json::to_value(absent.to_result()).unwrap();
        let text = result["content"][0]["text"].as_str().unwrap();
        assert_eq!(
            text,
            r#"{"error":{"message":"the inbox holds no such message","reason":"unknown_message"}}"#
        );
    }
}
