//! Holds the requests and responses of the operations.
//!
//! The field `tenant`, which a card of ours never sets, is not kept.

use serde::Serialize;

use super::{ID_BYTES_MAX, Message, TEXTS_MAX, Task, TaskPushNotificationConfig, TaskState};
use crate::proto_json::{FieldViolation, Fields, FromProtoJson, Struct, Timestamp, deserialize_by_reading};

/// Tasks, or push notification configurations, in one page.
pub const PAGE_MAX: u32 = 100;
/// Tasks in one page where the client does not say.
pub const DEFAULT_PAGE: u32 = 50;
/// Bytes of a page token.
pub const PAGE_TOKEN_BYTES_MAX: usize = 1024;

/// A message for an agent: `SendMessage` and `SendStreamingMessage`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SendMessageRequest {
    pub message: Message,
    pub configuration: SendMessageConfiguration,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Struct>,
}

/// How an answer to a message is wanted.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SendMessageConfiguration {
    /// Media types that the client takes; empty for all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub accepted_output_modes: Vec<String>,
    /// A webhook for the task, whose id the client cannot know yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_push_notification_config: Option<TaskPushNotificationConfig>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history_length: Option<u32>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub return_immediately: bool,
}

/// The answer to `SendMessage`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum SendMessageResponse {
    Task(Box<Task>),
    Message(Box<Message>),
}

/// `GetTask`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GetTaskRequest {
    pub id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history_length: Option<u32>,
}

/// `ListTasks`, with the size of the page that applies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListTasksRequest {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<TaskState>,
    /// 1 to [`PAGE_MAX`].
    pub page_size: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history_length: Option<u32>,
    /// Only tasks whose status has this time or a later one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status_timestamp_after: Option<Timestamp>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub include_artifacts: bool,
}

/// The answer to `ListTasks`: the newest status first.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListTasksResponse {
    pub tasks: Vec<Task>,
    /// Empty on the last page.
    pub next_page_token: String,
    pub page_size: u32,
    /// Tasks on all pages together.
    pub total_size: u32,
}

/// `CancelTask`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CancelTaskRequest {
    pub id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Struct>,
}

/// `SubscribeToTask`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SubscribeToTaskRequest {
    pub id: String,
}

/// One configuration of a task: `GetTaskPushNotificationConfig` and
/// `DeleteTaskPushNotificationConfig`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PushConfigId {
    pub task_id: String,
    pub id: String,
}

/// `ListTaskPushNotificationConfigs`, with the size of the page that applies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListPushConfigsRequest {
    pub task_id: String,
    /// 1 to [`PAGE_MAX`].
    pub page_size: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page_token: Option<String>,
}

/// The answer to `ListTaskPushNotificationConfigs`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListPushConfigsResponse {
    pub configs: Vec<TaskPushNotificationConfig>,
    /// Empty on the last page.
    pub next_page_token: String,
}

impl FromProtoJson for SendMessageRequest {
    fn read(fields: &Fields<'_>) -> Result<Self, FieldViolation> {
        Ok(Self {
            message: fields.required_message("message")?,
            configuration: fields.message("configuration")?.unwrap_or_default(),
            metadata: fields.object("metadata")?,
        })
    }
}

impl FromProtoJson for SendMessageConfiguration {
    fn read(fields: &Fields<'_>) -> Result<Self, FieldViolation> {
        Ok(Self {
            accepted_output_modes: fields.texts("acceptedOutputModes", TEXTS_MAX)?,
            task_push_notification_config: fields.message("taskPushNotificationConfig")?,
            history_length: history_length(fields)?,
            return_immediately: fields.flag("returnImmediately")?,
        })
    }
}

impl FromProtoJson for SendMessageResponse {
    fn read(fields: &Fields<'_>) -> Result<Self, FieldViolation> {
        match (fields.message("task")?, fields.message("message")?) {
            (Some(task), None) => Ok(Self::Task(Box::new(task))),
            (None, Some(message)) => Ok(Self::Message(Box::new(message))),
            _ => Err(fields.violation("payload", "must be either task or message")),
        }
    }
}

