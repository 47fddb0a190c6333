//! Why a tool call was refused, in words a model can act on: a reason from a closed set, what to do, and when to retry.

use protocol::Reason;
use protocol::did::{DidError, LabelError};
use protocol::limits::CONTENT_BYTES_MAX;
use protocol::quota::Quota;
use protocol::task::TaskError;
use rmcp::model::{CallToolResult, ContentBlock};
use serde_json::json;

use crate::inbox::FindError;
use crate::store::StoreError;
use crate::tasks;
use crate::tasks::rules::RuleError;

/// A delay worth naming when the link to the relay is down; reconnecting takes about as long.
const RECONNECT_MS: u64 = 3_000;
/// A full disk does not empty itself faster.
const STORE_RETRY_MS: u64 = 30_000;

#[derive(Debug, thiserror::Error)]
pub enum Refusal {
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
    #[error("a cursor is the next_cursor of the page before")]
    Cursor,
    #[error("the content is longer than {CONTENT_BYTES_MAX} bytes; send it in parts")]
    TooLarge,
    #[error("{0}")]
    Find(#[source] FindError),
    #[error("{0}")]
    FindTask(#[source] tasks::FindError),
    #[error("{0}")]
    Task(#[source] RuleError),
    #[error("{0}")]
    TaskBody(#[source] TaskError),
    #[error("there are too many open tasks; cancel or finish some, then try again")]
    TasksFull,
    #[error("this server cannot use its file at the moment; try again, and tell the operator if it stays")]
    Store(#[source] StoreError),
    /// The relay said no.
    #[error("{}", .reason.advice())]
    Relay { reason: Reason, retry_after_ms: Option<u64>, quota: Option<Quota> },
    #[error("there is no connection to the relay at the moment; nothing was sent. Try again")]
    RelayUnreachable,
    #[error(
        "the relay did not answer in time; the message may or may not have been sent. Ask the recipient before \
             sending it again"
    )]
    RelayTimeout,
    #[error(
        "another process of this agent took the session over meanwhile; the message may or may not have been sent. Ask the \
             recipient before sending it again"
    )]
    Interrupted,
    #[error("what is published about this agent does not verify; nothing was sent")]
    Unverified,
    #[error(
        "this agent has another root key than before, as an impostor would; nothing was sent. A person must find out \
             why and, if it is right, remove the old key from the state folder"
    )]
    KeyChanged,
    #[error("this server failed; its log says more")]
    Internal,
}

impl Refusal {
    /// One word for programs and metrics.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Arguments(_) | Self::Name(_) | Self::Did(_) | Self::MessageId | Self::Cursor => {
                "invalid_arguments"
            }
            Self::TaskId | Self::TaskBody(_) => "invalid_arguments",
            Self::FindTask(tasks::FindError::Absent) => "unknown_task",
            Self::FindTask(tasks::FindError::Ambiguous) => "ambiguous_task",
            Self::Task(RuleError::NotTheWorker | RuleError::NotTheGiver) => "not_your_side",
            Self::Task(RuleError::Ended(_)) => "task_ended",
            Self::Task(RuleError::State { .. }) => "task_state",
            Self::TasksFull => "tasks_full",
            Self::Store(_) | Self::Find(FindError::Store(_)) | Self::FindTask(tasks::FindError::Store(_)) => {
                "store_unavailable"
            }
            Self::TooLarge => Reason::TooLarge.as_str(),
            Self::Find(FindError::Absent) => "unknown_message",
            Self::Find(FindError::Ambiguous) => "ambiguous_message",
            Self::Relay { reason, .. } => reason.as_str(),
            Self::RelayUnreachable => "relay_unreachable",
            Self::RelayTimeout => "relay_timeout",
            Self::Interrupted => "interrupted",
            Self::Unverified => "unverified",
            Self::KeyChanged => "key_changed",
            Self::Internal => "internal",
        }
    }

    #[must_use]
    pub fn retry_after_ms(&self) -> Option<u64> {
        match self {
            Self::Relay { retry_after_ms, .. } => *retry_after_ms,
            Self::RelayUnreachable => Some(RECONNECT_MS),
            Self::Store(_) | Self::Find(FindError::Store(_)) | Self::FindTask(tasks::FindError::Store(_)) => {
                Some(STORE_RETRY_MS)
            }
            _ => None,
        }
    }

    /// Whether the message may have been sent all the same.
    #[must_use]
    pub const fn is_uncertain(&self) -> bool {
        matches!(self, Self::RelayTimeout | Self::Interrupted)
    }

    /// The tool result: text only, because clients check structured content against the schema of a success.
    #[must_use]
    pub fn to_result(&self) -> CallToolResult {
        let mut error = json!({"reason": self.reason(), "message": self.to_string()});
        if let (Some(delay), Some(error)) = (self.retry_after_ms(), error.as_object_mut()) {
            error.insert("retry_after_ms".into(), delay.into());
        }
        if let (Self::Relay { quota: Some(quota), .. }, Some(error)) = (self, error.as_object_mut()) {
            error.insert("quota".into(), json!(quota));
        }
        CallToolResult::error(vec![ContentBlock::text(json!({"error": error}).to_string())])
    }
}

#[cfg(test)]
mod tests {
    use protocol::quota::QuotaName;

    use super::*;

    #[test]
    fn a_rate_limit_says_which_how_much_and_when_to_retry() {
        let quota = Some(Quota::of_default_plan(QuotaName::SendsBurst, 40, 40));
        let refusal = Refusal::Relay { reason: Reason::RateLimited, retry_after_ms: Some(1500), quota };
        let result = serde_json::to_value(refusal.to_result()).unwrap();
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
        let result = serde_json::to_value(Refusal::Find(FindError::Absent).to_result()).unwrap();
        let text = result["content"][0]["text"].as_str().unwrap();
        assert_eq!(
            text,
            r#"{"error":{"message":"the inbox holds no such message","reason":"unknown_message"}}"#
        );
    }
}
