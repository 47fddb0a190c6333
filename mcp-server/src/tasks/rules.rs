//! The state machine of a task: which side may send which message in which state. Pure.

use protocol::task::{Artifact, State, Status, TaskMessage};
use serde_json::{Value, json};

use super::task::{EntryContent, EntryKind, Task, TaskRole};

/// A change of a task, with the message that causes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Transition {
    pub content: EntryContent,
    state: State,
    revision: u64,
    progress: Option<u8>,
    cancel_requested: bool,
}

/// A status that this agent sends as the worker of a task.
#[derive(Debug, Clone, PartialEq)]
pub struct StatusUpdate {
    pub state: State,
    pub note: Option<String>,
    pub progress: Option<u8>,
    pub output: Option<Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    #[error(
        "this agent gave this task, so only its worker can update it; use send_task_input or cancel_task"
    )]
    NotTheWorker,
    #[error("this task was given to this agent; use update_task")]
    NotTheGiver,
    #[error("the task has ended as {0}; submit a new one")]
    Ended(&'static str),
    #[error("a task that is {from} cannot become {to}")]
    State { from: &'static str, to: &'static str },
}

impl Transition {
    #[must_use]
    pub fn apply_to(&self, task: &Task) -> Task {
        Task {
            state: self.state,
            revision: self.revision,
            progress: self.progress,
            cancel_requested: self.cancel_requested,
            ..task.clone()
        }
    }

    /// Adds an entry and changes nothing else.
    fn entry_only(task: &Task, content: EntryContent) -> Self {
        Self {
            content,
            state: task.state,
            revision: task.revision,
            progress: task.progress,
            cancel_requested: task.cancel_requested,
        }
    }
}

/// Applies a message of the other agent. `None`: it contains nothing new, such as a status that
/// arrives late or after the end.
#[must_use]
pub fn receive(task: &Task, message: &TaskMessage) -> Option<Transition> {
    match message {
        TaskMessage::Status(status) if task.role == TaskRole::Giver => receive_status(task, status),
        TaskMessage::Artifact(artifact) if task.role == TaskRole::Giver => receive_artifact(task, artifact),
        TaskMessage::Input(input) if task.role == TaskRole::Worker && !task.state.is_final() => {
            Some(Transition::entry_only(task, input_content(input.input.clone())))
        }
        TaskMessage::Cancel(cancel) if task.role == TaskRole::Worker && !task.state.is_final() => {
            let transition = Transition::entry_only(task, cancel_content(cancel.note.clone()));
            Some(Transition { cancel_requested: true, ..transition })
        }
        _ => None,
    }
}

fn receive_status(task: &Task, status: &Status) -> Option<Transition> {
    if status.revision <= task.revision || !task.state.can_transition_to(status.state) {
        return None;
    }
    let content = EntryContent {
        kind: EntryKind::Status,
        state: Some(status.state),
        note: status.note.clone(),
        body: status.output.clone(),
    };
    let transition = Transition::entry_only(task, content);
    let progress = status.progress.or(task.progress);
    Some(Transition { state: status.state, revision: status.revision, progress, ..transition })
}

/// An artifact, or a chunk of one, leaves the state as it is.
fn receive_artifact(task: &Task, artifact: &Artifact) -> Option<Transition> {
    if artifact.revision <= task.revision || task.state.is_final() {
        return None;
    }
    let content = EntryContent {
        kind: EntryKind::Artifact,
        state: None,
        note: artifact.name.clone(),
        body: Some(artifact_body(artifact)),
    };
    Some(Transition { revision: artifact.revision, ..Transition::entry_only(task, content) })
}

/// What a model reads of an artifact: everything except what the task and the entry tell already.
fn artifact_body(artifact: &Artifact) -> Value {
    let Artifact { artifact: id, description, parts, append, last, .. } = artifact;
    json!({"artifact": id, "description": description, "parts": parts, "append": append, "last": last})
}

/// The answer of an agent that does not implement tasks ends the task: an error as failed, anything
/// else as completed.
#[must_use]
pub fn receive_answer(task: &Task, failed: bool, content: Value) -> Option<Transition> {
    let state = if failed { State::Failed } else { State::Completed };
    let status = Status {
        task: task.id,
        revision: task.revision.saturating_add(1),
        state,
        note: None,
        progress: None,
        output: Some(content),
    };
    receive_status(task, &status)
}

/// # Errors
/// This agent is not the worker, or the state cannot follow.
pub fn update(task: &Task, update: StatusUpdate) -> Result<(Transition, Status), RuleError> {
    if task.role != TaskRole::Worker {
        return Err(RuleError::NotTheWorker);
    }
    check_open(task)?;
    if !task.state.can_transition_to(update.state) {
        return Err(RuleError::State { from: task.state.as_str(), to: update.state.as_str() });
    }
    let StatusUpdate { state, note, progress, output } = update;
    let revision = task.revision.saturating_add(1);
    let content = EntryContent {
        kind: EntryKind::Status,
        state: Some(state),
        note: note.clone(),
        body: output.clone(),
    };
    let kept = progress.or(task.progress);
    let transition = Transition { state, revision, progress: kept, ..Transition::entry_only(task, content) };
    Ok((transition, Status { task: task.id, revision, state, note, progress, output }))
}

