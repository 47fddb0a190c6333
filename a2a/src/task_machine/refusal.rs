//! Says why an event changes nothing.

use crate::model::TaskState;

/// Why an event changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("the task has ended as {}", .0.as_str())]
    Ended(TaskState),
    #[error("a later message about the task came before")]
    Stale,
    #[error("a task that is {} cannot become {}", from.as_str(), to.as_str())]
    State { from: TaskState, to: TaskState },
    #[error("the task has as many or as large messages as it may have")]
    Full,
}

impl Refusal {
    /// The label of the metric.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Ended(_) => "ended",
            Self::Stale => "stale",
            Self::State { .. } => "state",
            Self::Full => "full",
        }
    }
}
