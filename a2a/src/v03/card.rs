//! Writes the card of version 0.3.

use serde_json::{Map, Value, json};

use crate::model::{AgentCard, AgentSkill, OAuthFlows, SecurityRequirement, SecurityScheme};

/// The card for clients of version 0.3, which reach the agent at `url`. It has no signature: that
/// version does not say what is signed.
pub(crate) fn card(card: &AgentCard, url: &str) -> Value {
    let schemes: Map<_, _> = card
        .security_schemes
        .iter()
        .filter_map(|(name, found)| Some((name.clone(), scheme(found)?)))
        .collect();
    let mut written = json!({
        "protocolVersion": "0.3.0", "name": card.name, "description": card.description, "url": url,
        "preferredTransport": "JSONRPC", "version": card.version,
        "capabilities": {
            "streaming": card.capabilities.streaming,
            "pushNotifications": card.capabilities.push_notifications,
            "extensions": card.capabilities.extensions,
        },
        "defaultInputModes": card.default_input_modes, "defaultOutputModes": card.default_output_modes,
        "skills": card.skills.iter().map(skill).collect::<Vec<_>>(), "provider": card.provider,
        "documentationUrl": card.documentation_url, "iconUrl": card.icon_url,
        "supportsAuthenticatedExtendedCard": card.capabilities.extended_agent_card == Some(true),
    });
    if let Value::Object(members) = &mut written {
        members.retain(|_, value| !value.is_null());
        if !schemes.is_empty() {
            members.insert("securitySchemes".into(), Value::Object(schemes));
            members.insert("security".into(), requirements(&card.security_requirements));
        }
    }
    written
}

fn skill(skill: &AgentSkill) -> Value {
    let mut written = json!({
        "id": skill.id, "name": skill.name, "description": skill.description, "tags": skill.tags,
    });
    if let Value::Object(members) = &mut written {
        let lists = [
            ("examples", &skill.examples),
            ("inputModes", &skill.input_modes),
            ("outputModes", &skill.output_modes),
        ];
        members.extend(
            lists
                .into_iter()
                .filter(|(_, list)| !list.is_empty())
                .map(|(name, list)| (name.into(), json!(list))),
        );
        if !skill.security_requirements.is_empty() {
            members.insert("security".into(), requirements(&skill.security_requirements));
        }
    }
    written
}

fn requirements(requirements: &[SecurityRequirement]) -> Value {
    let one = |requirement: &SecurityRequirement| -> Value {
        let scopes = requirement.schemes.iter().map(|(name, scopes)| (name.clone(), json!(scopes.list)));
        Value::Object(scopes.collect())
    };
    requirements.iter().map(one).collect()
}

/// A scheme in the form of OpenAPI 3.0; `None` for a flow that version 0.3 does not know.
fn scheme(scheme: &SecurityScheme) -> Option<Value> {
    let mut written = match scheme {
        SecurityScheme::ApiKey { description, location, name } => {
            json!({"type": "apiKey", "in": location, "name": name, "description": description})
        }
        SecurityScheme::HttpAuth { description, scheme, bearer_format } => json!({
            "type": "http", "scheme": scheme, "bearerFormat": bearer_format, "description": description,
        }),
        SecurityScheme::OAuth2 { description, flows, oauth2_metadata_url } => json!({
            "type": "oauth2", "flows": oauth_flows(flows)?, "oauth2MetadataUrl": oauth2_metadata_url,
            "description": description,
        }),
        SecurityScheme::OpenIdConnect { description, open_id_connect_url } => json!({
            "type": "openIdConnect", "openIdConnectUrl": open_id_connect_url, "description": description,
        }),
        SecurityScheme::MutualTls { description } => {
            json!({"type": "mutualTLS", "description": description})
        }
    };
    if let Value::Object(members) = &mut written {
        members.retain(|_, value| value.as_str() != Some(""));
    }
    Some(written)
}

fn oauth_flows(flows: &OAuthFlows) -> Option<Value> {
    if matches!(flows, OAuthFlows::DeviceCode(_)) {
        return None;
    }
    let mut written = serde_json::to_value(flows).ok()?;
    if let Some(flow) = written.as_object_mut().and_then(|flows| flows.values_mut().next()?.as_object_mut()) {
        flow.remove("pkceRequired");
    }
    Some(written)
}
