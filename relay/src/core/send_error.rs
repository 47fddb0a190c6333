//! The refusal of a request: the rule that it breaks, and what the sender can do about it.

use std::time::Duration;

use protocol::Reason;
use protocol::frame::Outcome;
use protocol::quota::{Quota, QuotaName};
use protocol::refusal::RefusalReason;

use super::SendRule;

/// Why a request is refused, and when a retry makes sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SendError {
    /// The rule that refused it, which the sender is not told.
    pub rule: SendRule,
    pub reason: Reason,
    pub retry_after: Option<Duration>,
    /// The quota that is used up, if one is.
    pub quota: Option<Quota>,
    /// Why the recipient refused the message.
    pub refusal: Option<RefusalReason>,
    /// How the message with this id ended.
    pub outcome: Option<Outcome>,
}

/// A limit that one more message would exceed, and how much is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ExceededLimit {
    pub(super) name: QuotaName,
    pub(super) limit: u64,
    pub(super) current: u64,
}

impl SendError {
    pub(super) const fn new(rule: SendRule) -> Self {
        let (reason, retry_after) = (rule.reason(), rule.retry_after());
        Self { rule, reason, retry_after, quota: None, refusal: None, outcome: None }
    }

    pub(super) fn ended(outcome: Outcome) -> Self {
        Self { outcome: Some(outcome), ..Self::new(SendRule::NotEnded) }
    }

    pub(super) fn refused(reason: RefusalReason) -> Self {
        Self { refusal: Some(reason), ..Self::new(SendRule::RecipientTakes) }
    }

    pub(super) const fn after(self, wait: Duration) -> Self {
        Self { retry_after: Some(wait), ..self }
    }

    pub(super) const fn with_limit(self, exceeded: ExceededLimit) -> Self {
        let ExceededLimit { name, limit, current } = exceeded;
        Self { quota: Some(Quota::of_default_plan(name, limit, current)), ..self }
    }
}

impl From<SendRule> for SendError {
    fn from(rule: SendRule) -> Self {
        Self::new(rule)
    }
}
