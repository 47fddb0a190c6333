//! Holds the messages of the A2A specification 1.0.1, with the names of its proto file.
//!
//! Each is written as JSON by serde and read by [`crate::proto_json::FromProtoJson`]; those that a
//! store keeps can be read by serde too.

mod agent_card;
mod artifact;
mod message;
mod part;
mod push_notification;
mod request;
mod security_scheme;
mod stream_response;
mod task;
mod task_state;

pub use agent_card::{
    AgentCapabilities, AgentCard, AgentCardSignature, AgentExtension, AgentInterface, AgentProvider,
    AgentSkill, SKILLS_MAX,
};
pub use artifact::Artifact;
pub use message::{Message, Role};
pub use part::{Part, PartContent};
pub use push_notification::{
    AuthenticationInfo, TaskPushNotificationConfig, WEBHOOK_SECRET_BYTES_MAX, WEBHOOK_URL_BYTES_MAX,
};
pub use request::{
    CancelTaskRequest, DEFAULT_PAGE, GetTaskRequest, ListPushConfigsRequest, ListPushConfigsResponse,
    ListTasksRequest, ListTasksResponse, PAGE_MAX, PAGE_TOKEN_BYTES_MAX, PushConfigId,
    SendMessageConfiguration, SendMessageRequest, SendMessageResponse, SubscribeToTaskRequest,
};
pub use security_scheme::{OAuthFlow, OAuthFlows, SecurityRequirement, SecurityScheme, StringList};
pub use stream_response::{StreamResponse, TaskArtifactUpdateEvent, TaskStatusUpdateEvent};
pub use task::{ARTIFACTS_MAX, HISTORY_MAX, Task, TaskStatus};
pub use task_state::TaskState;

/// Bytes of an id that a client or agent chose: a UUID, or a name with one in it.
pub const ID_BYTES_MAX: usize = 256;
/// Items of a list of short texts, such as extensions, media types and referenced tasks. Nobody has
/// a use for more, and each is compared with others.
pub const TEXTS_MAX: usize = 64;
/// Parts of one message or artifact. More belongs into a file.
pub const PARTS_MAX: usize = 256;
