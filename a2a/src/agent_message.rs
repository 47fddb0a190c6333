//! Translates between the messages of A2A and those of agents. Pure.

use protocol::envelope::{Content, MessageId};
use protocol::limits::CONTENT_BYTES_MAX;
use protocol::task::{
    self, Cancel, Input, NOTE_BYTES_MAX, State, Status, Submit, TITLE_BYTES_MAX, TaskMessage,
};
use serde_json::{Value, json};

use crate::caller::{Caller, VerifiedBy};
use crate::error::{A2aError, ErrorKind};
use crate::model::{Artifact, Message, Part, PartContent};
use crate::task_machine::{ArtifactChange, TaskEvent};

/// The id of the artifact with the output of a completed task.
pub const RESULT_ID: &str = "result";

/// The message that submits a task to its agent. Who called is in it as the gateway's claim.
///
/// # Errors
/// `PayloadTooLarge`: it does not fit a message to an agent.
pub fn submit(caller: &Caller, message: &Message, accepted: &[String]) -> Result<Content, A2aError> {
    let title = message.parts.iter().find_map(|part| match &part.content {
        PartContent::Text(text) => text.lines().next(),
        _ => None,
    });
    let title = title.map(|line| line.get(..line.floor_char_boundary(TITLE_BYTES_MAX)).unwrap_or_default());
    let title = title.filter(|title| !title.is_empty()).map(str::to_owned);
    let mut input = input_body(caller, message);
    if let (Value::Object(members), false) = (&mut input, accepted.is_empty()) {
        members.insert("acceptedOutputModes".into(), json!(accepted));
    }
    checked(TaskMessage::Submit(Submit { title, input }))
}

/// More from the client about its task.
///
/// # Errors
/// As [`submit`].
pub fn input(caller: &Caller, task: MessageId, message: &Message) -> Result<Content, A2aError> {
    checked(TaskMessage::Input(Input { task, input: input_body(caller, message) }))
}

#[must_use]
pub fn cancel(task: MessageId) -> Content {
    TaskMessage::Cancel(Cancel { task, note: None }).to_content()
}

fn input_body(caller: &Caller, message: &Message) -> Value {
    let verified_by = match caller.verified_by {
        VerifiedBy::ApiKey => "api_key",
        VerifiedBy::OAuthToken => "oauth_token",
        VerifiedBy::DidSignature => "did_signature",
        VerifiedBy::Nothing => "nothing",
    };
    let caller = json!({"subject": caller.subject, "agent": caller.agent, "verifiedBy": verified_by});
    json!({"a2a": "1.0", "message": message, "claimedCaller": caller})
}

fn checked(message: TaskMessage) -> Result<Content, A2aError> {
    let content = message.to_content();
    let fits = serde_json::to_vec(&content).is_ok_and(|json| json.len() <= CONTENT_BYTES_MAX);
    if fits {
        return Ok(content);
    }
    let text = format!("a message to an agent has at most {CONTENT_BYTES_MAX} bytes");
    Err(A2aError::new(ErrorKind::PayloadTooLarge, text))
}

/// What a message of an agent means for a task. `None`: nothing, such as a message that only a
/// giver may send.
#[must_use]
pub fn event(id: MessageId, message: TaskMessage) -> Option<TaskEvent> {
    match message {
        TaskMessage::Status(status) => Some(status_event(id, status)),
        TaskMessage::Artifact(artifact) => {
            let (append, last, revision) = (artifact.append, artifact.last, artifact.revision);
            let name = artifact.name.unwrap_or_default();
            let description = artifact.description.unwrap_or_default();
            let parts = artifact.parts.into_iter().map(part).collect();
            let artifact = Artifact { name, description, ..Artifact::new(artifact.artifact, parts) };
            Some(TaskEvent::Artifact { revision, change: ArtifactChange { artifact, append, last } })
        }
        TaskMessage::Submit(_) | TaskMessage::Input(_) | TaskMessage::Cancel(_) => None,
    }
}

/// The output of a completed task is an artifact, and that of another state is what the agent says.
fn status_event(id: MessageId, status: Status) -> TaskEvent {
    let Status { revision, state, note, output, .. } = status;
    let (output, result) = if state == State::Completed { (None, output) } else { (output, None) };
    let parts: Vec<_> = note.map(Part::text).into_iter().chain(output.map(value_part)).collect();
    let message = (!parts.is_empty()).then(|| Message::of_agent(id.to_string(), parts));
    let result = result.map(|result| ArtifactChange {
        artifact: Artifact::new(RESULT_ID, vec![value_part(result)]),
        append: false,
        last: true,
    });
    TaskEvent::Status { revision, state, message, result }
}

