//! The state machine of a task: which event may follow, and what it changes. Pure.
//!
//! A task is the list of its changes. [`TaskView`] folds them into the task that clients see, and
//! [`TaskHead`] is what a decision needs of them. The agent alone sets the state; the gateway sets
//! it only where nobody else can: the agent will never see the task, or exceeded a limit.

use protocol::task::State;

use crate::model::{Message, Part, TaskState};

mod change;
mod event;
mod refusal;
mod task_view;

pub use change::{ArtifactChange, Change, Outgoing, StatusChange};
pub use event::TaskEvent;
pub use refusal::Refusal;
pub use task_view::TaskView;

/// Bytes of all changes of one task. It holds a dozen of the largest messages that agents can send.
pub const TASK_BYTES_MAX: usize = 8 << 20;
/// Changes of one task. A stream of one word at a time fills it with a long answer.
pub const TASK_CHANGES_MAX: u32 = 10_000;

/// What clients read about a task that exceeded a limit.
const TOO_LARGE: &str = "the agent produced more than this gateway keeps of one task";

/// What a decision needs to know of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TaskHead {
    pub state: TaskState,
    /// That of the agent's last message about it.
    pub revision: u64,
    pub changes: u32,
    pub bytes: usize,
    pub cancel_requested: bool,
}

impl TaskHead {
    /// A task before its first change.
    pub const NEW: Self =
        Self { state: TaskState::Submitted, revision: 0, changes: 0, bytes: 0, cancel_requested: false };

    /// The head after these changes.
    #[must_use]
    pub fn after(mut self, event_revision: Option<u64>, changes: &[Change]) -> Self {
        for change in changes {
            self.changes = self.changes.saturating_add(1);
            self.bytes = self.bytes.saturating_add(change.bytes());
            if let Change::Status(status) = change {
                self.state = status.state;
            }
        }
        self.revision = event_revision.unwrap_or(self.revision);
        self
    }
}

/// What an event does to a task.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// In their order; possibly none.
    pub changes: Vec<Change>,
    /// What the agent is told.
    pub outgoing: Option<Outgoing>,
    pub revision: Option<u64>,
    pub requests_cancel: bool,
}

/// The first change of a task, and the message to its agent.
#[must_use]
pub fn begin(message: Message) -> Decision {
    Decision {
        changes: vec![Change::Message(message)],
        outgoing: Some(Outgoing::Submit),
        revision: None,
        requests_cancel: false,
    }
}

/// Decides what an event changes.
///
/// # Errors
/// The task has ended, the event is a repetition, its state cannot follow, or a limit is reached.
pub fn apply(head: &TaskHead, event: TaskEvent) -> Result<Decision, Refusal> {
    if head.state.is_terminal() {
        return Err(Refusal::Ended(head.state));
    }
    let revision = event.revision();
    if revision.is_some_and(|revision| revision <= head.revision) {
        return Err(Refusal::Stale);
    }
    let mut decision = Decision { changes: Vec::new(), outgoing: None, revision, requests_cancel: false };
    match event {
        TaskEvent::Input(message) => {
            decision.changes.push(Change::Message(message));
            decision.outgoing = Some(Outgoing::Input);
        }
        TaskEvent::CancelRequested => {
            decision.outgoing = (!head.cancel_requested).then_some(Outgoing::Cancel);
            decision.requests_cancel = true;
        }
        TaskEvent::Status { state, message, result, .. } => {
            if !protocol_state(head.state).can_transition_to(state) {
                return Err(Refusal::State { from: head.state, to: task_state(state) });
            }
            decision.changes.extend(result.map(Change::Artifact));
            decision.changes.push(Change::status(task_state(state), message));
        }
        TaskEvent::Artifact { change, .. } => decision.changes.push(Change::Artifact(change)),
        TaskEvent::Answered { answer } => {
            decision.changes.push(Change::Answer(answer));
            decision.changes.push(Change::status(TaskState::Completed, None));
        }
        TaskEvent::Failed { why } => decision.changes.push(Change::status(TaskState::Failed, Some(why))),
    }
    check_limits(head, decision)
}

/// A client that exceeds a limit is refused. An agent cannot be, so its task fails, and it is told
/// to stop.
fn check_limits(head: &TaskHead, decision: Decision) -> Result<Decision, Refusal> {
    let after = head.after(decision.revision, &decision.changes);
    if after.bytes <= TASK_BYTES_MAX && after.changes <= TASK_CHANGES_MAX {
        return Ok(decision);
    }
    if decision.revision.is_none() && !after.state.is_terminal() {
        return Err(Refusal::Full);
    }
    let why = Message::of_agent("gateway-limit", vec![Part::text(TOO_LARGE)]);
    Ok(Decision {
        changes: vec![Change::status(TaskState::Failed, Some(why))],
        outgoing: (!head.cancel_requested).then_some(Outgoing::Cancel),
        ..decision
    })
}

/// The state of the agents' protocol as a state of A2A.
#[must_use]
pub const fn task_state(state: State) -> TaskState {
    match state {
        State::Submitted => TaskState::Submitted,
        State::Working => TaskState::Working,
        State::InputRequired => TaskState::InputRequired,
        State::AuthRequired => TaskState::AuthRequired,
        State::Completed => TaskState::Completed,
        State::Failed => TaskState::Failed,
        State::Rejected => TaskState::Rejected,
        State::Canceled => TaskState::Canceled,
    }
}

const fn protocol_state(state: TaskState) -> State {
    match state {
        TaskState::Submitted => State::Submitted,
        TaskState::Working => State::Working,
        TaskState::InputRequired => State::InputRequired,
        TaskState::AuthRequired => State::AuthRequired,
        TaskState::Completed => State::Completed,
        TaskState::Failed => State::Failed,
        TaskState::Rejected => State::Rejected,
        TaskState::Canceled => State::Canceled,
    }
}

#[cfg(test)]
mod tests;
