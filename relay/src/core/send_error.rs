//! The refusal of a request: its reason, and what the sender can do about it.

use std::time::Duration;

use protocol::Reason;
use protocol::frame::Outcome;
use protocol::quota::{Quota, QuotaName};
use protocol::refusal::RefusalReason;

use super::limits::{OVERLOAD_RETRY_INTERVAL, STORAGE_RETRY_INTERVAL};

/// Why a request is refused, and when a retry makes sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SendError {
    pub reason: Reason,
    pub retry_after: Option<Duration>,
    /// The quota that is used up, if one is.
    pub quota: Option<Quota>,
    /// Why the recipient refused the message.
    pub refusal: Option<RefusalReason>,
    /// How the message with this id ended.
    pub outcome: Option<Outcome>,
}

impl SendError {
    pub(super) const fn retry_later(reason: Reason, interval: Duration) -> Self {
        Self { reason, retry_after: Some(interval), quota: None, refusal: None, outcome: None }
    }

    pub(super) const fn overloaded() -> Self {
        Self::retry_later(Reason::Overloaded, OVERLOAD_RETRY_INTERVAL)
    }

    pub(super) const fn storage_unavailable() -> Self {
        Self::retry_later(Reason::StorageUnavailable, STORAGE_RETRY_INTERVAL)
    }

    pub(super) fn ended(outcome: Outcome) -> Self {
        Self { outcome: Some(outcome), ..Reason::Ended.into() }
    }

    pub(super) fn refused(reason: RefusalReason) -> Self {
        Self { refusal: Some(reason), ..Reason::Refused.into() }
    }

    pub(super) const fn with_quota(self, name: QuotaName, limit: u64, current: u64) -> Self {
        Self { quota: Some(Quota::of_default_plan(name, limit, current)), ..self }
    }
}

impl From<Reason> for SendError {
    fn from(reason: Reason) -> Self {
        Self { reason, retry_after: None, quota: None, refusal: None, outcome: None }
    }
}
