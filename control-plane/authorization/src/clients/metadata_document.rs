//! Client ID Metadata Documents (draft-ietf-oauth-client-id-metadata-document): the client id is
//! the https URL of a document that describes the client. Pure; `document_fetcher` fetches them.

use std::time::Duration;

use protocol::strict_json;
use serde::Deserialize;
use url::{Host, Url};

use super::client::{Client, ClientMetadata};
use crate::error::{ErrorCode, OauthError};

/// The longest document, in bytes, as the draft advises.
pub(crate) const DOCUMENT_BYTES_MAX: usize = 5 * 1024;
/// The longest client id, in bytes.
const CLIENT_ID_BYTES_MAX: usize = 512;
/// The shortest time a document is cached, whatever its `Cache-Control` says: it limits how often a
/// server is asked for it.
const MIN_DOCUMENT_TTL: Duration = Duration::from_secs(60);
/// The longest time a document is cached, so that a client that lost its domain or changed its
/// redirect URIs is noticed within an hour.
const MAX_DOCUMENT_TTL: Duration = Duration::from_secs(3600);
/// The time a document without `Cache-Control` is cached.
const DEFAULT_DOCUMENT_TTL: Duration = Duration::from_secs(600);

#[derive(Deserialize)]
struct Document {
    client_id: String,
    /// What the client prefers.
    token_endpoint_auth_method: Option<String>,
    /// What it can do besides.
    #[serde(default)]
    token_endpoint_auth_methods_supported: Vec<String>,
    #[serde(default)]
    client_secret: Option<serde::de::IgnoredAny>,
    #[serde(flatten)]
    metadata: ClientMetadata,
}

impl Document {
    /// Whether the client can be one without credentials, which is the only kind here. A client
    /// that prefers another method may say so besides, as ChatGPT does.
    fn is_public(&self) -> bool {
        let mut methods = self.token_endpoint_auth_methods_supported.iter();
        let preferred = self.token_endpoint_auth_method.as_deref();
        preferred.is_none_or(|method| method == "none") || methods.any(|method| method == "none")
    }
}

/// Whether a client id is the URL of a metadata document.
pub(crate) fn is_document_url(client_id: &str) -> bool {
    client_id.starts_with("https://")
}

/// The URL, if it may be fetched: https with a host name on the default port and a path, without
/// dot segments, query, fragment and credentials.
pub(crate) fn parse_url(client_id: &str) -> Result<Url, OauthError> {
    let refused = |what| Err(OauthError::new(ErrorCode::InvalidClient, "client_id_url", what));
    let Ok(url) = Url::parse(client_id) else { return refused("the client_id is not a URL") };
    if client_id.len() > CLIENT_ID_BYTES_MAX || url.as_str() != client_id {
        return refused("the client_id is not a normalized URL, or is too long");
    }
    let named = matches!(url.host(), Some(Host::Domain(name)) if name.contains('.'));
    if url.scheme() != "https" || !named || url.port().is_some() {
        return refused("a client_id URL must be https with a public host name on port 443");
    }
    let plain = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    if !plain || url.password().is_some() || url.path() == "/" {
        return refused("a client_id URL must have a path, and no query, fragment or credentials");
    }
    Ok(url)
}

/// The client that a document describes. Its `client_id` must be the URL it was fetched from.
pub(crate) fn parse(client_id: &str, bytes: &[u8]) -> Result<Client, OauthError> {
    let refused = |what: String| OauthError::new(ErrorCode::InvalidClient, "client_document", what);
    let document: Document =
        strict_json::from_slice(bytes).map_err(|error| refused(format!("the client's document: {error}")))?;
    if document.client_id != client_id {
        return Err(refused("the client's document is for another client_id".into()));
    }
    if !document.is_public() || document.client_secret.is_some() {
        return Err(refused(
            "the client's document must allow the token_endpoint_auth_method none, and have no secret".into(),
        ));
    }
    Client::from_metadata(document.client_id, document.metadata)
        .map_err(|error| refused(format!("the client's document: {}", error.description)))
}

