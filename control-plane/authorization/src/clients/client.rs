//! Validates the metadata of OAuth clients. All clients are public clients (RFC 6749 section 2.1).

use serde::{Deserialize, Serialize};

use super::redirect_uri::RedirectUri;
use crate::error::{ErrorCode, OauthError};

/// The most redirect URIs of one client; native clients have two or three.
const REDIRECTS_MAX: usize = 16;
/// The longest part of a client's name that pages show, in characters.
const NAME_CHARS_MAX: usize = 80;
const UNNAMED_CLIENT: &str = "A client without a name";

/// A client whose metadata was validated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Client {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) redirect_uris: Vec<RedirectUri>,
}

/// The members of RFC 7591 section 2 that are read. Others are ignored, as the RFC asks; `null`
/// counts as absent.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct ClientMetadata {
    client_name: Option<String>,
    redirect_uris: Option<Vec<String>>,
    grant_types: Option<Vec<String>>,
    response_types: Option<Vec<String>>,
}

/// A registered client as it is stored.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct StoredClient {
    name: String,
    redirect_uris: Vec<String>,
}

impl Client {
    pub(crate) fn from_metadata(id: String, metadata: ClientMetadata) -> Result<Self, OauthError> {
        let invalid = |reason, what: &str| OauthError::new(ErrorCode::InvalidClientMetadata, reason, what);
        if metadata.grant_types.is_some_and(|types| !types.iter().any(|it| it == "authorization_code")) {
            return Err(invalid("grant_types", "grant_types must contain authorization_code"));
        }
        if metadata.response_types.is_some_and(|types| !types.iter().any(|it| it == "code")) {
            return Err(invalid("response_types", "response_types must contain code"));
        }
        let redirect_uris = redirect_uris(metadata.redirect_uris.unwrap_or_default())?;
        Ok(Self {
            id,
            name: display_name(metadata.client_name.as_deref().unwrap_or_default()),
            redirect_uris,
        })
    }

    pub(crate) fn from_stored(id: String, stored: StoredClient) -> Option<Self> {
        let parsed = stored.redirect_uris.iter().map(|uri| RedirectUri::parse(uri).ok());
        Some(Self { id, name: stored.name, redirect_uris: parsed.collect::<Option<_>>()? })
    }

    pub(crate) fn to_stored(&self) -> StoredClient {
        StoredClient {
            name: self.name.clone(),
            redirect_uris: self.redirect_uris.iter().map(ToString::to_string).collect(),
        }
    }

    /// The redirect URI of a request, if the client registered it.
    pub(crate) fn redirect(&self, asked: &str) -> Option<RedirectUri> {
        let asked = RedirectUri::parse(asked).ok()?;
        self.redirect_uris.iter().any(|registered| asked.matches(registered)).then_some(asked)
    }
}

fn redirect_uris(texts: Vec<String>) -> Result<Vec<RedirectUri>, OauthError> {
    let invalid = |what: String| OauthError::new(ErrorCode::InvalidRedirectUri, "redirect_uris", what);
    if texts.is_empty() || texts.len() > REDIRECTS_MAX {
        return Err(invalid(format!("redirect_uris must hold 1 to {REDIRECTS_MAX} URIs")));
    }
    texts.iter().map(|text| RedirectUri::parse(text).map_err(|error| invalid(error.to_string()))).collect()
}

/// The name without control characters and without characters that change the direction of the text
/// around it on a page.
fn display_name(name: &str) -> String {
    let is_harmless = |c: &char| {
        !c.is_control()
            && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    let shown: String = name.chars().filter(is_harmless).take(NAME_CHARS_MAX).collect();
    let shown = shown.trim();
    if shown.is_empty() { UNNAMED_CLIENT.to_owned() } else { shown.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(json: &str) -> Result<Client, OauthError> {
        Client::from_metadata("id".into(), serde_json::from_str(json).unwrap())
    }

    #[test]
    fn the_registration_of_claude_code_is_accepted() {
        let taken = client(
            r#"{"client_name":"Claude Code","redirect_uris":["http://localhost:41234/callback"],"application_type":"native",
            "grant_types":["authorization_code","refresh_token"],"response_types":["code"],"scope":null,
            "token_endpoint_auth_method":"none"}"#,
        )
        .unwrap();
        assert_eq!(taken.name, "Claude Code");
        assert!(taken.redirect("http://localhost:5/callback").is_some());
        assert!(taken.redirect("https://elsewhere.example/callback").is_none());
        let stored = serde_json::to_string(&taken.to_stored()).unwrap();
        assert_eq!(Client::from_stored("id".into(), serde_json::from_str(&stored).unwrap()), Some(taken));
    }

    #[test]
    fn metadata_that_cannot_be_served_is_refused_with_its_reason() {
        let many = vec![r#""https://a.example/""#; REDIRECTS_MAX + 1].join(",");
        let many = format!(r#"{{"redirect_uris":[{many}]}}"#);
        for (json, reason) in [
            ("{}", "redirect_uris"),
            (r#"{"redirect_uris":[]}"#, "redirect_uris"),
            (r#"{"redirect_uris":["http://a.example/"]}"#, "redirect_uris"),
            (many.as_str(), "redirect_uris"),
            (
                r#"{"redirect_uris":["https://a.example/"],"grant_types":["client_credentials"]}"#,
                "grant_types",
            ),
            (r#"{"redirect_uris":["https://a.example/"],"response_types":["token"]}"#, "response_types"),
        ] {
            assert_eq!(client(json).unwrap_err().reason, reason, "{json}");
        }
    }

    #[test]
    fn a_name_cannot_turn_the_text_around_it() {
        assert_eq!(display_name("Cla\u{202e}ude\n "), "Claude");
        assert_eq!(display_name("\u{200b} "), UNNAMED_CLIENT);
        assert_eq!(display_name(&"x".repeat(200)).chars().count(), NAME_CHARS_MAX);
    }
}
