//! Holds the card that describes an agent to its clients.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{SecurityRequirement, SecurityScheme, TEXTS_MAX};
use crate::proto_json::{FieldViolation, Fields, FromProtoJson, Struct, deserialize_by_reading};

/// Skills of one card that are read.
pub const SKILLS_MAX: usize = 256;

/// What an agent can do and where it is reached.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AgentCard {
    pub name: String,
    pub description: String,
    /// The first is preferred.
    pub supported_interfaces: Vec<AgentInterface>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<AgentProvider>,
    pub version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub documentation_url: Option<String>,
    pub capabilities: AgentCapabilities,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub security_schemes: BTreeMap<String, SecurityScheme>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub security_requirements: Vec<SecurityRequirement>,
    pub default_input_modes: Vec<String>,
    pub default_output_modes: Vec<String>,
    pub skills: Vec<AgentSkill>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub signatures: Vec<AgentCardSignature>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub icon_url: Option<String>,
}

/// One URL with the binding and version that it speaks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AgentInterface {
    pub url: String,
    /// `JSONRPC`, `HTTP+JSON`, `GRPC` or a URI.
    pub protocol_binding: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub tenant: String,
    pub protocol_version: String,
}

/// Who provides an agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AgentProvider {
    pub url: String,
    pub organization: String,
}

/// The optional operations of an agent.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AgentCapabilities {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub streaming: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub push_notifications: Option<bool>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extensions: Vec<AgentExtension>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extended_agent_card: Option<bool>,
}

/// An extension of the protocol that an agent speaks.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AgentExtension {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uri: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// A client that does not declare it is refused.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub required: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub params: Option<Struct>,
}

/// Something that an agent can do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AgentSkill {
    pub id: String,
    pub name: String,
    pub description: String,
    pub tags: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub examples: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub input_modes: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub output_modes: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub security_requirements: Vec<SecurityRequirement>,
}

/// A detached JWS over a card.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AgentCardSignature {
    /// The protected header in base64url.
    pub protected: String,
    /// The signature in base64url.
    pub signature: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<Struct>,
}

impl FromProtoJson for AgentCard {
    fn read(fields: &Fields<'_>) -> Result<Self, FieldViolation> {
        Ok(Self {
            name: fields.required_text("name")?,
            description: fields.text("description")?,
            supported_interfaces: fields.required_messages("supportedInterfaces", TEXTS_MAX)?,
            provider: fields.message("provider")?,
            version: fields.text("version")?,
            documentation_url: fields.optional_text("documentationUrl")?,
            capabilities: fields.message("capabilities")?.unwrap_or_default(),
            security_schemes: fields.map("securitySchemes")?.into_iter().collect(),
            security_requirements: fields.messages("securityRequirements", TEXTS_MAX)?,
            default_input_modes: fields.texts("defaultInputModes", TEXTS_MAX)?,
            default_output_modes: fields.texts("defaultOutputModes", TEXTS_MAX)?,
            skills: fields.messages("skills", SKILLS_MAX)?,
            signatures: fields.messages("signatures", TEXTS_MAX)?,
            icon_url: fields.optional_text("iconUrl")?,
        })
    }
}

impl FromProtoJson for AgentInterface {
    fn read(fields: &Fields<'_>) -> Result<Self, FieldViolation> {
        Ok(Self {
            url: fields.required_text("url")?,
            protocol_binding: fields.required_text("protocolBinding")?,
            tenant: fields.text("tenant")?,
            protocol_version: fields.required_text("protocolVersion")?,
        })
    }
}

impl FromProtoJson for AgentProvider {
    fn read(fields: &Fields<'_>) -> Result<Self, FieldViolation> {
        Ok(Self { url: fields.text("url")?, organization: fields.text("organization")? })
    }
}

impl FromProtoJson for AgentCapabilities {
    fn read(fields: &Fields<'_>) -> Result<Self, FieldViolation> {
        Ok(Self {
            streaming: fields.optional_flag("streaming")?,
            push_notifications: fields.optional_flag("pushNotifications")?,
            extensions: fields.messages("extensions", TEXTS_MAX)?,
            extended_agent_card: fields.optional_flag("extendedAgentCard")?,
        })
    }
}

impl FromProtoJson for AgentExtension {
    fn read(fields: &Fields<'_>) -> Result<Self, FieldViolation> {
        Ok(Self {
            uri: fields.text("uri")?,
            description: fields.text("description")?,
            required: fields.flag("required")?,
            params: fields.object("params")?,
        })
    }
}

impl FromProtoJson for AgentSkill {
    fn read(fields: &Fields<'_>) -> Result<Self, FieldViolation> {
        Ok(Self {
            id: fields.required_text("id")?,
            name: fields.text("name")?,
            description: fields.text("description")?,
            tags: fields.texts("tags", TEXTS_MAX)?,
            examples: fields.texts("examples", TEXTS_MAX)?,
            input_modes: fields.texts("inputModes", TEXTS_MAX)?,
            output_modes: fields.texts("outputModes", TEXTS_MAX)?,
            security_requirements: fields.messages("securityRequirements", TEXTS_MAX)?,
        })
    }
}

impl FromProtoJson for AgentCardSignature {
    fn read(fields: &Fields<'_>) -> Result<Self, FieldViolation> {
        Ok(Self {
            protected: fields.required_text("protected")?,
            signature: fields.required_text("signature")?,
            header: fields.object("header")?,
        })
    }
}

deserialize_by_reading!(AgentCard);
