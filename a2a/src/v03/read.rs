//! Reads requests of version 0.3.

use serde_json::Value;

use crate::model::{
    AuthenticationInfo, CancelTaskRequest, GetTaskRequest, ID_BYTES_MAX, ListPushConfigsRequest, Message,
    PAGE_MAX, PARTS_MAX, Part, PartContent, PushConfigId, Role, SendMessageConfiguration, SendMessageRequest,
    SubscribeToTaskRequest, TEXTS_MAX, TaskPushNotificationConfig, WEBHOOK_SECRET_BYTES_MAX,
    WEBHOOK_URL_BYTES_MAX,
};
use crate::operation::{Operation, OperationName};
use crate::proto_json::{FieldViolation, Fields, FromProtoJson};

type Read<T> = Result<T, FieldViolation>;

/// Reads the parameters of a method.
pub(crate) fn read_operation(name: OperationName, params: &Value) -> Read<Operation> {
    let fields = &Fields::of(params, "")?;
    let id = || fields.required_id("id", ID_BYTES_MAX);
    let config = || {
        Ok(PushConfigId { task_id: id()?, id: fields.required_id("pushNotificationConfigId", ID_BYTES_MAX)? })
    };
    Ok(match name {
        OperationName::SendMessage => Operation::SendMessage(Box::new(send(fields)?)),
        OperationName::SendStreamingMessage => Operation::SendStreamingMessage(Box::new(send(fields)?)),
        OperationName::GetTask => {
            Operation::GetTask(GetTaskRequest { id: id()?, history_length: history_length(fields)? })
        }
        OperationName::CancelTask => {
            Operation::CancelTask(CancelTaskRequest { id: id()?, metadata: fields.object("metadata")? })
        }
        OperationName::SubscribeToTask => Operation::SubscribeToTask(SubscribeToTaskRequest { id: id()? }),
        OperationName::CreatePushConfig => {
            let LegacyPushConfig(mut config) = fields.required_message("pushNotificationConfig")?;
            config.task_id = fields.required_id("taskId", ID_BYTES_MAX)?;
            Operation::CreatePushConfig(config)
        }
        OperationName::GetPushConfig => Operation::GetPushConfig(config()?),
        OperationName::DeletePushConfig => Operation::DeletePushConfig(config()?),
        OperationName::ListPushConfigs => Operation::ListPushConfigs(ListPushConfigsRequest {
            task_id: id()?,
            page_size: PAGE_MAX,
            page_token: None,
        }),
        OperationName::GetExtendedAgentCard => Operation::GetExtendedAgentCard,
        OperationName::ListTasks => return Err(fields.violation("method", "is not in version 0.3")),
    })
}

fn send(fields: &Fields<'_>) -> Read<SendMessageRequest> {
    let LegacyMessage(message) = fields.required_message("message")?;
    let configuration = fields.message::<LegacyConfiguration>("configuration")?;
    Ok(SendMessageRequest {
        message,
        configuration: configuration.map(|configuration| configuration.0).unwrap_or_default(),
        metadata: fields.object("metadata")?,
    })
}

/// Zero stands for "no limit" in version 0.3.
fn history_length(fields: &Fields<'_>) -> Read<Option<u32>> {
    let length = fields.optional_int("historyLength")?.filter(|length| *length != 0);
    let checked = length.map(u32::try_from).transpose();
    checked.map_err(|_| fields.violation("historyLength", "must not be negative"))
}

fn check_kind(fields: &Fields<'_>, kind: &str) -> Read<()> {
    match fields.optional_text("kind")? {
        Some(found) if found != kind => Err(fields.violation("kind", &format!("must be {kind}"))),
        _ => Ok(()),
    }
}

struct LegacyMessage(Message);

