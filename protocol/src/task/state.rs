//! Defines the states of a task and which state may follow which.

use serde::{Deserialize, Serialize};

/// The state of a task, which only its worker sets.
///
/// ```
/// use msg2agent_protocol::task::State;
///
/// assert!(State::Submitted.can_transition_to(State::Working));
/// assert!(State::Working.can_transition_to(State::InputRequired));
/// assert!(!State::Working.can_transition_to(State::Rejected), "it has begun");
/// assert!(!State::Completed.can_transition_to(State::Failed), "it has ended");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// The worker has not answered yet. This state is never sent.
    Submitted,
    Working,
    /// The worker waits for an answer of the giver.
    InputRequired,
    /// The worker waits until the giver, or a person, has signed in somewhere or given a right.
    AuthRequired,
    Completed,
    Failed,
    /// The worker refuses the task.
    Rejected,
    Canceled,
}

impl State {
    /// Every state, in order of a task's life.
    pub const ALL: [Self; 8] = [
        Self::Submitted,
        Self::Working,
        Self::InputRequired,
        Self::AuthRequired,
        Self::Completed,
        Self::Failed,
        Self::Rejected,
        Self::Canceled,
    ];

    /// Whether the worker waits for its giver.
    #[must_use]
    pub const fn waits_for_giver(self) -> bool {
        matches!(self, Self::InputRequired | Self::AuthRequired)
    }

    /// Whether no state follows.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Rejected | Self::Canceled)
    }

    /// Whether a worker may change the state from this one to `next`. Only a submitted task can be
    /// rejected, no task becomes `submitted` again, and a final state never changes.
    #[must_use]
    pub fn can_transition_to(self, next: Self) -> bool {
        match next {
            Self::Submitted => false,
            Self::Rejected => self == Self::Submitted,
            _ => !self.is_final(),
        }
    }

    /// The state as on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Submitted => "submitted",
            Self::Working => "working",
            Self::InputRequired => "input_required",
            Self::AuthRequired => "auth_required",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Rejected => "rejected",
            Self::Canceled => "canceled",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_ended_stays_as_it_is() {
        for state in State::ALL.into_iter().filter(|state| state.is_final()) {
            assert!(State::ALL.iter().all(|next| !state.can_transition_to(*next)), "{state:?}");
        }
    }

    #[test]
    fn only_what_was_not_begun_is_rejected_and_nothing_is_submitted_again() {
        let before =
            |next: State| State::ALL.into_iter().filter(|s| s.can_transition_to(next)).collect::<Vec<_>>();
        assert_eq!(before(State::Rejected), [State::Submitted]);
        assert_eq!(before(State::Submitted), []);
        let open = [State::Submitted, State::Working, State::InputRequired, State::AuthRequired];
        assert_eq!(before(State::Completed), open);
    }

    #[test]
    fn words_are_those_of_the_wire() {
        for state in State::ALL {
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
        }
    }
}
