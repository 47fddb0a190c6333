//! Runs one operation: what every binding checks before the service, and makes of its answer.

use crate::error::{A2aError, ErrorKind};
use crate::model::{Message, SendMessageResponse};
use crate::operation::{Operation, OperationName, OperationResult};
use crate::service::{AgentDescription, Call, TaskService};

impl Operation {
    const fn name(&self) -> OperationName {
        match self {
            Self::SendMessage(_) => OperationName::SendMessage,
            Self::SendStreamingMessage(_) => OperationName::SendStreamingMessage,
            Self::GetTask(_) => OperationName::GetTask,
            Self::ListTasks(_) => OperationName::ListTasks,
            Self::CancelTask(_) => OperationName::CancelTask,
            Self::SubscribeToTask(_) => OperationName::SubscribeToTask,
            Self::CreatePushConfig(_) => OperationName::CreatePushConfig,
            Self::GetPushConfig(_) => OperationName::GetPushConfig,
            Self::ListPushConfigs(_) => OperationName::ListPushConfigs,
            Self::DeletePushConfig(_) => OperationName::DeletePushConfig,
            Self::GetExtendedAgentCard => OperationName::GetExtendedAgentCard,
        }
    }

    pub(crate) const fn is_stream(&self) -> bool {
        self.name().is_stream()
    }
}

/// Whether the agent's description allows the operation (specification 3.3.4).
pub(crate) fn check(operation: &Operation, agent: &AgentDescription) -> Result<(), A2aError> {
    let name = operation.name();
    if name.is_stream() && !agent.streaming {
        return Err(A2aError::new(ErrorKind::UnsupportedOperation, "this agent does not stream"));
    }
    if name.is_about_push() && !agent.push_notifications {
        return Err(no_push());
    }
    if name == OperationName::GetExtendedAgentCard && !agent.extended_card {
        return Err(A2aError::new(ErrorKind::UnsupportedOperation, "this agent has no extended card"));
    }
    if let Operation::SendMessage(request) | Operation::SendStreamingMessage(request) = operation {
        if request.configuration.task_push_notification_config.is_some() && !agent.push_notifications {
            return Err(no_push());
        }
        check_media_types(&request.message, agent)?;
    }
    Ok(())
}

fn no_push() -> A2aError {
    A2aError::new(ErrorKind::PushNotificationNotSupported, "this agent sends no push notifications")
}

/// Whether the agent, or one of its skills, takes the media types that the parts name.
fn check_media_types(message: &Message, agent: &AgentDescription) -> Result<(), A2aError> {
    if agent.input_modes.is_empty() {
        return Ok(());
    }
    let modes = || agent.input_modes.iter().chain(agent.skills.iter().flat_map(|skill| &skill.input_modes));
    let named = message.parts.iter().map(|part| part.media_type.as_str()).filter(|name| !name.is_empty());
    let mut named = named;
    let foreign = named.find(|name| !modes().any(|mode| covers(mode, name)));
    foreign.map_or(Ok(()), |name| {
        let message = format!("this agent does not take the media type \"{name}\"");
        Err(A2aError::new(ErrorKind::ContentTypeNotSupported, message).with_metadata("mediaType", name))
    })
}

/// Whether a mode such as `text/*` covers a media type, whose parameters do not count.
fn covers(mode: &str, media_type: &str) -> bool {
    let essence = |text: &str| text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let (mode, media_type) = (essence(mode), essence(media_type));
    match mode.strip_suffix('*') {
        Some(start) => start == "*/" || media_type.starts_with(start),
        None => mode == media_type,
    }
}

/// Asks the service, and holds its answer to what the request limits.
pub(crate) async fn run(
    service: &dyn TaskService,
    call: &Call,
    operation: Operation,
) -> Result<OperationResult, A2aError> {
    Ok(match operation {
        Operation::SendMessage(request) => {
            let length = request.configuration.history_length;
            let mut response = service.send_message(call, *request).await?;
            if let SendMessageResponse::Task(task) = &mut response {
                task.truncate_history(length);
            }
            OperationResult::Sent(response)
        }
        Operation::SendStreamingMessage(request) => {
            OperationResult::Stream(service.send_streaming_message(call, *request).await?)
        }
        Operation::GetTask(request) => {
            let length = request.history_length;
            let mut task = service.get_task(call, request).await?;
            task.truncate_history(length);
            OperationResult::Task(Box::new(task))
        }
        Operation::ListTasks(request) => {
            let (length, with_artifacts) = (request.history_length, request.include_artifacts);
            let mut response = service.list_tasks(call, request).await?;
            for task in &mut response.tasks {
                task.truncate_history(length);
                task.artifacts = with_artifacts.then(|| task.artifacts.take().unwrap_or_default());
            }
            OperationResult::Tasks(response)
        }
        Operation::CancelTask(request) => {
            OperationResult::Task(Box::new(service.cancel_task(call, request).await?))
        }
        Operation::SubscribeToTask(request) => {
            OperationResult::Stream(service.subscribe_to_task(call, request).await?)
        }
        Operation::CreatePushConfig(config) => {
            OperationResult::PushConfig(service.create_push_config(call, config).await?)
        }
        Operation::GetPushConfig(id) => OperationResult::PushConfig(service.get_push_config(call, id).await?),
        Operation::ListPushConfigs(request) => {
            OperationResult::PushConfigs(service.list_push_configs(call, request).await?)
        }
        Operation::DeletePushConfig(id) => {
            service.delete_push_config(call, id).await?;
            OperationResult::Deleted
        }
        Operation::GetExtendedAgentCard => {
            OperationResult::Description(Box::new(service.describe_agent_to(call).await?))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::covers;

    #[test]
    fn a_mode_covers_its_media_type_and_a_star_all_of_a_kind() {
        assert!(covers("text/plain", "Text/Plain; charset=utf-8"));
        assert!(covers("image/*", "image/png") && covers("*/*", "x/y"));
        assert!(!covers("text/plain", "text/html") && !covers("image/*", "imagex/png"));
    }
}
