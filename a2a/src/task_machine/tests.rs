//! Every event in every state, and properties over all interleavings of a client and an agent.

use proptest::prelude::*;

use super::*;
use crate::model::{Artifact, Part};
use crate::proto_json::Timestamp;

fn message(text: &str) -> Message {
    Message::of_agent(text, vec![Part::text(text)])
}

fn status(revision: u64, state: State) -> TaskEvent {
    TaskEvent::Status { revision, state, message: None, result: None }
}

fn chunk(revision: u64, text: &str, append: bool) -> TaskEvent {
    let artifact = Artifact::new("a", vec![Part::text(text)]);
    TaskEvent::Artifact { revision, change: ArtifactChange { artifact, append, last: false } }
}

fn in_state(state: TaskState) -> TaskHead {
    TaskHead { state, revision: 3, ..TaskHead::NEW }
}

fn view() -> TaskView {
    TaskView::new("task".into(), "context".into(), Timestamp::from_unix_millis(0))
}

#[test]
fn nothing_happens_to_a_task_that_has_ended() {
    for state in [TaskState::Completed, TaskState::Failed, TaskState::Canceled, TaskState::Rejected] {
        for event in [
            TaskEvent::Input(message("more")),
            TaskEvent::CancelRequested,
            status(9, State::Working),
            chunk(9, "x", true),
            TaskEvent::Answered { answer: Artifact::new("a", vec![Part::text("x")]) },
            TaskEvent::Failed { why: message("why") },
        ] {
            assert_eq!(apply(&in_state(state), event), Err(Refusal::Ended(state)));
        }
    }
}

#[test]
fn what_comes_late_changes_nothing() {
    let head = in_state(TaskState::Working);
    assert_eq!(apply(&head, status(3, State::Completed)), Err(Refusal::Stale));
    assert_eq!(apply(&head, chunk(2, "x", false)), Err(Refusal::Stale));
    assert_eq!(apply(&head, status(4, State::Completed)).unwrap().revision, Some(4));
}

#[test]
fn only_a_task_that_was_not_begun_is_rejected() {
    let rejected = apply(&in_state(TaskState::Submitted), status(4, State::Rejected)).unwrap();
    assert_eq!(rejected.changes, [Change::status(TaskState::Rejected, None)]);
    let refused = apply(&in_state(TaskState::Working), status(4, State::Rejected));
    assert_eq!(refused, Err(Refusal::State { from: TaskState::Working, to: TaskState::Rejected }));
}

#[test]
fn a_cancellation_is_asked_for_once_and_leaves_the_state_to_the_agent() {
    let head = in_state(TaskState::AuthRequired);
    let first = apply(&head, TaskEvent::CancelRequested).unwrap();
    assert_eq!(
        (first.outgoing, first.requests_cancel, first.changes.len()),
        (Some(Outgoing::Cancel), true, 0)
    );
    let again = apply(&TaskHead { cancel_requested: true, ..head }, TaskEvent::CancelRequested).unwrap();
    assert_eq!(again.outgoing, None);
}

#[test]
fn a_client_over_a_limit_is_refused_and_an_agent_over_it_fails_the_task() {
    let full = TaskHead { bytes: TASK_BYTES_MAX, ..in_state(TaskState::Working) };
    assert_eq!(apply(&full, TaskEvent::Input(message("more"))), Err(Refusal::Full));
    let failed = apply(&full, chunk(4, "x", true)).unwrap();
    assert!(matches!(&failed.changes[..], [Change::Status(it)] if it.state == TaskState::Failed));
    assert_eq!(failed.outgoing, Some(Outgoing::Cancel));
    let many = TaskHead { changes: TASK_CHANGES_MAX, ..in_state(TaskState::Working) };
    assert_eq!(apply(&many, TaskEvent::Input(message("more"))), Err(Refusal::Full));
}

#[test]
fn a_question_stands_before_its_answer_in_the_history() {
    let mut view = view();
    let time = Timestamp::from_unix_millis(7);
    view.apply(Change::Message(message("do it")), time);
    view.apply(Change::status(TaskState::InputRequired, Some(message("which?"))), time);
    view.apply(Change::Message(message("this")), time);
    view.apply(Change::status(TaskState::Completed, Some(message("done"))), time);
    let task = view.into_task(true, None);
    let texts: Vec<_> = task.history.iter().map(|message| message.message_id.as_str()).collect();
    assert_eq!(texts, ["do it", "which?", "this"]);
    assert_eq!(task.status.message.unwrap().message_id, "done");
    assert_eq!(task.history[1].task_id.as_deref(), Some("task"));
}

#[test]
fn chunks_continue_an_artifact_and_a_whole_one_replaces_it() {
    let mut view = view();
    let time = Timestamp::from_unix_millis(7);
    let put = |text: &str, append| {
        let artifact = Artifact::new("a", vec![Part::text(text)]);
        Change::Artifact(ArtifactChange { artifact, append, last: false })
    };
    view.apply(put("one", true), time);
    view.apply(put("two", true), time);
    let parts = |view: &TaskView| view.clone().into_task(true, None).artifacts.unwrap()[0].parts.len();
    assert_eq!(parts(&view), 2);
    view.apply(put("three", false), time);
    assert_eq!(parts(&view), 1);
    assert_eq!(view.into_task(false, None).artifacts, None);
}

fn any_event() -> impl Strategy<Value = TaskEvent> {
    prop_oneof![
        Just(TaskEvent::Input(message("more"))),
        Just(TaskEvent::CancelRequested),
        (0_u64..12, 0_usize..State::ALL.len()).prop_map(|(revision, i)| status(revision, State::ALL[i])),
        (0_u64..12, any::<bool>()).prop_map(|(revision, append)| chunk(revision, "x", append)),
        Just(TaskEvent::Answered { answer: Artifact::new("answer", vec![Part::text("x")]) }),
        Just(TaskEvent::Failed { why: message("why") }),
    ]
}

proptest! {
    /// However the two sides interleave: revisions only grow, the end stays, each event of a stream
    /// after the snapshot leads to the same task as the changes, and at most one change is final.
    #[test]
    fn every_interleaving_keeps_the_rules(events in prop::collection::vec(any_event(), 0..40)) {
        let mut head = TaskHead::NEW;
        let mut view = view();
        let mut finals = 0;
        for event in events {
            let before = head;
            let Ok(decision) = apply(&head, event) else { continue };
            prop_assert!(!before.state.is_terminal());
            prop_assert!(decision.revision.is_none_or(|revision| revision > before.revision));
            head = head.after(decision.revision, &decision.changes);
            head.cancel_requested |= decision.requests_cancel;
            for change in decision.changes {
                if let Change::Status(status) = &change {
                    finals += usize::from(status.state.is_terminal());
                }
                view.apply(change, Timestamp::from_unix_millis(1));
            }
            prop_assert_eq!(view.state(), head.state);
        }
        prop_assert!(finals <= 1);
        prop_assert_eq!(finals == 1, head.state.is_terminal());
    }

    /// What is stored is read as it was.
    #[test]
    fn a_stored_change_is_read_as_it_was_written(event in any_event()) {
        if let Ok(decision) = apply(&TaskHead::NEW, event) {
            for change in decision.changes {
                let json = serde_json::to_string(&change).unwrap();
                prop_assert_eq!(serde_json::from_str::<Change>(&json).unwrap(), change);
            }
        }
    }
}
