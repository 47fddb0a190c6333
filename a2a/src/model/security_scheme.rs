//! Holds how callers of an agent authenticate.

use std::collections::BTreeMap;

use serde::Serialize;

use super::TEXTS_MAX;
use crate::proto_json::{FieldViolation, Fields, FromProtoJson};

/// One way to authenticate. Its name on the wire says which.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all_fields = "camelCase")]
pub enum SecurityScheme {
    #[serde(rename = "apiKeySecurityScheme")]
    ApiKey {
        #[serde(skip_serializing_if = "String::is_empty")]
        description: String,
        /// `query`, `header` or `cookie`.
        location: String,
        name: String,
    },
    #[serde(rename = "httpAuthSecurityScheme")]
    HttpAuth {
        #[serde(skip_serializing_if = "String::is_empty")]
        description: String,
        scheme: String,
        #[serde(skip_serializing_if = "String::is_empty")]
        bearer_format: String,
    },
    #[serde(rename = "oauth2SecurityScheme")]
    OAuth2 {
        #[serde(skip_serializing_if = "String::is_empty")]
        description: String,
        flows: OAuthFlows,
        #[serde(skip_serializing_if = "String::is_empty")]
        oauth2_metadata_url: String,
    },
    #[serde(rename = "openIdConnectSecurityScheme")]
    OpenIdConnect {
        #[serde(skip_serializing_if = "String::is_empty")]
        description: String,
        open_id_connect_url: String,
    },
    #[serde(rename = "mtlsSecurityScheme")]
    MutualTls {
        #[serde(skip_serializing_if = "String::is_empty")]
        description: String,
    },
}

/// The one flow of OAuth that a scheme has. Its name on the wire says which.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum OAuthFlows {
    AuthorizationCode(OAuthFlow),
    ClientCredentials(OAuthFlow),
    DeviceCode(OAuthFlow),
    Implicit(OAuthFlow),
    Password(OAuthFlow),
}

/// The URLs and scopes of a flow. What a flow has no use for is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OAuthFlow {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub authorization_url: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub device_authorization_url: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub token_url: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub refresh_url: String,
    /// Each scope with what it allows.
    pub scopes: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub pkce_required: bool,
}

/// Schemes that are needed together, each with its scopes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SecurityRequirement {
    pub schemes: BTreeMap<String, StringList>,
}

/// A list of texts, which the proto file wraps.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct StringList {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub list: Vec<String>,
}

impl FromProtoJson for SecurityScheme {
    fn read(fields: &Fields<'_>) -> Result<Self, FieldViolation> {
        let names = [
            "apiKeySecurityScheme",
            "httpAuthSecurityScheme",
            "oauth2SecurityScheme",
            "openIdConnectSecurityScheme",
            "mtlsSecurityScheme",
        ];
        for name in names {
            let Some(value) = fields.get(name)? else { continue };
            return read_scheme(name, &Fields::of(value, &fields.path(name))?);
        }
        Err(fields.violation("scheme", "must be a known security scheme"))
    }
}

fn read_scheme(name: &str, fields: &Fields<'_>) -> Result<SecurityScheme, FieldViolation> {
    let description = fields.text("description")?;
    Ok(match name {
        "apiKeySecurityScheme" => SecurityScheme::ApiKey {
            description,
            location: fields.required_text("location")?,
            name: fields.required_text("name")?,
        },
        "httpAuthSecurityScheme" => SecurityScheme::HttpAuth {
            description,
            scheme: fields.required_text("scheme")?,
            bearer_format: fields.text("bearerFormat")?,
        },
        "oauth2SecurityScheme" => SecurityScheme::OAuth2 {
            description,
            flows: fields.required_message("flows")?,
            oauth2_metadata_url: fields.text("oauth2MetadataUrl")?,
        },
        "openIdConnectSecurityScheme" => SecurityScheme::OpenIdConnect {
            description,
            open_id_connect_url: fields.required_text("openIdConnectUrl")?,
        },
        _ => SecurityScheme::MutualTls { description },
    })
}

impl FromProtoJson for OAuthFlows {
    fn read(fields: &Fields<'_>) -> Result<Self, FieldViolation> {
        let flows = [
            ("authorizationCode", Self::AuthorizationCode as fn(_) -> _),
            ("clientCredentials", Self::ClientCredentials),
            ("deviceCode", Self::DeviceCode),
            ("implicit", Self::Implicit),
            ("password", Self::Password),
        ];
        for (name, wrap) in flows {
            if let Some(flow) = fields.message(name)? {
                return Ok(wrap(flow));
            }
        }
        Err(fields.violation("flow", "must be a known flow of OAuth"))
    }
}

impl FromProtoJson for OAuthFlow {
    fn read(fields: &Fields<'_>) -> Result<Self, FieldViolation> {
        let mut scopes = BTreeMap::new();
        for (scope, text) in fields.object("scopes")?.unwrap_or_default() {
            let text = text.as_str().ok_or_else(|| fields.violation("scopes", "must be a map of strings"))?;
            scopes.insert(scope, text.to_owned());
        }
        Ok(Self {
            authorization_url: fields.text("authorizationUrl")?,
            device_authorization_url: fields.text("deviceAuthorizationUrl")?,
            token_url: fields.text("tokenUrl")?,
            refresh_url: fields.text("refreshUrl")?,
            scopes,
            pkce_required: fields.flag("pkceRequired")?,
        })
    }
}

impl FromProtoJson for SecurityRequirement {
    fn read(fields: &Fields<'_>) -> Result<Self, FieldViolation> {
        Ok(Self { schemes: fields.map("schemes")?.into_iter().collect() })
    }
}

impl FromProtoJson for StringList {
    fn read(fields: &Fields<'_>) -> Result<Self, FieldViolation> {
        Ok(Self { list: fields.texts("list", TEXTS_MAX)? })
    }
}
