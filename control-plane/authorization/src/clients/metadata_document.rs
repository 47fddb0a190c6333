//! Client ID Metadata Documents (draft-ietf-oauth-client-id-metadata-document): the client id is an https URL, and what it
//! leads to describes the client. Pure; fetching is in `oauth/fetch.rs`.

use std::time::Duration;

use protocol::strict_json;
use serde::Deserialize;
use url::{Host, Url};

use super::{Client, Metadata};
use crate::oauth::error::{ErrorCode, OauthError};

/// Bytes of a document (the draft's advice is 5 KB).
pub(in crate::oauth) const DOCUMENT_BYTES_MAX: usize = 5 * 1024;
/// Bytes of the URL.
const CLIENT_ID_BYTES_MAX: usize = 512;
/// A document is not fetched more often than this, whatever it says.
const FRESH_MIN: Duration = Duration::from_secs(60);
/// Nor kept longer: a client that lost its domain or changed its redirects is noticed within an hour.
const FRESH_MAX: Duration = Duration::from_secs(3600);
/// When it does not say.
const FRESH_DEFAULT: Duration = Duration::from_secs(600);

#[derive(Deserialize)]
struct Document {
    client_id: String,
    token_endpoint_auth_method: Option<String>,
    #[serde(default)]
    client_secret: Option<serde::de::IgnoredAny>,
    #[serde(flatten)]
    metadata: Metadata,
}

/// Whether a client id is meant as the URL of a document.
pub(in crate::oauth) fn is_document_url(client_id: &str) -> bool {
    client_id.starts_with("https://")
}

/// The URL, if it is one that may be fetched: https by name and default port, with a path, without dot segments, query,
/// fragment and credentials.
pub(in crate::oauth) fn parse_url(client_id: &str) -> Result<Url, OauthError> {
    let refused = |what| Err(OauthError::new(ErrorCode::InvalidClient, "client_id_url", what));
    let Ok(url) = Url::parse(client_id) else { return refused("the client_id is not a URL") };
    if client_id.len() > CLIENT_ID_BYTES_MAX || url.as_str() != client_id {
        return refused("the client_id is not a URL in its normal spelling");
    }
    let named = matches!(url.host(), Some(Host::Domain(name)) if name.contains('.'));
    if url.scheme() != "https" || !named || url.port().is_some() {
        return refused("a client_id URL is https on port 443 of a public name");
    }
    let plain = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    if !plain || url.password().is_some() || url.path() == "/" {
        return refused("a client_id URL has a path, and no query, fragment or credentials");
    }
    Ok(url)
}

/// The client that a document describes.
pub(in crate::oauth) fn parse(client_id: &str, bytes: &[u8]) -> Result<Client, OauthError> {
    let refused = |what: String| OauthError::new(ErrorCode::InvalidClient, "client_document", what);
    let document: Document =
        strict_json::from_slice(bytes).map_err(|error| refused(format!("the client's document: {error}")))?;
    if document.client_id != client_id {
        return Err(refused("the client's document is about another client_id".into()));
    }
    let public = document.token_endpoint_auth_method.is_none_or(|method| method == "none");
    if !public || document.client_secret.is_some() {
        return Err(refused(
            "the client's document must say token_endpoint_auth_method none, and no secret".into(),
        ));
    }
    Client::from_metadata(document.client_id, document.metadata)
        .map_err(|error| refused(format!("the client's document: {}", error.description)))
}

/// How long a document may be used, by its `Cache-Control`.
pub(in crate::oauth) fn freshness(cache_control: Option<&str>) -> Duration {
    let Some(value) = cache_control else { return FRESH_DEFAULT };
    let mut directives = value.split(',').map(str::trim);
    if directives.clone().any(|it| it.eq_ignore_ascii_case("no-store") || it.eq_ignore_ascii_case("no-cache"))
    {
        return FRESH_MIN;
    }
    let age = directives.find_map(|it| it.strip_prefix("max-age=")?.parse().ok());
    age.map_or(FRESH_DEFAULT, Duration::from_secs).clamp(FRESH_MIN, FRESH_MAX)
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
    fn a_document_with_a_secret_is_refused() {
        for rest in [r#","client_secret":"x""#, r#","token_endpoint_auth_method":"client_secret_post""#] {
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
            assert_eq!(freshness(header).as_secs(), seconds, "{header:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_a_parser_panic(bytes: Vec<u8>, text in "https://.{0,60}") {
            let _ = parse(ID, &bytes);
            let _ = parse_url(&text);
            let _ = freshness(Some(&text));
        }
    }
}
