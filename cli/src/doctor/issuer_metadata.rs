//! Checks the metadata of the authorization server (RFC 8414). Its issuer must equal the string in
//! the resource metadata.

use reqwest::{Client, StatusCode, Url};
use serde::Deserialize;

use super::finding::{Component, Fault};
use super::http::{self, HttpAnswer};

#[derive(Debug, Clone, Deserialize)]
pub(super) struct IssuerMetadata {
    pub(super) issuer: String,
    pub(super) authorization_endpoint: String,
    token_endpoint: String,
    pub(super) registration_endpoint: Option<String>,
    #[serde(default)]
    code_challenge_methods_supported: Vec<String>,
    #[serde(default)]
    token_endpoint_auth_methods_supported: Vec<String>,
    #[serde(default)]
    pub(super) client_id_metadata_document_supported: bool,
}

pub(super) async fn fetch(client: &Client, issuer: &str) -> Result<IssuerMetadata, Fault> {
    let mut first = None;
    for url in metadata_urls(issuer)? {
        let place = url.to_string();
        let answer = http::send(client.get(url), Component::AuthorizationServer).await?;
        let metadata = check_answer(&answer, &place, issuer)?;
        first.get_or_insert(metadata);
    }
    first.ok_or_else(|| unusable(issuer, "it is missing"))
}

/// The URLs that clients try: RFC 8414 section 3.1, and OpenID Connect Discovery.
fn metadata_urls(issuer: &str) -> Result<Vec<Url>, Fault> {
    let url: Url = issuer.parse().map_err(|_| unusable(issuer, "the issuer is not a URL"))?;
    let path = url.path().trim_end_matches('/');
    let paths = [
        format!("/.well-known/oauth-authorization-server{path}"),
        format!("/.well-known/openid-configuration{path}"),
    ];
    Ok(paths.iter().filter_map(|path| url.join(path).ok()).collect())
}

fn check_answer(answer: &HttpAnswer, place: &str, issuer: &str) -> Result<IssuerMetadata, Fault> {
    if answer.status.is_server_error() {
        let cause = format!("the authorization server answers {} at {place}", answer.status);
        return Err(Fault::new(
            Component::AuthorizationServer,
            cause,
            "check that the relay's pod is ready, and read its log",
        ));
    }
    if answer.status != StatusCode::OK {
        return Err(unusable(place, &format!("it answers {}", answer.status)));
    }
    let metadata: IssuerMetadata =
        answer.json().ok_or_else(|| unusable(place, "it is not RFC 8414 metadata"))?;
    check_issuer(&metadata.issuer, issuer)?;
    if metadata.token_endpoint.parse::<Url>().is_err() {
        return Err(unusable(place, "token_endpoint is not a URL"));
    }
    if !metadata.code_challenge_methods_supported.iter().any(|method| method == "S256") {
        return Err(unusable(
            place,
            "code_challenge_methods_supported lacks S256, which MCP clients require",
        ));
    }
    if !metadata.token_endpoint_auth_methods_supported.iter().any(|method| method == "none") {
        return Err(unusable(
            place,
            "token_endpoint_auth_methods_supported lacks none, so that public clients cannot get tokens",
        ));
    }
    Ok(metadata)
}

fn check_issuer(found: &str, expected: &str) -> Result<(), Fault> {
    if found == expected {
        return Ok(());
    }
    let only_slash = found.trim_end_matches('/') == expected.trim_end_matches('/');
    let hint = if only_slash { " (they differ by a trailing slash)" } else { "" };
    let cause =
        format!("the authorization server has the issuer {found:?}, the endpoint expects {expected:?}{hint}");
    Err(Fault::new(
        Component::AuthorizationServer,
        cause,
        "clients compare the strings exactly: configure the same issuer in both",
    ))
}

fn unusable(place: &str, why: &str) -> Fault {
    let cause = format!("the metadata of the authorization server at {place} cannot be used: {why}");
    Fault::new(Component::AuthorizationServer, cause, "check the public URL in the relay's settings")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_well_known_path_goes_before_the_path_of_the_issuer() {
        let found: Vec<_> =
            metadata_urls("https://a.example/team").unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(
            found,
            [
                "https://a.example/.well-known/oauth-authorization-server/team",
                "https://a.example/.well-known/openid-configuration/team"
            ]
        );
    }

    #[test]
    fn a_trailing_slash_makes_another_issuer_and_is_reported() {
        assert_eq!(check_issuer("https://a.example", "https://a.example"), Ok(()));
        let slash = check_issuer("https://a.example/", "https://a.example").unwrap_err();
        assert!(slash.cause.contains("trailing slash"), "{}", slash.cause);
        let other = check_issuer("https://b.example", "https://a.example").unwrap_err();
        assert!(!other.cause.contains("trailing slash"), "{}", other.cause);
    }
}
