//! Holds where and how a task's updates are posted to its client.

use std::fmt;

use serde::Serialize;

use super::ID_BYTES_MAX;
use crate::proto_json::{FieldViolation, Fields, FromProtoJson, deserialize_by_reading};

/// Bytes of the URL of a webhook. Browsers and proxies refuse longer ones.
pub const WEBHOOK_URL_BYTES_MAX: usize = 2048;
/// Bytes of a token or of credentials, which have to fit a header.
pub const WEBHOOK_SECRET_BYTES_MAX: usize = 4096;

/// A webhook of a task.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskPushNotificationConfig {
    /// Empty where the server is to choose one.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// Empty inside a request that makes the task.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub task_id: String,
    pub url: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub token: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authentication: Option<AuthenticationInfo>,
}

/// The credentials of a notification.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AuthenticationInfo {
    /// A scheme of HTTP, such as `Bearer`, in any case.
    pub scheme: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub credentials: String,
}

impl fmt::Debug for TaskPushNotificationConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, task_id, url, .. } = self;
        write!(f, "TaskPushNotificationConfig {{ id: {id:?}, task_id: {task_id:?}, url: {url:?}, .. }}")
    }
}

impl fmt::Debug for AuthenticationInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AuthenticationInfo {{ scheme: {:?}, .. }}", self.scheme)
    }
}

impl FromProtoJson for TaskPushNotificationConfig {
    fn read(fields: &Fields<'_>) -> Result<Self, FieldViolation> {
        Ok(Self {
            id: fields.optional_id("id", ID_BYTES_MAX)?.unwrap_or_default(),
            task_id: fields.optional_id("taskId", ID_BYTES_MAX)?.unwrap_or_default(),
            url: fields.required_id("url", WEBHOOK_URL_BYTES_MAX)?,
            token: fields.optional_id("token", WEBHOOK_SECRET_BYTES_MAX)?.unwrap_or_default(),
            authentication: fields.message("authentication")?,
        })
    }
}

impl FromProtoJson for AuthenticationInfo {
    fn read(fields: &Fields<'_>) -> Result<Self, FieldViolation> {
        Ok(Self {
            scheme: fields.required_id("scheme", 64)?,
            credentials: fields.optional_id("credentials", WEBHOOK_SECRET_BYTES_MAX)?.unwrap_or_default(),
        })
    }
}

deserialize_by_reading!(TaskPushNotificationConfig, AuthenticationInfo);