/// # Errors
/// This agent is not the giver, or the task has ended.
pub fn give_input(task: &Task, input: Value) -> Result<Transition, RuleError> {
    check_open_giver(task)?;
    Ok(Transition::entry_only(task, input_content(input)))
}

/// # Errors
/// This agent is not the giver, or the task has ended.
pub fn cancel(task: &Task, note: Option<String>) -> Result<Transition, RuleError> {
    check_open_giver(task)?;
    let transition = Transition::entry_only(task, cancel_content(note));
    Ok(Transition { cancel_requested: true, ..transition })
}

fn check_open_giver(task: &Task) -> Result<(), RuleError> {
    if task.role == TaskRole::Giver { check_open(task) } else { Err(RuleError::NotTheGiver) }
}

const fn check_open(task: &Task) -> Result<(), RuleError> {
    if task.state.is_final() { Err(RuleError::Ended(task.state.as_str())) } else { Ok(()) }
}

const fn input_content(input: Value) -> EntryContent {
    EntryContent { kind: EntryKind::Input, state: None, note: None, body: Some(input) }
}

const fn cancel_content(note: Option<String>) -> EntryContent {
    EntryContent { kind: EntryKind::Cancel, state: None, note, body: None }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use protocol::task::Part;

    use super::*;
    use crate::fixtures::{did, message_id, task};

    fn status(revision: u64, state: State) -> TaskMessage {
        TaskMessage::Status(Status {
            task: message_id(1),
            revision,
            state,
            note: None,
            progress: None,
            output: None,
        })
    }

    #[test]
    fn a_status_that_comes_late_changes_nothing() {
        let task = Task { revision: 3, state: State::Working, ..task(TaskRole::Giver, 1, "bob") };
        assert_eq!(receive(&task, &status(3, State::Completed)), None);
        let changed = receive(&task, &status(4, State::InputRequired)).unwrap().apply_to(&task);
        assert_eq!((changed.state, changed.revision), (State::InputRequired, 4));
    }

    #[test]
    fn an_artifact_is_an_entry_that_leaves_the_state_and_is_not_taken_twice() {
        let artifact = |revision| {
            TaskMessage::Artifact(Artifact {
                task: message_id(1),
                revision,
                artifact: "a".into(),
                name: Some("Report".into()),
                description: None,
                parts: vec![Part::text("one")],
                append: false,
                last: true,
            })
        };
        let task = Task { revision: 1, state: State::Working, ..task(TaskRole::Giver, 1, "bob") };
        let transition = receive(&task, &artifact(2)).unwrap();
        let body = json!({
            "artifact": "a", "description": null, "parts": [{"text": "one"}], "append": false, "last": true
        });
        assert_eq!(
            (transition.content.kind, transition.content.body.clone()),
            (EntryKind::Artifact, Some(body))
        );
        let changed = transition.apply_to(&task);
        assert_eq!((changed.state, changed.revision), (State::Working, 2));
        assert_eq!(receive(&changed, &artifact(2)), None);
        assert_eq!(receive(&Task { state: State::Completed, ..changed }, &artifact(3)), None);
        assert_eq!(receive(&crate::fixtures::task(TaskRole::Worker, 1, "bob"), &artifact(1)), None);
    }

    #[test]
    fn the_giver_cannot_say_where_a_task_stands_and_the_worker_cannot_give_input() {
        let worker = task(TaskRole::Worker, 1, "bob");
        assert_eq!(receive(&worker, &status(1, State::Completed)), None);
        assert_eq!(give_input(&worker, json!(1)), Err(RuleError::NotTheGiver));
        let giver = task(TaskRole::Giver, 1, "bob");
        let done = StatusUpdate { state: State::Completed, note: None, progress: None, output: None };
        assert_eq!(update(&giver, done).unwrap_err(), RuleError::NotTheWorker);
        assert_eq!(giver.peer, did("bob"));
    }

    #[test]
    fn cancelling_asks_and_leaves_the_state_to_the_worker() {
        let task = task(TaskRole::Giver, 1, "bob");
        let asked = cancel(&task, Some("not needed".into())).unwrap().apply_to(&task);
        assert_eq!((asked.cancel_requested, asked.state), (true, State::Submitted));
        let ended = Task { state: State::Completed, ..task };
        assert_eq!(cancel(&ended, None), Err(RuleError::Ended("completed")));
    }

    #[test]
    fn an_answer_of_an_agent_without_tasks_ends_the_task() {
        let task = task(TaskRole::Giver, 1, "bob");
        let done = receive_answer(&task, false, json!("42")).unwrap().apply_to(&task);
        assert_eq!(done.state, State::Completed);
        let failed = receive_answer(&task, true, json!("no")).unwrap().apply_to(&task);
        assert_eq!(failed.state, State::Failed);
        assert_eq!(receive_answer(&done, false, json!("again")), None);
    }

    proptest! {
        /// In whatever order statuses arrive, a final state stays and revisions only grow.
        #[test]
        fn an_ended_task_never_changes(revisions in prop::collection::vec((0_u64..6, 0_usize..State::ALL.len()), 0..40)) {
            let mut task = task(TaskRole::Giver, 1, "bob");
            for (revision, state) in revisions {
                let before = task.clone();
                if let Some(transition) = receive(&task, &status(revision, State::ALL[state])) {
                    task = transition.apply_to(&task);
                    prop_assert!(!before.state.is_final());
                    prop_assert!(task.revision > before.revision);
                }
            }
        }
    }
}
