//! Defines artifacts, which a worker produces whole or in chunks, and the parts they consist of.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{NOTE_BYTES_MAX, TITLE_BYTES_MAX, TaskError};
use crate::base64url;
use crate::envelope::MessageId;
use crate::strict_json;

/// Bytes of an artifact's id: a word or a UUID.
pub const ARTIFACT_ID_BYTES_MAX: usize = 64;
/// Parts of one message about an artifact. More of them are sent as further chunks.
pub const PARTS_MAX: usize = 64;
/// Bytes of a part's media type.
pub const MEDIA_TYPE_BYTES_MAX: usize = 128;
/// Bytes of a part's file name: what file systems allow.
pub const FILE_NAME_BYTES_MAX: usize = 255;

/// From worker to giver: a reliable `event` with something that the task has produced, whole or a
/// chunk of it.
///
/// It counts in the same revisions as [`Status`](super::Status), so that the giver ignores
/// repetitions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Artifact {
    pub task: MessageId,
    pub revision: u64,
    /// Names it within the task. The worker chooses it.
    pub artifact: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    pub parts: Vec<Part>,
    /// Whether the parts continue those that were sent before. Otherwise they replace them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub append: bool,
    /// Whether the artifact is complete. Otherwise another chunk follows.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub last: bool,
}

/// A piece of an artifact.
///
/// ```
/// use msg2agent_protocol::task::{Part, PartContent};
///
/// let part: Part = serde_json::from_str(r#"{"bytes": "QUI", "fileName": "ab.txt"}"#)?;
/// assert_eq!(part.content, PartContent::Bytes(b"AB".to_vec()));
/// assert!(serde_json::from_str::<Part>(r#"{"text": "a", "url": "https://b"}"#).is_err());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "WrittenPart", into = "WrittenPart")]
pub struct Part {
    pub content: PartContent,
    pub media_type: Option<String>,
    pub file_name: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum PartContent {
    Text(String),
    Json(Value),
    Bytes(Vec<u8>),
    /// Where the content is. Whoever follows it must expect any address.
    Url(String),
}

impl Part {
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        PartContent::Text(text.into()).into()
    }

    #[must_use]
    pub fn json(value: Value) -> Self {
        PartContent::Json(value).into()
    }
}

impl From<PartContent> for Part {
    fn from(content: PartContent) -> Self {
        Self { content, media_type: None, file_name: None }
    }
}

impl Artifact {
    pub(super) fn check(&self) -> Result<(), TaskError> {
        let exceeds = |text: &Option<String>, limit| text.as_ref().is_some_and(|text| text.len() > limit);
        if self.artifact.is_empty() || self.artifact.len() > ARTIFACT_ID_BYTES_MAX {
            return Err(TaskError::ArtifactId);
        }
        if exceeds(&self.name, TITLE_BYTES_MAX) {
            return Err(TaskError::Title);
        }
        if exceeds(&self.description, NOTE_BYTES_MAX) {
            return Err(TaskError::Note);
        }
        if self.parts.is_empty() || self.parts.len() > PARTS_MAX {
            return Err(TaskError::Parts);
        }
        let is_long = |part: &Part| {
            exceeds(&part.media_type, MEDIA_TYPE_BYTES_MAX) || exceeds(&part.file_name, FILE_NAME_BYTES_MAX)
        };
        if self.parts.iter().any(is_long) { Err(TaskError::PartLabel) } else { Ok(()) }
    }
}

/// A part as on the wire: exactly one of the first four members is present.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct WrittenPart {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(
        default,
        deserialize_with = "strict_json::optional_value",
        skip_serializing_if = "Option::is_none"
    )]
    json: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bytes: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    media_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    file_name: Option<String>,
}

/// Why a part was refused.
#[derive(Debug, thiserror::Error)]
enum PartError {
    #[error("a part has exactly one of text, json, bytes and url")]
    Content,
    #[error("the bytes of a part are not base64url without padding")]
    Bytes(#[source] base64url::DecodeError),
}

impl TryFrom<WrittenPart> for Part {
    type Error = PartError;

