//! The operations of A2A over the store.

use async_trait::async_trait;
use protocol::base64url;

use super::send::apply_failed;
use super::task_stream::{Follower, StreamEnd, store_failed};
use super::{CANCEL_TIMEOUT, FIRST_EVENT_TIMEOUT, TaskGateway};
use crate::agent_message;
use crate::clock;
use crate::error::{A2aError, ErrorKind};
use crate::model::{
    CancelTaskRequest, GetTaskRequest, ListPushConfigsRequest, ListPushConfigsResponse, ListTasksRequest,
    ListTasksResponse, PushConfigId, SendMessageRequest, SendMessageResponse, SubscribeToTaskRequest, Task,
    TaskPushNotificationConfig, TaskState,
};
use crate::service::{AgentDescription, AgentPage, Call, EventStream, TaskService};
use crate::store::{ListFilter, TaskRecord, UnixMillis};
use crate::task_machine::TaskEvent;

#[async_trait]
impl TaskService for TaskGateway {
    async fn describe_agent(&self, agent: &str) -> Result<AgentDescription, A2aError> {
        self.0.directory.describe(agent).await
    }

    async fn list_agents(&self, page_size: u32, page_token: Option<&str>) -> Result<AgentPage, A2aError> {
        self.0.directory.list(page_size, page_token).await
    }

    async fn send_message(
        &self,
        call: &Call,
        request: SendMessageRequest,
    ) -> Result<SendMessageResponse, A2aError> {
        let history_length = request.configuration.history_length;
        let returns_immediately = request.configuration.return_immediately;
        let task = self.send(call, request).await?;
        if returns_immediately {
            return Ok(SendMessageResponse::Task(Box::new(self.task(&task, true, history_length).await?)));
        }
        let position = task.head.changes;
        let response = Follower::start(self, task, position).await?.response(self.0.answer_timeout).await?;
        Ok(match response {
            SendMessageResponse::Task(mut task) => {
                task.truncate_history(history_length);
                SendMessageResponse::Task(task)
            }
            message @ SendMessageResponse::Message(_) => message,
        })
    }

    async fn send_streaming_message(
        &self,
        call: &Call,
        request: SendMessageRequest,
    ) -> Result<EventStream, A2aError> {
        let is_new = request.message.task_id.is_none();
        let task = self.send(call, request).await?;
        let position = task.head.changes;
        let first_word = is_new.then_some(FIRST_EVENT_TIMEOUT);
        let follower = Follower::start(self, task, position).await?;
        Ok(follower.stream(StreamEnd::TerminalOrInterrupted, first_word))
    }

    async fn get_task(&self, call: &Call, request: GetTaskRequest) -> Result<Task, A2aError> {
        let task = self.find(call, &request.id).await?;
        self.task(&task, true, request.history_length).await
    }

    async fn list_tasks(
        &self,
        call: &Call,
        request: ListTasksRequest,
    ) -> Result<ListTasksResponse, A2aError> {
        let filter = ListFilter {
            caller: call.caller.subject.clone(),
            agent: self.0.directory.did(&call.agent)?,
            context: request.context_id,
            state: request.status,
            changed_since: request.status_timestamp_after.map(|time| time.unix_millis()),
        };
        let after = request.page_token.as_deref().map(parse_token).transpose()?;
        let page = self.store().list(&filter, after, request.page_size).await.map_err(store_failed)?;
        let mut tasks = Vec::with_capacity(page.tasks.len());
        for record in &page.tasks {
            tasks.push(self.task(record, request.include_artifacts, request.history_length).await?);
        }
        Ok(ListTasksResponse {
            tasks,
            next_page_token: page.next.map(write_token).unwrap_or_default(),
            page_size: request.page_size,
            total_size: page.total,
        })
    }