/// How long a document may be cached, according to its `Cache-Control`.
pub(crate) fn cache_ttl(cache_control: Option<&str>) -> Duration {
    let Some(value) = cache_control else { return DEFAULT_DOCUMENT_TTL };
    let mut directives = value.split(',').map(str::trim);
    if directives.clone().any(|it| it.eq_ignore_ascii_case("no-store") || it.eq_ignore_ascii_case("no-cache"))
    {
        return MIN_DOCUMENT_TTL;
    }
    let age = directives.find_map(|it| it.strip_prefix("max-age=")?.parse().ok());
    age.map_or(DEFAULT_DOCUMENT_TTL, Duration::from_secs).clamp(MIN_DOCUMENT_TTL, MAX_DOCUMENT_TTL)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID: &str = "https://client.example/metadata";

    fn document(rest: &str) -> String {
        format!(
            r#"{{"client_id":"{ID}","client_name":"C","redirect_uris":["https://client.example/cb"]{rest}}}"#
        )
    }

    #[test]
    fn a_document_describes_the_client_at_its_own_url_only() {
        let client = parse(ID, document(r#","token_endpoint_auth_method":"none""#).as_bytes()).unwrap();
        assert_eq!((client.id.as_str(), client.name.as_str()), (ID, "C"));
        let other = parse("https://client.example/other", document("").as_bytes()).unwrap_err();
        assert!(other.description.contains("another client_id"));
    }

    #[test]
    fn a_client_that_prefers_credentials_and_can_do_without_is_accepted() {
        let methods = |supported: &str| {
            let preferred = r#","token_endpoint_auth_method":"private_key_jwt""#;
            let keys = r#","jwks_uri":"https://client.example/jwks.json""#;
            document(&format!(r#"{preferred}{keys},"token_endpoint_auth_methods_supported":[{supported}]"#))
        };
        parse(ID, methods(r#""none","private_key_jwt""#).as_bytes()).unwrap();
        let refused = parse(ID, methods(r#""private_key_jwt""#).as_bytes()).unwrap_err();
        assert!(refused.description.contains("auth_method none"), "{refused:?}");
    }

    #[test]
    fn a_document_with_a_secret_is_refused() {
        let supported = r#","client_secret":"x","token_endpoint_auth_methods_supported":["none"]"#;
        let method = r#","token_endpoint_auth_method":"client_secret_post""#;
        for rest in [r#","client_secret":"x""#, supported, method] {
            let refused = parse(ID, document(rest).as_bytes()).unwrap_err();
            assert!(refused.description.contains("no secret"), "{refused:?}");
        }
        assert_eq!(parse(ID, b"<html>").unwrap_err().reason, "client_document");
    }

    #[test]
    fn only_urls_on_the_default_port_of_a_public_name_are_fetched() {
        parse_url(ID).unwrap();
        for bad in [
            "http://client.example/m",
            "https://client.example",
            "https://client.example/",
            "https://client.example:8443/m",
            "https://127.0.0.1/m",
            "https://[::1]/m",
            "https://localhost/m",
            "https://client.example/m?x",
            "https://client.example/m#x",
            "https://u:p@client.example/m",
            "https://client.example/a/../m",
            "https://CLIENT.example/m",
        ] {
            assert_eq!(parse_url(bad).unwrap_err().reason, "client_id_url", "{bad}");
        }
    }

    #[test]
    fn freshness_is_clamped() {
        for (header, seconds) in [
            (None, 600),
            (Some("public, max-age=300"), 300),
            (Some("max-age=1"), 60),
            (Some("max-age=999999"), 3600),
            (Some("no-store, max-age=3000"), 60),
            (Some("max-age=x"), 600),
        ] {
            assert_eq!(cache_ttl(header).as_secs(), seconds, "{header:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_a_parser_panic(bytes: Vec<u8>, text in "https://.{0,60}") {
            let _ = parse(ID, &bytes);
            let _ = parse_url(&text);
            let _ = cache_ttl(Some(&text));
        }
    }
}