impl FromProtoJson for LegacyMessage {
    fn read(fields: &Fields<'_>) -> Read<Self> {
        check_kind(fields, "message")?;
        let role = match fields.required_text("role")?.as_str() {
            "user" => Role::User,
            "agent" => Role::Agent,
            _ => return Err(fields.violation("role", "must be user or agent")),
        };
        let parts = fields.required_messages::<LegacyPart>("parts", PARTS_MAX)?;
        Ok(Self(Message {
            message_id: fields.required_id("messageId", ID_BYTES_MAX)?,
            context_id: fields.optional_id("contextId", ID_BYTES_MAX)?,
            task_id: fields.optional_id("taskId", ID_BYTES_MAX)?,
            role,
            parts: parts.into_iter().map(|part| part.0).collect(),
            metadata: fields.object("metadata")?,
            extensions: fields.texts("extensions", TEXTS_MAX)?,
            reference_task_ids: fields.texts("referenceTaskIds", TEXTS_MAX)?,
        }))
    }
}

struct LegacyPart(Part);

impl FromProtoJson for LegacyPart {
    fn read(fields: &Fields<'_>) -> Read<Self> {
        let mut part = match fields.required_text("kind")?.as_str() {
            "text" => Part::text(fields.text("text")?),
            "data" => Part::data(Value::Object(fields.object("data")?.unwrap_or_default())),
            "file" => fields.required_message::<LegacyFile>("file")?.0,
            _ => return Err(fields.violation("kind", "must be one of text, file, data")),
        };
        part.metadata = fields.object("metadata")?;
        Ok(Self(part))
    }
}

struct LegacyFile(Part);

impl FromProtoJson for LegacyFile {
    fn read(fields: &Fields<'_>) -> Read<Self> {
        let content = match (fields.bytes("bytes")?, fields.optional_text("uri")?) {
            (Some(bytes), None) => PartContent::Raw(bytes),
            (None, Some(uri)) => PartContent::Url(uri),
            _ => return Err(fields.violation("bytes", "must be there, or else uri")),
        };
        Ok(Self(Part {
            content,
            metadata: None,
            filename: fields.text("name")?,
            media_type: fields.text("mimeType")?,
        }))
    }
}

struct LegacyConfiguration(SendMessageConfiguration);

impl FromProtoJson for LegacyConfiguration {
    fn read(fields: &Fields<'_>) -> Read<Self> {
        let push = fields.message::<LegacyPushConfig>("pushNotificationConfig")?;
        Ok(Self(SendMessageConfiguration {
            accepted_output_modes: fields.texts("acceptedOutputModes", TEXTS_MAX)?,
            task_push_notification_config: push.map(|push| push.0),
            history_length: history_length(fields)?,
            return_immediately: fields.optional_flag("blocking")? == Some(false),
        }))
    }
}

struct LegacyPushConfig(TaskPushNotificationConfig);

impl FromProtoJson for LegacyPushConfig {
    fn read(fields: &Fields<'_>) -> Read<Self> {
        let authentication = fields.message::<LegacyAuthentication>("authentication")?;
        Ok(Self(TaskPushNotificationConfig {
            id: fields.optional_id("id", ID_BYTES_MAX)?.unwrap_or_default(),
            task_id: String::new(),
            url: fields.required_id("url", WEBHOOK_URL_BYTES_MAX)?,
            token: fields.optional_id("token", WEBHOOK_SECRET_BYTES_MAX)?.unwrap_or_default(),
            authentication: authentication.map(|authentication| authentication.0),
        }))
    }
}

struct LegacyAuthentication(AuthenticationInfo);

impl FromProtoJson for LegacyAuthentication {
    fn read(fields: &Fields<'_>) -> Read<Self> {
        let schemes = fields.texts("schemes", TEXTS_MAX)?;
        let scheme = schemes.into_iter().next().ok_or_else(|| fields.violation("schemes", "is required"))?;
        let credentials = fields.optional_id("credentials", WEBHOOK_SECRET_BYTES_MAX)?.unwrap_or_default();
        Ok(Self(AuthenticationInfo { scheme, credentials }))
    }
}
