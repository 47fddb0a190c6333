//! The metadata of the authorization server (RFC 8414), whose issuer must be the very string that led there.

use reqwest::{Client, StatusCode, Url};
use serde::Deserialize;

use super::finding::{Fault, Side};
use super::web::{self, Seen};

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

pub(super) async fn read(client: &Client, issuer: &str) -> Result<IssuerMetadata, Fault> {
    let mut first = None;
    for place in places(issuer)? {
        let shown = place.to_string();
        let seen = web::ask(client.get(place), Side::AuthorizationServer).await?;
        let metadata = judge(&seen, &shown, issuer)?;
        first.get_or_insert(metadata);
    }
    first.ok_or_else(|| unusable(issuer, "there is none"))
}

/// Where clients look: RFC 8414 section 3.1, and OpenID Connect Discovery for those that know only that.
fn places(issuer: &str) -> Result<Vec<Url>, Fault> {
    let url: Url = issuer.parse().map_err(|_| unusable(issuer, "the issuer is no URL"))?;
    let path = url.path().trim_end_matches('/');
    let names = [
        format!("/.well-known/oauth-authorization-server{path}"),
        format!("/.well-known/openid-configuration{path}"),
    ];
    Ok(names.iter().filter_map(|name| url.join(name).ok()).collect())
}

fn judge(seen: &Seen, place: &str, issuer: &str) -> Result<IssuerMetadata, Fault> {
    if seen.status.is_server_error() {
        let cause = format!("the authorization server answers {} at {place}", seen.status);
        return Err(Fault::new(
            Side::AuthorizationServer,
            cause,
            "see whether the relay's pod is ready, and its log",
        ));
    }
    if seen.status != StatusCode::OK {
        return Err(unusable(place, &format!("it answers {}", seen.status)));
    }
    let metadata: IssuerMetadata =
        seen.json().ok_or_else(|| unusable(place, "it is not RFC 8414 metadata"))?;
    same_issuer(&metadata.issuer, issuer)?;
    if metadata.token_endpoint.parse::<Url>().is_err() {
        return Err(unusable(place, "token_endpoint is no URL"));
    }
    if !metadata.code_challenge_methods_supported.iter().any(|method| method == "S256") {
        return Err(unusable(
            place,
            "code_challenge_methods_supported lacks S256, and MCP clients then refuse to go on",
        ));
    }
    if !metadata.token_endpoint_auth_methods_supported.iter().any(|method| method == "none") {
        return Err(unusable(
            place,
            "token_endpoint_auth_methods_supported lacks none, so that public clients cannot get a token",
        ));
    }
    Ok(metadata)
}

fn same_issuer(found: &str, expected: &str) -> Result<(), Fault> {
    if found == expected {
        return Ok(());
    }
    let only_slash = found.trim_end_matches('/') == expected.trim_end_matches('/');
    let hint = if only_slash { " (they differ by a trailing slash)" } else { "" };
    let cause =
        format!("the authorization server calls itself {found:?}, the endpoint calls it {expected:?}{hint}");
    Err(Fault::new(
        Side::AuthorizationServer,
        cause,
        "clients compare letter by letter: set one canonical issuer in both",
    ))
}

fn unusable(place: &str, why: &str) -> Fault {
    let cause = format!("the metadata of the authorization server at {place} cannot be used: {why}");
    Fault::new(Side::AuthorizationServer, cause, "see the relay's settings for its public URL")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_look_where_the_path_is_inserted() {
        let found: Vec<_> =
            places("https://a.example/team").unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(
            found,
            [
                "https://a.example/.well-known/oauth-authorization-server/team",
                "https://a.example/.well-known/openid-configuration/team"
            ]
        );
    }

    #[test]
    fn a_slash_makes_another_issuer_and_is_called_one() {
        assert_eq!(same_issuer("https://a.example", "https://a.example"), Ok(()));
        let slash = same_issuer("https://a.example/", "https://a.example").unwrap_err();
        assert!(slash.cause.contains("trailing slash"), "{}", slash.cause);
        let other = same_issuer("https://b.example", "https://a.example").unwrap_err();
        assert!(!other.cause.contains("trailing slash"), "{}", other.cause);
    }
}
