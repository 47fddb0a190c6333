//! Checks the metadata of the protected resource (RFC 9728), at every URL that some client tries.

use reqwest::{Client, StatusCode, Url};
use serde::Deserialize;

use super::finding::{Component, Fault};
use super::http::{self, HttpAnswer};
use super::target::Target;

const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

#[derive(Debug, Clone, Deserialize)]
pub(super) struct ResourceMetadata {
    resource: String,
    #[serde(default)]
    pub(super) authorization_servers: Vec<String>,
    #[serde(default)]
    pub(super) scopes_supported: Vec<String>,
}

/// Fetches the document from the URL in the challenge and from both well-known URLs.
pub(super) async fn fetch(
    client: &Client,
    target: &Target,
    challenge_url: &str,
) -> Result<ResourceMetadata, Fault> {
    let mut urls = vec![challenge_url.to_owned()];
    for path in [format!("{WELL_KNOWN}{}", target.url.path()), WELL_KNOWN.to_owned()] {
        let url = target.url.join(&path).map(String::from).unwrap_or_default();
        if !urls.contains(&url) {
            urls.push(url);
        }
    }
    let mut first = None;
    for place in urls {
        let url: Url = place.parse().map_err(|_| unusable(&place, "that is not a URL"))?;
        let answer = http::send(client.get(url), Component::Endpoint).await?;
        let metadata = check_answer(&answer, &place, target)?;
        first.get_or_insert(metadata);
    }
    first.ok_or_else(|| unusable(challenge_url, "it is missing"))
}

fn check_answer(answer: &HttpAnswer, place: &str, target: &Target) -> Result<ResourceMetadata, Fault> {
    if answer.status == StatusCode::NOT_FOUND {
        let cause = format!("the resource metadata is not at {place} (404); some clients look only there");
        return Err(Fault::new(
            Component::Endpoint,
            cause,
            "route /.well-known/oauth-protected-resource and everything below it to the MCP server",
        ));
    }
    if answer.status != StatusCode::OK {
        return Err(unusable(place, &format!("it answers {}", answer.status)));
    }
    let metadata: ResourceMetadata =
        answer.json().ok_or_else(|| unusable(place, "it is not RFC 9728 metadata"))?;
    if metadata.resource != target.text {
        let cause = format!(
            "the metadata describes {:?}, but the client uses {:?}: tokens would have the wrong audience",
            metadata.resource, target.text
        );
        return Err(Fault::new(
            Component::Endpoint,
            cause,
            "use the URL exactly as in the metadata, or configure the endpoint's public URL to match",
        ));
    }
    if metadata.authorization_servers.is_empty() {
        return Err(unusable(place, "it lists no authorization server"));
    }
    Ok(metadata)
}

fn unusable(place: &str, why: &str) -> Fault {
    Fault::new(
        Component::Endpoint,
        format!("the resource metadata at {place} cannot be used: {why}"),
        "check the public URL and the issuer in the MCP server's settings",
    )
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderMap;

    use super::*;

    fn checked(status: u16, body: &str) -> Result<ResourceMetadata, Fault> {
        let target =
            Target::load("https://mcp.example.com/mcp", None, None).unwrap_or_else(|_| unreachable!());
        let answer = HttpAnswer {
            status: StatusCode::from_u16(status).unwrap(),
            headers: HeaderMap::new(),
            body: body.into(),
        };
        check_answer(&answer, "https://mcp.example.com/.well-known/oauth-protected-resource", &target)
    }

    #[test]
    fn metadata_must_describe_exactly_this_url() {
        let good = r#"{"resource":"https://mcp.example.com/mcp","authorization_servers":["https://relay.example.com"]}"#;
        assert_eq!(checked(200, good).unwrap().authorization_servers, ["https://relay.example.com"]);
        let other = checked(200, &good.replace("/mcp\"", "/mcp/\"")).unwrap_err();
        assert!(other.cause.contains("wrong audience"), "{}", other.cause);
    }

    #[test]
    fn a_missing_and_an_empty_document_are_reported() {
        assert!(checked(404, "").unwrap_err().cause.contains("some clients look only there"));
        assert!(checked(200, "{}").unwrap_err().cause.contains("not RFC 9728"));
        let nobody = checked(200, r#"{"resource":"https://mcp.example.com/mcp"}"#).unwrap_err();
        assert!(nobody.cause.contains("no authorization server"));
    }
}
