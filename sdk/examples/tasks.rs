//! Gives a task to another agent, which reports progress and completes it.
//!
//! A task is a conversation of ordinary messages. The id of the first one names it.
//! The arguments are the two agents' folders of settings; see `Config::from_dir`.
//!
//! ```sh
//! cargo run -p msg2agent --example tasks $MSG2AGENT_HOME/alice $MSG2AGENT_HOME/carol
//! ```

use std::error::Error;

use futures::stream;
use msg2agent::task::{Part, Submit, TaskMessage};
use msg2agent::{Agent, Config, Inbox, Message, MessageType, SendOptions, WorkerTask};
use serde_json::json;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut folders = std::env::args().skip(1);
    let (Some(alice), Some(carol)) = (folders.next(), folders.next()) else {
        return Err("usage: tasks ALICE_FOLDER CAROL_FOLDER".into());
    };
    let alice = Agent::connect(Config::from_dir(alice)?).await?;
    let carol = Agent::connect(Config::from_dir(carol)?).await?;

    // Alice submits the task. Carol may be offline; she finds it in her mailbox.
    let submit = TaskMessage::Submit(Submit { title: Some("sum".into()), input: json!([1, 2, 3]) });
    let options = SendOptions { r#type: MessageType::Request, ..SendOptions::default() };
    let task = alice.send_with(carol.did(), submit.to_content(), options).await?.id;

    work_on_one_task(&carol).await?;

    // Alice follows the task. Statuses arrive in the order in which carol sent them.
    let mut inbox = alice.inbox();
    loop {
        let (message, said) = next_task_message(&mut inbox).await?;
        message.ack().await?;
        match said {
            TaskMessage::Artifact(chunk) if chunk.task == task => {
                println!("produced {}", serde_json::to_string(&chunk.parts)?);
            }
            TaskMessage::Status(status) if status.task == task => {
                println!("{}: {}", status.state.as_str(), status.output.unwrap_or_default());
                if status.state.is_final() {
                    break;
                }
            }
            _ => {}
        }
    }
    alice.close().await;
    carol.close().await;
    Ok(())
}

/// Takes one task from the inbox, streams its intermediate sums, and completes it with the sum of
/// its numbers.
async fn work_on_one_task(agent: &Agent) -> Result<(), Box<dyn Error>> {
    let (message, _) = next_task_message(&mut agent.inbox()).await?;
    let mut task = WorkerTask::accept(&message).ok_or("the first message is not a new task")??;
    let numbers: Vec<i64> = serde_json::from_value(task.input().clone())?;
    task.working().await?;
    let sums = numbers.iter().scan(0, |sum, number| {
        *sum += number;
        Some(Part::json(json!(*sum)))
    });
    task.stream_artifact("sums", None, stream::iter(sums)).await?;
    task.complete(Some(json!({"sum": numbers.iter().sum::<i64>()}))).await?;
    // Acknowledged at the end: after a crash in between, the task is delivered again.
    message.ack().await?;
    Ok(())
}

async fn next_task_message(inbox: &mut Inbox) -> Result<(Message, TaskMessage), Box<dyn Error>> {
    loop {
        let message = inbox.next().await.ok_or("the agent ended")?;
        match TaskMessage::from_content(message.content()) {
            Some(task_message) => return Ok((message, task_message?)),
            // It does not belong to a task.
            None => message.ack().await?,
        }
    }
}
