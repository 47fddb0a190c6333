//! The agent behind the A2A gateway in conformance runs: it does what the technology compatibility
//! kit asks for by the prefix of the message's id. The argument is its folder of settings.

use std::collections::HashMap;
use std::error::Error;
use std::time::Duration;

use msg2agent::task::{Artifact, Part, PartContent, State, TaskMessage};
use msg2agent::{Agent, Config, Content, Message, MessageId, WorkerTask};
use serde_json::{Value, json};

/// Twice the time for which the kit waits for events of a stream.
const LONG_TASK_TIMEOUT: Duration = Duration::from_secs(4);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).ok_or("usage: a2a_conformance_agent FOLDER")?;
    let agent = Agent::connect(Config::from_dir(folder)?).await?;
    let (mut inbox, mut open) = (agent.inbox(), HashMap::new());
    while let Some(message) = inbox.next().await {
        if let Err(error) = take(&message, &mut open).await {
            eprintln!("a message was not processed: {error}");
        }
        message.ack().await?;
    }
    Ok(())
}

/// `open` are the tasks that wait for their client.
async fn take(message: &Message, open: &mut HashMap<MessageId, WorkerTask>) -> Result<(), Box<dyn Error>> {
    if let Some(task) = WorkerTask::accept(message) {
        let task = task?;
        let asked = message_id(task.input());
        return work(message, task, &asked, open).await;
    }
    match TaskMessage::from_content(message.content()) {
        Some(Ok(TaskMessage::Input(input))) => {
            let Some(task) = open.remove(&input.task) else { return Ok(()) };
            work(message, task, &message_id(&input.input), open).await
        }
        Some(Ok(TaskMessage::Cancel(cancel))) => {
            let Some(mut task) = open.remove(&cancel.task) else { return Ok(()) };
            task.report(State::Canceled, None, None).await?;
            Ok(())
        }
        _ => Ok(()),
    }
}

fn message_id(input: &Value) -> String {
    input.pointer("/message/messageId").and_then(Value::as_str).unwrap_or_default().to_owned()
}

async fn work(
    message: &Message,
    mut task: WorkerTask,
    asked: &str,
    open: &mut HashMap<MessageId, WorkerTask>,
) -> Result<(), Box<dyn Error>> {
    let is = |prefix: &str| asked.starts_with(prefix);
    if is("tck-message-response") {
        message.reply(Content::text("Direct message response")).await?;
        return Ok(());
    }
    if is("tck-input-required") {
        task.ask(json!("What else?")).await?;
        open.insert(task.id(), task);
        return Ok(());
    }
    if is("tck-reject-task") {
        task.report(State::Rejected, Some("rejected".to_owned()), None).await?;
        return Ok(());
    }
    if is("test-resubscribe-message-id") {
        task.working().await?;
        // Not awaited here: the agent goes on with other tasks.
        tokio::spawn(async move {
            tokio::time::sleep(LONG_TASK_TIMEOUT).await;
            if let Err(error) = task.complete(None).await {
                eprintln!("a long task was not completed: {error}");
            }
        });
        return Ok(());
    }
    if is("tck-stream-") && !is("tck-stream-002") {
        task.working().await?;
    }
    for artifact in artifacts(asked) {
        task.send_artifact(artifact).await?;
    }
    let note = is("tck-complete-task").then(|| "Hello from TCK".to_owned());
    task.report(State::Completed, note, None).await?;
    Ok(())
}

fn artifacts(asked: &str) -> Vec<Artifact> {
    let is = |prefix: &str| asked.starts_with(prefix);
    let whole = |part: Part| vec![artifact(part, false, true)];
    let file = |content: PartContent| Part {
        media_type: Some("text/plain".to_owned()),
        file_name: Some("output.txt".to_owned()),
        ..content.into()
    };
    if is("tck-stream-artifact-chunked") {
        let chunk = |text, append, last| artifact(Part::text(text), append, last);
        return vec![chunk("chunk-1 ", false, false), chunk("chunk-2", true, true)];
    }
    if is("tck-artifact-file-url") {
        return whole(file(PartContent::Url("https://example.com/output.txt".to_owned())));
    }
    if is("tck-artifact-file") || is("tck-stream-artifact-file") {
        return whole(file(PartContent::Bytes(b"tck".to_vec())));
    }
    if is("tck-artifact-data") {
        return whole(Part::json(json!({"key": "value", "count": 42})));
    }
    let texts = [
        ("tck-artifact-text", "Generated text content"),
        ("tck-stream-artifact-text", "Streamed text content"),
        ("tck-stream-ordering-001", "Ordered output"),
        ("tck-stream-001", "Stream hello from TCK"),
        ("tck-stream-003", "Stream task lifecycle"),
    ];
    let text = texts.into_iter().find(|(prefix, _)| is(prefix));
    text.map_or_else(Vec::new, |(_, text)| whole(Part::text(text)))
}

fn artifact(part: Part, append: bool, last: bool) -> Artifact {
    Artifact {
        // The task sets its own id and revision.
        task: MessageId::new(0, [0; 10]),
        revision: 0,
        artifact: "output".to_owned(),
        name: None,
        description: None,
        parts: vec![part],
        append,
        last,
    }
}