    fn try_from(written: WrittenPart) -> Result<Self, PartError> {
        let WrittenPart { text, json, bytes, url, media_type, file_name } = written;
        let content = match (text, json, bytes, url) {
            (Some(text), None, None, None) => PartContent::Text(text),
            (None, Some(json), None, None) => PartContent::Json(json),
            (None, None, Some(bytes), None) => {
                PartContent::Bytes(base64url::decode(&bytes).map_err(PartError::Bytes)?)
            }
            (None, None, None, Some(url)) => PartContent::Url(url),
            _ => return Err(PartError::Content),
        };
        Ok(Self { content, media_type, file_name })
    }
}

impl From<Part> for WrittenPart {
    fn from(part: Part) -> Self {
        let Part { content, media_type, file_name } = part;
        let written = Self { media_type, file_name, ..Self::default() };
        match content {
            PartContent::Text(text) => Self { text: Some(text), ..written },
            PartContent::Json(json) => Self { json: Some(json), ..written },
            PartContent::Bytes(bytes) => Self { bytes: Some(base64url::encode(&bytes)), ..written },
            PartContent::Url(url) => Self { url: Some(url), ..written },
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{TaskMessage, method};
    use super::*;
    use crate::envelope::Content;

    const TASK: &str = "01a1c8e0-1c00-7707-8707-070707070707";

    fn artifact(parts: Vec<Part>) -> Artifact {
        Artifact {
            task: TASK.parse().unwrap(),
            revision: 2,
            artifact: "report".into(),
            name: Some("Report".into()),
            description: None,
            parts,
            append: true,
            last: false,
        }
    }

    fn refused(artifact: Artifact) -> TaskError {
        TaskMessage::Artifact(artifact).checked().unwrap_err()
    }

    #[test]
    fn every_kind_of_part_is_read_as_it_was_written() {
        let mut file = Part::from(PartContent::Bytes(vec![0, 255]));
        file.media_type = Some("application/octet-stream".into());
        file.file_name = Some("two.bin".into());
        let url = Part::from(PartContent::Url("https://example.com/a".into()));
        let parts = vec![Part::text("a"), Part::json(Value::Null), file, url];
        let message = TaskMessage::Artifact(artifact(parts));
        let content = message.to_content();
        assert_eq!(content.content["parts"][1], json!({"json": null}));
        assert_eq!(content.content["parts"][2]["bytes"], "AP8");
        assert_eq!(content.content.get("last"), None);
        assert_eq!(TaskMessage::from_content(&content).unwrap().unwrap(), message);
    }

    #[test]
    fn a_part_of_two_kinds_or_of_none_is_refused() {
        for part in [json!({}), json!({"text": "a", "json": 1}), json!({"bytes": "AP8="}), json!({"x": 1})] {
            let body = json!({"task": TASK, "revision": 1, "artifact": "a", "parts": [part]});
            let read = TaskMessage::from_content(&Content::json(body).with_method(method::ARTIFACT));
            assert!(matches!(read, Some(Err(TaskError::Shape(..)))), "{read:?}");
        }
    }

    #[test]
    fn what_exceeds_a_limit_is_refused_by_name() {
        let one = || vec![Part::text("a")];
        let long = |bytes: usize| "x".repeat(bytes + 1);
        let id = Artifact { artifact: long(ARTIFACT_ID_BYTES_MAX), ..artifact(one()) };
        assert!(matches!(refused(id), TaskError::ArtifactId));
        assert!(matches!(
            refused(Artifact { artifact: String::new(), ..artifact(one()) }),
            TaskError::ArtifactId
        ));
        let name = Artifact { name: Some(long(TITLE_BYTES_MAX)), ..artifact(one()) };
        assert!(matches!(refused(name), TaskError::Title));
        let description = Artifact { description: Some(long(NOTE_BYTES_MAX)), ..artifact(one()) };
        assert!(matches!(refused(description), TaskError::Note));
        assert!(matches!(refused(artifact(Vec::new())), TaskError::Parts));
        assert!(matches!(refused(artifact(vec![Part::text("a"); PARTS_MAX + 1])), TaskError::Parts));
        let label = Part { media_type: Some(long(MEDIA_TYPE_BYTES_MAX)), ..Part::text("a") };
        assert!(matches!(refused(artifact(vec![label])), TaskError::PartLabel));
    }
}
