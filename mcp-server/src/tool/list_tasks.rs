//! `list_tasks`: lists the tasks that this agent gave and received, newest first, in pages.

use protocol::limits::DID_BYTES_MAX;
use protocol::task::State;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::hints::Hints;
use super::toolbox::{Tool, Toolbox};
use super::{agent_reference, paging};
use crate::scope::Scope;
use crate::tasks::{TaskFilter, TaskRole};
use crate::tool_error::ToolError;
use crate::view::{TaskSummary, state_schema};

pub(super) struct ListTasks;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ListTasksArguments {
    /// giver: tasks this agent gave to others. worker: tasks others gave to this agent. Both when
    /// absent.
    role: Option<TaskRole>,
    /// Only tasks with this agent: a name in your own tenant, or a whole DID.
    #[schemars(length(min = 1, max = DID_BYTES_MAX))]
    with: Option<String>,
    /// Only tasks in this state.
    #[serde(default)]
    #[schemars(schema_with = "state_schema")]
    state: Option<State>,
    /// Only tasks that have not ended.
    #[serde(default)]
    open_only: bool,
    /// The next_cursor of the previous page.
    #[schemars(length(max = 20))]
    cursor: Option<String>,
    /// Tasks in the page; 20 when absent.
    #[schemars(range(min = 1, max = paging::PAGE_MAX))]
    limit: Option<usize>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ListTasksAnswer {
    /// Newest first; empty when there is none.
    tasks: Vec<TaskSummary>,
    /// For the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
    /// Tasks in the whole list that have not ended.
    open: u64,
}

impl Tool for ListTasks {
    const NAME: &'static str = "list_tasks";
    const TITLE: &'static str = "List tasks";
    const DESCRIPTION: &'static str = "Lists tasks that this agent gave to others and tasks that others gave to it, newest \
        first. Use get_task_status for what was said in one.";
    const HINTS: Hints = Hints::ReadsOwn;
    const SCOPE: Scope = Scope::Tasks;
    type Arguments = ListTasksArguments;
    type Answer = ListTasksAnswer;

    async fn call(toolbox: &Toolbox, arguments: ListTasksArguments) -> Result<ListTasksAnswer, ToolError> {
        let (limit, cursor) =
            (paging::check_limit(arguments.limit)?, paging::parse_cursor(arguments.cursor)?);
        let own = toolbox.network.own_agent().did;
        let filter = TaskFilter {
            role: arguments.role,
            peer: arguments.with.map(|with| agent_reference::resolve(&with, &own)).transpose()?,
            state: arguments.state,
            open: arguments.open_only,
        };
        toolbox.network.ensure_connected().await;
        let tasks = &toolbox.store.tasks;
        let found = tasks.list(&filter, cursor, limit).await.map_err(ToolError::Database)?;
        Ok(ListTasksAnswer {
            tasks: found.tasks.iter().map(TaskSummary::from_task).collect(),
            next_cursor: found.next.map(|number| number.to_string()),
            open: tasks.open_count().await.map_err(ToolError::Database)?,
        })
    }
}
