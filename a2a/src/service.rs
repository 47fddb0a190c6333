//! Defines what a gateway does with the operations. The bindings differ in form only.

use std::pin::Pin;

use async_trait::async_trait;
use futures::Stream;

use crate::caller::Caller;
use crate::error::A2aError;
use crate::model::{
    AgentExtension, AgentProvider, AgentSkill, CancelTaskRequest, GetTaskRequest, ListPushConfigsRequest,
    ListPushConfigsResponse, ListTasksRequest, ListTasksResponse, PushConfigId, SecurityRequirement,
    SecurityScheme, SendMessageRequest, SendMessageResponse, StreamResponse, SubscribeToTaskRequest, Task,
    TaskPushNotificationConfig,
};

/// The events of a stream. It ends after its last event, or with one error.
pub type EventStream = Pin<Box<dyn Stream<Item = Result<StreamResponse, A2aError>> + Send>>;

/// One call of an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    pub caller: Caller,
    /// The name of the agent in the URL.
    pub agent: String,
    /// Extensions that the client named and the agent has.
    pub extensions: Vec<String>,
}

/// Facts about an agent from which its card is made.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AgentDescription {
    /// The name in the URL.
    pub agent: String,
    /// The name that people see.
    pub name: String,
    pub description: String,
    /// The version of the agent, not of the protocol.
    pub version: String,
    pub provider: Option<AgentProvider>,
    pub documentation_url: Option<String>,
    pub icon_url: Option<String>,
    pub skills: Vec<AgentSkill>,
    /// Media types that the agent takes; empty for all.
    pub input_modes: Vec<String>,
    /// Media types that the agent gives.
    pub output_modes: Vec<String>,
    pub streaming: bool,
    pub push_notifications: bool,
    /// Whether authenticated callers get another card.
    pub extended_card: bool,
    pub extensions: Vec<AgentExtension>,
    /// How callers authenticate, by the name of the scheme; none for an open gateway.
    pub security_schemes: Vec<(String, SecurityScheme)>,
    pub security_requirements: Vec<SecurityRequirement>,
}

/// Some agents of a tenant.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AgentPage {
    pub agents: Vec<AgentDescription>,
    /// Empty on the last page.
    pub next_page_token: String,
}

/// The operations of A2A, in front of a store of tasks and the agents of a tenant.
///
/// The bindings have checked the caller, the version, the required extensions, what the agent's
/// description says it can do, and each request by itself. Every method scopes what it does to the
/// caller, and answers `TaskNotFound` for the tasks of others.
#[async_trait]
pub trait TaskService: Send + Sync + 'static {
    /// An agent that may be described to everybody who knows its name.
    ///
    /// # Errors
    /// `AgentNotFound`, `Unavailable`.
    async fn describe_agent(&self, agent: &str) -> Result<AgentDescription, A2aError>;

    /// The agents that discovery shows to everybody, in order of their names.
    ///
    /// # Errors
    /// `InvalidParams` for a foreign token, `Unavailable`.
    async fn list_agents(&self, page_size: u32, page_token: Option<&str>) -> Result<AgentPage, A2aError>;

    /// Begins or continues a task. Without `return_immediately` it answers when the task is
    /// terminal or interrupted.
    ///
    /// # Errors
    /// `TaskNotFound`, `UnsupportedOperation` for a terminal task, `InvalidParams` where context
    /// and task do not match, `ContentTypeNotSupported`, `ResourceExhausted`, `Unavailable`.
    async fn send_message(
        &self,
        call: &Call,
        request: SendMessageRequest,
    ) -> Result<SendMessageResponse, A2aError>;

    /// As [`Self::send_message`], with the events of the task: the task first, or one message.
    ///
    /// # Errors
    /// As [`Self::send_message`], before the first event.
    async fn send_streaming_message(
        &self,
        call: &Call,
        request: SendMessageRequest,
    ) -> Result<EventStream, A2aError>;

    /// # Errors
    /// `TaskNotFound`, `Unavailable`.
    async fn get_task(&self, call: &Call, request: GetTaskRequest) -> Result<Task, A2aError>;

    /// The caller's tasks of this agent, the newest status first.
    ///
    /// # Errors
    /// `InvalidParams` for a foreign token, `Unavailable`.
    async fn list_tasks(&self, call: &Call, request: ListTasksRequest)
    -> Result<ListTasksResponse, A2aError>;

    /// # Errors
    /// `TaskNotFound`, `TaskNotCancelable`, `Unavailable`.
    async fn cancel_task(&self, call: &Call, request: CancelTaskRequest) -> Result<Task, A2aError>;

    /// The task and then its events.
    ///
    /// # Errors
    /// `TaskNotFound`, `UnsupportedOperation` for a terminal task, `ResourceExhausted`.
    async fn subscribe_to_task(
        &self,
        call: &Call,
        request: SubscribeToTaskRequest,
    ) -> Result<EventStream, A2aError>;

    /// Stores a webhook and chooses its id where it has none.
    ///
    /// # Errors
    /// `TaskNotFound`, `InvalidParams` for a URL that may not be called, `ResourceExhausted`.
    async fn create_push_config(
        &self,
        call: &Call,
        config: TaskPushNotificationConfig,
    ) -> Result<TaskPushNotificationConfig, A2aError>;

    /// # Errors
    /// `TaskNotFound`, also for a configuration that does not exist.
    async fn get_push_config(
        &self,
        call: &Call,
        config: PushConfigId,
    ) -> Result<TaskPushNotificationConfig, A2aError>;

    /// # Errors
    /// `TaskNotFound`, `InvalidParams` for a foreign token.
    async fn list_push_configs(
        &self,
        call: &Call,
        request: ListPushConfigsRequest,
    ) -> Result<ListPushConfigsResponse, A2aError>;

    /// Removes a webhook. One that is gone already is no error.
    ///
    /// # Errors
    /// `TaskNotFound` for the task.
    async fn delete_push_config(&self, call: &Call, config: PushConfigId) -> Result<(), A2aError>;

    /// The card for an authenticated caller, made from this description.
    ///
    /// # Errors
    /// `ExtendedAgentCardNotConfigured`, `AgentNotFound`.
    async fn describe_agent_to(&self, call: &Call) -> Result<AgentDescription, A2aError>;
}