impl FromProtoJson for GetTaskRequest {
    fn read(fields: &Fields<'_>) -> Result<Self, FieldViolation> {
        Ok(Self { id: fields.required_id("id", ID_BYTES_MAX)?, history_length: history_length(fields)? })
    }
}

impl FromProtoJson for ListTasksRequest {
    fn read(fields: &Fields<'_>) -> Result<Self, FieldViolation> {
        let page_size = fields.optional_int("pageSize")?;
        Ok(Self {
            context_id: fields.optional_id("contextId", ID_BYTES_MAX)?,
            status: fields.choice("status")?,
            page_size: page_size.map_or(Ok(DEFAULT_PAGE), |size| checked_page_size(fields, size))?,
            page_token: fields.optional_id("pageToken", PAGE_TOKEN_BYTES_MAX)?,
            history_length: history_length(fields)?,
            status_timestamp_after: fields.timestamp("statusTimestampAfter")?,
            include_artifacts: fields.flag("includeArtifacts")?,
        })
    }
}

impl FromProtoJson for ListTasksResponse {
    fn read(fields: &Fields<'_>) -> Result<Self, FieldViolation> {
        let count = |name| {
            let count = fields.optional_int(name)?.unwrap_or_default();
            u32::try_from(count).map_err(|_| fields.violation(name, "must not be negative"))
        };
        Ok(Self {
            tasks: fields.messages("tasks", usize::try_from(PAGE_MAX).unwrap_or(usize::MAX))?,
            next_page_token: fields.text("nextPageToken")?,
            page_size: count("pageSize")?,
            total_size: count("totalSize")?,
        })
    }
}

impl FromProtoJson for CancelTaskRequest {
    fn read(fields: &Fields<'_>) -> Result<Self, FieldViolation> {
        Ok(Self { id: fields.required_id("id", ID_BYTES_MAX)?, metadata: fields.object("metadata")? })
    }
}

impl FromProtoJson for SubscribeToTaskRequest {
    fn read(fields: &Fields<'_>) -> Result<Self, FieldViolation> {
        Ok(Self { id: fields.required_id("id", ID_BYTES_MAX)? })
    }
}

impl FromProtoJson for PushConfigId {
    fn read(fields: &Fields<'_>) -> Result<Self, FieldViolation> {
        Ok(Self {
            task_id: fields.required_id("taskId", ID_BYTES_MAX)?,
            id: fields.required_id("id", ID_BYTES_MAX)?,
        })
    }
}

impl FromProtoJson for ListPushConfigsRequest {
    fn read(fields: &Fields<'_>) -> Result<Self, FieldViolation> {
        // The size is no `optional` field here, so that zero is the same as absent.
        let page_size = fields.optional_int("pageSize")?.filter(|size| *size != 0);
        Ok(Self {
            task_id: fields.required_id("taskId", ID_BYTES_MAX)?,
            page_size: page_size.map_or(Ok(PAGE_MAX), |size| checked_page_size(fields, size))?,
            page_token: fields.optional_id("pageToken", PAGE_TOKEN_BYTES_MAX)?,
        })
    }
}

impl FromProtoJson for ListPushConfigsResponse {
    fn read(fields: &Fields<'_>) -> Result<Self, FieldViolation> {
        Ok(Self {
            configs: fields.messages("configs", usize::try_from(PAGE_MAX).unwrap_or(usize::MAX))?,
            next_page_token: fields.text("nextPageToken")?,
        })
    }
}

deserialize_by_reading!(SendMessageRequest, SendMessageResponse, ListTasksResponse, ListPushConfigsResponse);

fn history_length(fields: &Fields<'_>) -> Result<Option<u32>, FieldViolation> {
    let Some(length) = fields.optional_int("historyLength")? else { return Ok(None) };
    let problem = format!("must not be negative, is {length}");
    u32::try_from(length).map(Some).map_err(|_| fields.violation("historyLength", &problem))
}

fn checked_page_size(fields: &Fields<'_>, size: i32) -> Result<u32, FieldViolation> {
    let problem = format!("must be from 1 to {PAGE_MAX}, is {size}");
    let size = u32::try_from(size).ok().filter(|size| (1..=PAGE_MAX).contains(size));
    size.ok_or_else(|| fields.violation("pageSize", &problem))
}