    async fn cancel_task(&self, call: &Call, request: CancelTaskRequest) -> Result<Task, A2aError> {
        let task = self.find(call, &request.id).await?;
        let not_cancelable = |state: TaskState| {
            let text = format!("the task has ended as {}", state.as_str());
            A2aError::new(ErrorKind::TaskNotCancelable, text).with_metadata("taskId", request.id.clone())
        };
        if task.head.state.is_terminal() {
            return Err(not_cancelable(task.head.state));
        }
        let position = task.head.changes;
        let follower = Follower::start(self, task.clone(), position).await?;
        let content = agent_message::cancel(task.id);
        let outgoing = Some((clock::new_message_id(), &content));
        let event = TaskEvent::CancelRequested;
        let asked = self.store().apply(task.number, event, outgoing, clock::now()).await;
        self.publish(&asked.map_err(apply_failed)?);
        let ended = follower.until_terminal(CANCEL_TIMEOUT).await?;
        match ended.state() {
            state if state.is_terminal() && state != TaskState::Canceled => Err(not_cancelable(state)),
            _ => Ok(ended.into_task(true, None)),
        }
    }

    async fn subscribe_to_task(
        &self,
        call: &Call,
        request: SubscribeToTaskRequest,
    ) -> Result<EventStream, A2aError> {
        let task = self.find(call, &request.id).await?;
        if task.head.state.is_terminal() {
            let text = format!("the task has ended as {}", task.head.state.as_str());
            return Err(A2aError::new(ErrorKind::UnsupportedOperation, text));
        }
        let position = task.head.changes;
        Ok(Follower::start(self, task, position).await?.stream(StreamEnd::Terminal, None))
    }

    async fn create_push_config(
        &self,
        call: &Call,
        config: TaskPushNotificationConfig,
    ) -> Result<TaskPushNotificationConfig, A2aError> {
        let task = self.find(call, &config.task_id).await?;
        let config = self.checked_webhook(config, &task.id.to_string())?;
        self.put_webhook(&task, &config).await?;
        Ok(config)
    }

    async fn get_push_config(
        &self,
        call: &Call,
        config: PushConfigId,
    ) -> Result<TaskPushNotificationConfig, A2aError> {
        let task = self.find(call, &config.task_id).await?;
        let configs = self.store().webhooks(task.number).await.map_err(store_failed)?;
        let found = configs.into_iter().find(|found| found.id == config.id);
        found.ok_or_else(|| {
            A2aError::new(ErrorKind::TaskNotFound, "the task has no such webhook")
                .with_metadata("taskId", config.task_id.clone())
        })
    }

    async fn list_push_configs(
        &self,
        call: &Call,
        request: ListPushConfigsRequest,
    ) -> Result<ListPushConfigsResponse, A2aError> {
        let task = self.find(call, &request.task_id).await?;
        let configs = self.store().webhooks(task.number).await.map_err(store_failed)?;
        let after = request.page_token.unwrap_or_default();
        let mut configs: Vec<_> = configs.into_iter().filter(|config| config.id > after).collect();
        let limit = usize::try_from(request.page_size).unwrap_or(usize::MAX);
        let has_more = configs.len() > limit;
        configs.truncate(limit);
        let next = configs.last().filter(|_| has_more).map(|config| config.id.clone());
        Ok(ListPushConfigsResponse { configs, next_page_token: next.unwrap_or_default() })
    }

    async fn delete_push_config(&self, call: &Call, config: PushConfigId) -> Result<(), A2aError> {
        let task = self.find(call, &config.task_id).await?;
        self.store().delete_webhook(task.number, &config.id).await.map_err(store_failed)
    }

    async fn describe_agent_to(&self, call: &Call) -> Result<AgentDescription, A2aError> {
        self.0.directory.describe(&call.agent).await
    }
}

impl TaskGateway {
    async fn task(
        &self,
        record: &TaskRecord,
        with_artifacts: bool,
        history_length: Option<u32>,
    ) -> Result<Task, A2aError> {
        let view = self.view_at(record, record.head.changes).await.map_err(store_failed)?;
        Ok(view.into_task(with_artifacts, history_length))
    }
}

fn write_token((at, number): (UnixMillis, i64)) -> String {
    base64url::encode(format!("{at}.{number}").as_bytes())
}

fn parse_token(token: &str) -> Result<(UnixMillis, i64), A2aError> {
    let foreign = || A2aError::new(ErrorKind::InvalidParams, "pageToken is not one of this gateway");
    let text = base64url::decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let parts = text.as_deref().and_then(|text| text.split_once('.')).ok_or_else(foreign)?;
    parts.0.parse().ok().zip(parts.1.parse().ok()).ok_or_else(foreign)
}