/// What the answer of an agent that does not know tasks means.
#[must_use]
pub fn answer_event(id: MessageId, failed: bool, content: Content) -> TaskEvent {
    let mut part = value_part(content.content);
    if !matches!(content.content_type.as_str(), "text/plain" | "application/json") {
        part.media_type = content.content_type;
    }
    if failed {
        return TaskEvent::Failed { why: Message::of_agent(id.to_string(), vec![part]) };
    }
    TaskEvent::Answered { answer: Artifact::new(id.to_string(), vec![part]) }
}

/// The end of a task that nobody will work on, in a sentence of the gateway.
#[must_use]
pub fn failure(id: MessageId, why: &str) -> TaskEvent {
    let why = why.get(..why.floor_char_boundary(NOTE_BYTES_MAX)).unwrap_or_default();
    TaskEvent::Failed { why: Message::of_agent(id.to_string(), vec![Part::text(why)]) }
}

fn value_part(value: Value) -> Part {
    match value {
        Value::String(text) => Part::text(text),
        value => Part::data(value),
    }
}

fn part(part: task::Part) -> Part {
    let content = match part.content {
        task::PartContent::Text(text) => PartContent::Text(text),
        task::PartContent::Json(json) => PartContent::Data(json),
        task::PartContent::Bytes(bytes) => PartContent::Raw(bytes),
        task::PartContent::Url(url) => PartContent::Url(url),
    };
    let filename = part.file_name.unwrap_or_default();
    Part { filename, media_type: part.media_type.unwrap_or_default(), ..Part::new(content) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id() -> MessageId {
        MessageId::new(1_790_000_000, [7; 10])
    }

    fn caller() -> Caller {
        Caller {
            subject: "did:wba:example.com:agent:acme:bob".into(),
            verified_by: VerifiedBy::ApiKey,
            tenant: "acme".into(),
            agent: None,
        }
    }

    #[test]
    fn an_agent_reads_the_message_and_who_the_gateway_says_has_called() {
        let message = Message::of_agent("m", vec![Part::text("sum 1 2\nplease")]);
        let content = submit(&caller(), &message, &["text/plain".into()]).unwrap();
        let Some(Ok(TaskMessage::Submit(submit))) = TaskMessage::from_content(&content) else { panic!() };
        assert_eq!(submit.title.as_deref(), Some("sum 1 2"));
        assert_eq!(submit.input["message"]["parts"][0]["text"], "sum 1 2\nplease");
        assert_eq!(submit.input["claimedCaller"]["verifiedBy"], "api_key");
        assert_eq!(submit.input["acceptedOutputModes"], json!(["text/plain"]));
    }

    #[test]
    fn what_does_not_fit_an_envelope_is_refused() {
        let message = Message::of_agent("m", vec![Part::text("x".repeat(CONTENT_BYTES_MAX))]);
        let error = submit(&caller(), &message, &[]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PayloadTooLarge);
    }

    #[test]
    fn the_output_of_a_completed_task_is_an_artifact_and_a_question_is_a_message() {
        let status = |state, output| Status {
            task: id(),
            revision: 2,
            state,
            note: Some("note".into()),
            progress: None,
            output: Some(output),
        };
        let done = event(id(), TaskMessage::Status(status(State::Completed, json!({"sum": 3})))).unwrap();
        let TaskEvent::Status { message: Some(message), result: Some(result), .. } = done else { panic!() };
        assert_eq!(message.parts, [Part::text("note")]);
        assert_eq!(result.artifact, Artifact::new(RESULT_ID, vec![Part::data(json!({"sum": 3}))]));
        let asked = event(id(), TaskMessage::Status(status(State::InputRequired, json!("which?")))).unwrap();
        let TaskEvent::Status { message: Some(message), result: None, .. } = asked else { panic!() };
        assert_eq!(message.parts, [Part::text("note"), Part::text("which?")]);
    }

    #[test]
    fn a_plain_answer_is_the_whole_answer_and_a_plain_error_ends_the_task_as_failed() {
        let answered = answer_event(id(), false, Content::text("3"));
        assert!(matches!(answered, TaskEvent::Answered { answer } if answer.parts == [Part::text("3")]));
        assert!(matches!(answer_event(id(), true, Content::text("no")), TaskEvent::Failed { .. }));
    }
}
