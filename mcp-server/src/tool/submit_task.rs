//! `submit_task`: gives a task to another agent, and can wait until it ends or needs input.

use protocol::Did;
use protocol::envelope::Content;
use protocol::limits::{CONTENT_BYTES_MAX, DID_BYTES_MAX};
use protocol::task::{Submit, TITLE_BYTES_MAX, TaskMessage};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::hints::Hints;
use super::toolbox::{Tool, Toolbox};
use super::{agent_reference, content, task_exchange, task_sender, wait};
use crate::change_feed::Change;
use crate::clock;
use crate::network::NetworkError;
use crate::scope::Scope;
use crate::tasks::Task;
use crate::tool_error::ToolError;
use crate::view::TaskView;

pub(super) struct SubmitTask;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SubmitTaskArguments {
    /// The agent that is to do it: a name in your own tenant, or a whole DID.
    #[schemars(length(min = 1, max = DID_BYTES_MAX))]
    to: String,
    /// The work to do, as text. Give either text or json.
    #[schemars(length(max = CONTENT_BYTES_MAX))]
    text: Option<String>,
    /// The work to do, as a JSON object. Give either text or json.
    json: Option<Map<String, Value>>,
    /// A few words for listings.
    #[schemars(length(min = 1, max = TITLE_BYTES_MAX))]
    title: Option<String>,
    /// How long to wait until the task has ended or needs input. Without it, the call returns when
    /// the task is accepted by the relay.
    #[schemars(range(min = 1, max = wait::MAX_WAIT_TIMEOUT_SECONDS))]
    wait_seconds: Option<u64>,
}

impl Tool for SubmitTask {
    const NAME: &'static str = "submit_task";
    const TITLE: &'static str = "Give a task to an agent";
    const DESCRIPTION: &'static str = "Gives a task to another agent, which reports its state until it has ended. The agent \
        may be offline: the relay keeps the task for up to seven days. Each call submits a new task.";
    const HINTS: Hints = Hints::Sends;
    const SCOPE: Scope = Scope::Tasks;
    type Arguments = SubmitTaskArguments;
    type Answer = TaskView;

    async fn call(toolbox: &Toolbox, arguments: SubmitTaskArguments) -> Result<TaskView, ToolError> {
        let wait = wait::parse_seconds(arguments.wait_seconds)?;
        let task = submit(toolbox, arguments).await?;
        let Some(wait) = wait else { return task_exchange::show(toolbox, &task, false).await };
        let done = task_exchange::needs_giver;
        let ended = task_exchange::wait_for_task(toolbox, task.id, &task.peer, wait, done).await?;
        let timed_out = ended.is_none();
        let task = match ended {
            Some(task) => task,
            None => toolbox.store.tasks.find(task.id, Some(&task.peer)).await.map_err(ToolError::FindTask)?,
        };
        task_exchange::show(toolbox, &task, timed_out).await
    }
}

/// Stores the task before it is sent, so that the worker's first status finds it, also after a
/// crash in between.
async fn submit(toolbox: &Toolbox, arguments: SubmitTaskArguments) -> Result<Task, ToolError> {
    let to = agent_reference::resolve(&arguments.to, &toolbox.network.own_agent().did)?;
    let submit =
        Submit { title: arguments.title, input: content::text_or_json(arguments.text, arguments.json)? };
    let content = task_exchange::task_content(TaskMessage::Submit(submit.clone()))?;
    let toolbox = toolbox.clone();
    // A caller that goes away does not stop it: what is stored must leave. It ends by itself,
    // because both attempts to send have a time limit.
    let sending = tokio::spawn(async move { store_and_send(&toolbox, to, &submit, content).await });
    sending.await.unwrap_or(Err(ToolError::Network(NetworkError::Internal)))
}

async fn store_and_send(
    toolbox: &Toolbox,
    to: Did,
    submit: &Submit,
    content: Content,
) -> Result<Task, ToolError> {
    let (tasks, id) = (&toolbox.store.tasks, clock::new_message_id());
    let task = tasks.create_given(&to, id, submit, &content, clock::now()).await;
    let task = task.map_err(ToolError::Database)?.ok_or(ToolError::TasksFull)?;
    let _turn = tasks.turn(task.number).await;
    let sent = task_sender::send_unsent(toolbox, task.number, Some(id)).await;
    toolbox.store.changes.publish(Change::TaskAdded { id });
    sent.map(|()| task)
}
