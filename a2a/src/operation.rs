//! Names the operations, and holds one with its request or with its result.

use serde_json::Value;

use crate::model::{
    CancelTaskRequest, GetTaskRequest, ListPushConfigsRequest, ListPushConfigsResponse, ListTasksRequest,
    ListTasksResponse, PushConfigId, SendMessageRequest, SendMessageResponse, SubscribeToTaskRequest, Task,
    TaskPushNotificationConfig,
};
use crate::proto_json::{FieldViolation, Fields, FromProtoJson as _};
use crate::service::{AgentDescription, EventStream};

/// An operation of the specification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OperationName {
    SendMessage,
    SendStreamingMessage,
    GetTask,
    ListTasks,
    CancelTask,
    SubscribeToTask,
    CreatePushConfig,
    GetPushConfig,
    ListPushConfigs,
    DeletePushConfig,
    GetExtendedAgentCard,
}

impl OperationName {
    /// Each operation with its method in JSON-RPC, of version 1.0 and of version 0.3.
    const METHODS: [(Self, &'static str, Option<&'static str>); 11] = [
        (Self::SendMessage, "SendMessage", Some("message/send")),
        (Self::SendStreamingMessage, "SendStreamingMessage", Some("message/stream")),
        (Self::GetTask, "GetTask", Some("tasks/get")),
        (Self::ListTasks, "ListTasks", None),
        (Self::CancelTask, "CancelTask", Some("tasks/cancel")),
        (Self::SubscribeToTask, "SubscribeToTask", Some("tasks/resubscribe")),
        (
            Self::CreatePushConfig,
            "CreateTaskPushNotificationConfig",
            Some("tasks/pushNotificationConfig/set"),
        ),
        (Self::GetPushConfig, "GetTaskPushNotificationConfig", Some("tasks/pushNotificationConfig/get")),
        (Self::ListPushConfigs, "ListTaskPushNotificationConfigs", Some("tasks/pushNotificationConfig/list")),
        (
            Self::DeletePushConfig,
            "DeleteTaskPushNotificationConfig",
            Some("tasks/pushNotificationConfig/delete"),
        ),
        (Self::GetExtendedAgentCard, "GetExtendedAgentCard", Some("agent/getAuthenticatedExtendedCard")),
    ];

    /// Every operation.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::METHODS.into_iter().map(|(name, ..)| name)
    }

    /// The operation of a method of version 1.0.
    #[must_use]
    pub fn from_method(method: &str) -> Option<Self> {
        Self::METHODS.into_iter().find(|(_, name, _)| *name == method).map(|(name, ..)| name)
    }

    /// The operation of a method of version 0.3.
    #[must_use]
    pub fn from_legacy_method(method: &str) -> Option<Self> {
        Self::METHODS.into_iter().find(|(.., name)| *name == Some(method)).map(|(name, ..)| name)
    }

    /// The method of version 1.0.
    #[must_use]
    pub fn method(self) -> &'static str {
        Self::METHODS.into_iter().find(|(name, ..)| *name == self).map_or("", |(_, method, _)| method)
    }

    #[must_use]
    pub const fn is_stream(self) -> bool {
        matches!(self, Self::SendStreamingMessage | Self::SubscribeToTask)
    }

    pub(crate) const fn is_about_push(self) -> bool {
        matches!(
            self,
            Self::CreatePushConfig | Self::GetPushConfig | Self::ListPushConfigs | Self::DeletePushConfig
        )
    }
}

/// One operation with its request.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Operation {
    SendMessage(Box<SendMessageRequest>),
    SendStreamingMessage(Box<SendMessageRequest>),
    GetTask(GetTaskRequest),
    ListTasks(ListTasksRequest),
    CancelTask(CancelTaskRequest),
    SubscribeToTask(SubscribeToTaskRequest),
    CreatePushConfig(TaskPushNotificationConfig),
    GetPushConfig(PushConfigId),
    ListPushConfigs(ListPushConfigsRequest),
    DeletePushConfig(PushConfigId),
    GetExtendedAgentCard,
}

impl Operation {
    /// Reads the request of an operation of version 1.0.
    pub(crate) fn read(name: OperationName, request: &Value) -> Result<Self, FieldViolation> {
        let fields = &Fields::of(request, "")?;
        Ok(match name {
            OperationName::SendMessage => Self::SendMessage(Box::new(SendMessageRequest::read(fields)?)),
            OperationName::SendStreamingMessage => {
                Self::SendStreamingMessage(Box::new(SendMessageRequest::read(fields)?))
            }
            OperationName::GetTask => Self::GetTask(GetTaskRequest::read(fields)?),
            OperationName::ListTasks => Self::ListTasks(ListTasksRequest::read(fields)?),
            OperationName::CancelTask => Self::CancelTask(CancelTaskRequest::read(fields)?),
            OperationName::SubscribeToTask => Self::SubscribeToTask(SubscribeToTaskRequest::read(fields)?),
            OperationName::CreatePushConfig => {
                let config = TaskPushNotificationConfig::read(fields)?;
                if config.task_id.is_empty() {
                    return Err(fields.violation("taskId", "is required"));
                }
                Self::CreatePushConfig(config)
            }
            OperationName::GetPushConfig => Self::GetPushConfig(PushConfigId::read(fields)?),
            OperationName::ListPushConfigs => Self::ListPushConfigs(ListPushConfigsRequest::read(fields)?),
            OperationName::DeletePushConfig => Self::DeletePushConfig(PushConfigId::read(fields)?),
            OperationName::GetExtendedAgentCard => Self::GetExtendedAgentCard,
        })
    }
}

/// What an operation gave.
pub(crate) enum OperationResult {
    Sent(SendMessageResponse),
    Task(Box<Task>),
    Tasks(ListTasksResponse),
    PushConfig(TaskPushNotificationConfig),
    PushConfigs(ListPushConfigsResponse),
    Deleted,
    /// From which the extended card is made.
    Description(Box<AgentDescription>),
    Stream(EventStream),
}
