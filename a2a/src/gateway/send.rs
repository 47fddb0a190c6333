//! Begins a task with a message, or continues one.

use super::TaskGateway;
use super::task_stream::store_failed;
use crate::agent_message;
use crate::clock;
use crate::error::{A2aError, ErrorKind};
use crate::model::{Message, Part, PartContent, SendMessageRequest, TaskPushNotificationConfig};
use crate::service::{AgentDescription, Call};
use crate::store::{ApplyError, NewTask, TaskRecord};
use crate::task_machine::{Refusal, TaskEvent, begin};

impl TaskGateway {
    /// The task after the message was stored. Its last change is the message.
    pub(super) async fn send(
        &self,
        call: &Call,
        request: SendMessageRequest,
    ) -> Result<TaskRecord, A2aError> {
        let description = self.0.directory.describe(&call.agent).await?;
        check_media_types(&description, &request.message)?;
        let task = match request.message.task_id.clone() {
            Some(id) => self.continue_task(call, &id, request).await,
            None => self.begin_task(call, request).await,
        }?;
        self.publish(&task);
        Ok(task)
    }

    async fn begin_task(&self, call: &Call, request: SendMessageRequest) -> Result<TaskRecord, A2aError> {
        let id = clock::new_message_id();
        let SendMessageRequest { message, configuration, .. } = request;
        let context = message.context_id.clone().unwrap_or_else(|| clock::new_message_id().to_string());
        let message = addressed(message, &id.to_string(), &context);
        let webhook = match configuration.task_push_notification_config {
            Some(config) => Some(self.checked_webhook(config, &id.to_string())?),
            None => None,
        };
        let content = agent_message::submit(&call.caller, &message, &configuration.accepted_output_modes)?;
        let agent = self.0.directory.did(&call.agent)?;
        let new = NewTask { id, caller: call.caller.subject.clone(), agent, context, webhook };
        let begun = self.store().begin_task(&new, &begin(message), &content, clock::now()).await;
        begun.map_err(store_failed)?.ok_or_else(|| {
            A2aError::new(ErrorKind::ResourceExhausted, "there is no room for another open task")
        })
    }

    async fn continue_task(
        &self,
        call: &Call,
        id: &str,
        request: SendMessageRequest,
    ) -> Result<TaskRecord, A2aError> {
        let task = self.find(call, id).await?;
        if request.message.context_id.as_ref().is_some_and(|context| *context != task.context) {
            let text = "message.contextId is not the context of the task";
            return Err(A2aError::new(ErrorKind::InvalidParams, text));
        }
        if task.head.state.is_terminal() {
            return Err(refused(Refusal::Ended(task.head.state)));
        }
        let message = addressed(request.message, id, &task.context);
        if let Some(config) = request.configuration.task_push_notification_config {
            let config = self.checked_webhook(config, id)?;
            self.put_webhook(&task, &config).await?;
        }
        let content = agent_message::input(&call.caller, task.id, &message)?;
        let outgoing = Some((clock::new_message_id(), &content));
        let applied =
            self.store().apply(task.number, TaskEvent::Input(message), outgoing, clock::now()).await;
        applied.map_err(apply_failed)
    }

    /// A caller's task of the agent of the URL.
    pub(super) async fn find(&self, call: &Call, id: &str) -> Result<TaskRecord, A2aError> {
        let agent = self.0.directory.did(&call.agent)?;
        let found = self.store().find(&call.caller.subject, &agent, id).await.map_err(store_failed)?;
        found.ok_or_else(|| A2aError::task_not_found(id))
    }

    pub(super) fn checked_webhook(
        &self,
        config: TaskPushNotificationConfig,
        task_id: &str,
    ) -> Result<TaskPushNotificationConfig, A2aError> {
        let refused = |error: crate::webhook::WebhookUrlError| {
            A2aError::new(ErrorKind::InvalidParams, format!("the URL of the webhook: {error}"))
        };
        self.0.webhook_policy.check(&config).map_err(refused)?;
        let id = if config.id.is_empty() { clock::new_message_id().to_string() } else { config.id };
        Ok(TaskPushNotificationConfig { id, task_id: task_id.to_owned(), ..config })
    }

    pub(super) async fn put_webhook(
        &self,
        task: &TaskRecord,
        config: &TaskPushNotificationConfig,
    ) -> Result<(), A2aError> {
        if self.store().put_webhook(task.number, config).await.map_err(store_failed)? {
            return Ok(());
        }
        Err(A2aError::new(ErrorKind::ResourceExhausted, "the task has too many webhooks"))
    }
}

pub(super) fn apply_failed(error: ApplyError) -> A2aError {
    match error {
        ApplyError::Refused(refusal) => refused(refusal),
        ApplyError::Store(error) => store_failed(error),
    }
}

fn refused(refusal: Refusal) -> A2aError {
    let kind = match refusal {
        Refusal::Full => ErrorKind::ResourceExhausted,
        Refusal::Ended(_) | Refusal::Stale | Refusal::State { .. } => ErrorKind::UnsupportedOperation,
    };
    A2aError::new(kind, refusal.to_string())
}

fn addressed(message: Message, task: &str, context: &str) -> Message {
    Message { task_id: Some(task.to_owned()), context_id: Some(context.to_owned()), ..message }
}

fn check_media_types(agent: &AgentDescription, message: &Message) -> Result<(), A2aError> {
    match message.parts.iter().map(media_type).find(|kind| !is_taken(&agent.input_modes, kind)) {
        None => Ok(()),
        Some(kind) => {
            let text = format!("the agent does not take {kind}");
            Err(A2aError::new(ErrorKind::ContentTypeNotSupported, text).with_metadata("mediaType", kind))
        }
    }
}

fn media_type(part: &Part) -> &str {
    match &part.content {
        _ if !part.media_type.is_empty() => &part.media_type,
        PartContent::Text(_) => "text/plain",
        PartContent::Data(_) => "application/json",
        PartContent::Raw(_) | PartContent::Url(_) => "application/octet-stream",
    }
}

/// Parameters do not count, and `image/*` is every image.
fn is_taken(modes: &[String], kind: &str) -> bool {
    let kind = kind.split(';').next().unwrap_or_default().trim();
    modes.is_empty()
        || modes.iter().any(|mode| match mode.strip_suffix('*') {
            Some(prefix) => mode == "*/*" || kind.starts_with(prefix),
            None => mode.eq_ignore_ascii_case(kind),
        })
}
