//! The worker's side of a task: reports its state, and streams what it produces to the giver.
//!
//! [`protocol::task`] has the messages. A program of its own may send them without this module.

use futures::{FutureExt as _, Stream, StreamExt as _};
use protocol::Did;
use protocol::envelope::{MessageId, MessageType};
use protocol::task::{Artifact, PARTS_MAX, Part, State, Status, Submit, TaskError, TaskMessage};
use serde_json::Value;

use crate::error::{Error, ErrorKind};
use crate::message::Message;
use crate::sender::SendOptions;
use crate::sent::Sent;

/// Revisions of one second. A worker that takes a task again after a crash starts above what it
/// sent before, unless it sent more than this in each second.
const REVISIONS_PER_SECOND: u64 = 1024;

/// A task that another agent gave to this one.
///
/// ```no_run
/// # async fn work(agent: msg2agent::Agent) -> Result<(), Box<dyn std::error::Error>> {
/// use futures::stream;
/// use msg2agent::WorkerTask;
/// use msg2agent::task::Part;
///
/// let mut inbox = agent.inbox();
/// while let Some(message) = inbox.next().await {
///     if let Some(task) = WorkerTask::accept(&message) {
///         let mut task = task?;
///         task.working().await?;
///         let parts = stream::iter(["one ", "two"].map(Part::text));
///         task.stream_artifact("answer", None, parts).await?;
///         task.complete(None).await?;
///     }
///     // Acknowledged at the end: after a crash in between, the task is delivered again.
///     message.ack().await?;
/// }
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct WorkerTask {
    message: Message,
    submit: Submit,
    progress: Progress,
}

/// What an artifact is called besides its id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ArtifactTitle {
    pub name: Option<String>,
    pub description: Option<String>,
}

/// Where the task stands, as far as this worker has reported it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Progress {
    revision: u64,
    state: State,
}

impl WorkerTask {
    /// The task that a message submits. `None`: it submits none.
    ///
    /// # Errors
    /// It means to submit one, and its body has another shape or exceeds a limit.
    #[must_use]
    pub fn accept(message: &Message) -> Option<Result<Self, TaskError>> {
        let submit = match TaskMessage::from_content(message.content())? {
            Ok(TaskMessage::Submit(submit)) => submit,
            Ok(_) => return None,
            Err(error) => return Some(Err(error)),
        };
        let progress = Progress::after(message.now().saturating_sub(message.time()));
        Some(Ok(Self { message: message.clone(), submit, progress }))
    }

    /// The id of the task: that of the message that submitted it.
    #[must_use]
    pub fn id(&self) -> MessageId {
        self.message.id()
    }

    /// The agent that gave the task.
    #[must_use]
    pub fn giver(&self) -> &Did {
        self.message.from()
    }

    #[must_use]
    pub fn title(&self) -> Option<&str> {
        self.submit.title.as_deref()
    }

    /// What is to be done, as the giver wrote it. Treat it as data.
    #[must_use]
    pub fn input(&self) -> &Value {
        &self.submit.input
    }

    /// The state that was reported last.
    #[must_use]
    pub fn state(&self) -> State {
        self.progress.state
    }

    /// Reports that the work has begun or goes on.
    ///
    /// # Errors
    /// Those of [`report`](Self::report).
    pub async fn working(&mut self) -> Result<Sent, Error> {
        self.report(State::Working, None, None).await
    }

    /// Asks the giver. The answer arrives in the inbox as a [`TaskMessage::Input`].
    ///
    /// # Errors
    /// Those of [`report`](Self::report).
    pub async fn ask(&mut self, question: Value) -> Result<Sent, Error> {
        self.report(State::InputRequired, None, Some(question)).await
    }

    /// Ends the task with its result. What was sent as artifacts is a part of it.
    ///
    /// # Errors
    /// Those of [`report`](Self::report).
    pub async fn complete(&mut self, output: Option<Value>) -> Result<Sent, Error> {
        self.report(State::Completed, None, output).await
    }

    /// Ends the task as failed.
    ///
    /// # Errors
    /// Those of [`report`](Self::report).
    pub async fn fail(&mut self, note: impl Into<String>) -> Result<Sent, Error> {
        self.report(State::Failed, Some(note.into()), None).await
    }

    /// Reports a state, with a sentence about it and its output.
    ///
    /// # Errors
    /// [`ErrorKind::Message`] if the state cannot follow the one before, or the note exceeds its
    /// limit, and those of [`Agent::send`](crate::Agent::send).
    pub async fn report(
        &mut self,
        state: State,
        note: Option<String>,
        output: Option<Value>,
    ) -> Result<Sent, Error> {
        let next = self.progress.report(state).ok_or_else(|| cannot_follow(self.progress.state, state))?;
        let (task, revision) = (self.id(), next.revision);
        let status = Status { task, revision, state, note, progress: None, output };
        self.send(next, TaskMessage::Status(status)).await
    }

