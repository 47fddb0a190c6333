//! Holds an artifact: a result of a task.

use serde::Serialize;

use super::{ID_BYTES_MAX, PARTS_MAX, Part, TEXTS_MAX};
use crate::proto_json::{FieldViolation, Fields, FromProtoJson, Struct, deserialize_by_reading};

/// A result of a task, or a piece of one.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Artifact {
    /// Unique within its task.
    pub artifact_id: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    pub parts: Vec<Part>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Struct>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extensions: Vec<String>,
}

impl Artifact {
    /// An artifact without name and description.
    pub fn new(artifact_id: impl Into<String>, parts: Vec<Part>) -> Self {
        Self {
            artifact_id: artifact_id.into(),
            name: String::new(),
            description: String::new(),
            parts,
            metadata: None,
            extensions: Vec::new(),
        }
    }
}

impl FromProtoJson for Artifact {
    fn read(fields: &Fields<'_>) -> Result<Self, FieldViolation> {
        Ok(Self {
            artifact_id: fields.required_id("artifactId", ID_BYTES_MAX)?,
            name: fields.text("name")?,
            description: fields.text("description")?,
            parts: fields.required_messages("parts", PARTS_MAX)?,
            metadata: fields.object("metadata")?,
            extensions: fields.texts("extensions", TEXTS_MAX)?,
        })
    }
}

deserialize_by_reading!(Artifact);
