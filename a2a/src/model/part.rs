//! Holds a part of a message or artifact: text, bytes, a URL or any JSON.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::Value;

use crate::proto_json::{FieldViolation, Fields, FromProtoJson, Struct, deserialize_by_reading};

/// One part of a message or artifact.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Part {
    #[serde(flatten)]
    pub content: PartContent,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Struct>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub filename: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub media_type: String,
}

/// What a part holds. Its name on the wire says which.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum PartContent {
    Text(String),
    Raw(#[serde(serialize_with = "base64_text")] Vec<u8>),
    Url(String),
    Data(Value),
}

impl Part {
    /// A part without file name, media type and metadata.
    #[must_use]
    pub const fn new(content: PartContent) -> Self {
        Self { content, metadata: None, filename: String::new(), media_type: String::new() }
    }

    pub fn text(text: impl Into<String>) -> Self {
        Self::new(PartContent::Text(text.into()))
    }

    #[must_use]
    pub const fn data(data: Value) -> Self {
        Self::new(PartContent::Data(data))
    }
}

impl FromProtoJson for Part {
    fn read(fields: &Fields<'_>) -> Result<Self, FieldViolation> {
        let contents = [
            fields.optional_text("text")?.map(PartContent::Text),
            fields.bytes("raw")?.map(PartContent::Raw),
            fields.optional_text("url")?.map(PartContent::Url),
            fields.any("data")?.map(PartContent::Data),
        ];
        let mut contents = contents.into_iter().flatten();
        let content = match (contents.next(), contents.next()) {
            (Some(content), None) => content,
            (None, _) => return Err(fields.violation("content", "must be one of text, raw, url, data")),
            (Some(_), Some(_)) => {
                return Err(fields.violation("content", "must be only one of text, raw, url, data"));
            }
        };
        Ok(Self {
            content,
            metadata: fields.object("metadata")?,
            filename: fields.text("filename")?,
            media_type: fields.text("mediaType")?,
        })
    }
}

deserialize_by_reading!(Part);

fn base64_text<S: serde::Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&STANDARD.encode(bytes))
}