    /// Sends an artifact, or a chunk of one. `task` and `revision` of it are set here.
    ///
    /// # Errors
    /// [`ErrorKind::Message`] if the task has ended or the artifact exceeds a limit, and those of
    /// [`Agent::send`](crate::Agent::send).
    pub async fn send_artifact(&mut self, artifact: Artifact) -> Result<Sent, Error> {
        let state = self.progress.state;
        let next = self.progress.produce().ok_or_else(|| cannot_follow(state, state))?;
        let (task, revision) = (self.id(), next.revision);
        self.send(next, TaskMessage::Artifact(Artifact { task, revision, ..artifact })).await
    }

    /// Sends the parts of a stream as chunks of one artifact, each as soon as it is there. Parts
    /// that are there at the same time leave together. Returns when the stream has ended.
    ///
    /// # Errors
    /// Those of [`send_artifact`](Self::send_artifact). The rest of the stream is dropped then.
    pub async fn stream_artifact(
        &mut self,
        id: &str,
        title: Option<ArtifactTitle>,
        parts: impl Stream<Item = Part>,
    ) -> Result<(), Error> {
        let ArtifactTitle { name, description } = title.unwrap_or_default();
        let mut chunks = std::pin::pin!(parts.ready_chunks(PARTS_MAX));
        let mut append = false;
        while let Some(parts) = chunks.next().await {
            // Known only if the stream has ended already. The final state says it in any case.
            let (following, last) = match chunks.next().now_or_never() {
                Some(Some(following)) => (Some(following), false),
                Some(None) => (None, true),
                None => (None, false),
            };
            let chunk = |parts, append, last| Artifact {
                task: self.message.id(),
                revision: 0,
                artifact: id.to_owned(),
                name: name.clone(),
                description: description.clone(),
                parts,
                append,
                last,
            };
            let first = chunk(parts, append, last);
            let second = following.map(|parts| chunk(parts, true, false));
            self.send_artifact(first).await?;
            if let Some(second) = second {
                self.send_artifact(second).await?;
            }
            if last {
                return Ok(());
            }
            append = true;
        }
        Ok(())
    }

    async fn send(&mut self, next: Progress, message: TaskMessage) -> Result<Sent, Error> {
        let checked = message.checked().map_err(|error| {
            Error::new(ErrorKind::Message, "cannot report on a task").caused_by(error).about(self.id())
        })?;
        let options = SendOptions {
            r#type: MessageType::Event,
            thread: Some(self.id().to_string()),
            re: Some(self.id()),
            ..SendOptions::default()
        };
        // Before the answer: a repetition after a failure must not be taken for the first attempt.
        self.progress.revision = next.revision;
        let sent = self.message.send_to_sender(checked.to_content(), options).await?;
        self.progress = next;
        Ok(sent)
    }
}

impl Progress {
    /// That of a worker which takes the task this many seconds after it was given.
    const fn after(seconds: u64) -> Self {
        Self { revision: seconds.saturating_mul(REVISIONS_PER_SECOND), state: State::Submitted }
    }

    /// `None`: the state cannot follow.
    fn report(self, state: State) -> Option<Self> {
        let follows = self.state.can_transition_to(state);
        follows.then_some(Self { revision: self.revision.saturating_add(1), state })
    }

    /// `None`: the task has ended.
    fn produce(self) -> Option<Self> {
        (!self.state.is_final()).then_some(Self { revision: self.revision.saturating_add(1), ..self })
    }
}

fn cannot_follow(from: State, to: State) -> Error {
    let (from, to) = (from.as_str(), to.as_str());
    Error::new(ErrorKind::Message, "cannot report on a task")
        .caused_by(format!("a task that is {from} cannot become {to}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn revisions_count_up_over_states_and_artifacts() {
        let begun = Progress::after(0);
        let working = begun.report(State::Working).unwrap();
        let produced = working.produce().unwrap();
        let done = produced.report(State::Completed).unwrap();
        assert_eq!([working.revision, produced.revision, done.revision], [1, 2, 3]);
        assert_eq!(produced.state, State::Working);
    }

    #[test]
    fn nothing_follows_the_end_and_only_what_was_not_begun_is_rejected() {
        let done = Progress { revision: 3, state: State::Completed };
        assert_eq!(done.produce(), None);
        assert!(State::ALL.into_iter().all(|state| done.report(state).is_none()));
        assert_eq!(Progress { revision: 1, state: State::Working }.report(State::Rejected), None);
    }

    #[test]
    fn a_worker_that_starts_again_is_above_what_it_sent_before() {
        let mut before = Progress::after(5);
        for _ in 0..REVISIONS_PER_SECOND {
            before = before.report(State::Working).unwrap();
        }
        assert!(Progress::after(6).report(State::Working).unwrap().revision > before.revision);
    }
}
