//! Names the states of a task.

use crate::proto_json::{ProtoEnum, serialize_by_name};

/// The state of a task as A2A names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TaskState {
    Submitted,
    Working,
    Completed,
    Failed,
    Canceled,
    InputRequired,
    Rejected,
    AuthRequired,
}

impl TaskState {
    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Submitted => "TASK_STATE_SUBMITTED",
            Self::Working => "TASK_STATE_WORKING",
            Self::Completed => "TASK_STATE_COMPLETED",
            Self::Failed => "TASK_STATE_FAILED",
            Self::Canceled => "TASK_STATE_CANCELED",
            Self::InputRequired => "TASK_STATE_INPUT_REQUIRED",
            Self::Rejected => "TASK_STATE_REJECTED",
            Self::AuthRequired => "TASK_STATE_AUTH_REQUIRED",
        }
    }

    /// Whether nothing follows. A terminal task takes no messages and its streams end.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Canceled | Self::Rejected)
    }

    /// Whether the agent waits for its caller. A blocking send returns here too.
    #[must_use]
    pub const fn is_interrupted(self) -> bool {
        matches!(self, Self::InputRequired | Self::AuthRequired)
    }
}

impl ProtoEnum for TaskState {
    const VALUES: &'static [(Self, &'static str, i64)] = &[
        (Self::Submitted, Self::Submitted.as_str(), 1),
        (Self::Working, Self::Working.as_str(), 2),
        (Self::Completed, Self::Completed.as_str(), 3),
        (Self::Failed, Self::Failed.as_str(), 4),
        (Self::Canceled, Self::Canceled.as_str(), 5),
        (Self::InputRequired, Self::InputRequired.as_str(), 6),
        (Self::Rejected, Self::Rejected.as_str(), 7),
        (Self::AuthRequired, Self::AuthRequired.as_str(), 8),
    ];
    const UNSPECIFIED: &'static str = "TASK_STATE_UNSPECIFIED";
}

serialize_by_name!(TaskState);
