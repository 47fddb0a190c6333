//! The metadata of the protected resource (RFC 9728), at every place where one client or another looks for it.

use reqwest::{Client, StatusCode, Url};
use serde::Deserialize;

use super::finding::{Fault, Side};
use super::target::Target;
use super::web::{self, Seen};

const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

#[derive(Debug, Clone, Deserialize)]
pub(super) struct ResourceMetadata {
    resource: String,
    #[serde(default)]
    pub(super) authorization_servers: Vec<String>,
    #[serde(default)]
    pub(super) scopes_supported: Vec<String>,
}

/// Reads the document the challenge names and the two well-known places.
pub(super) async fn read(client: &Client, target: &Target, named: &str) -> Result<ResourceMetadata, Fault> {
    let mut places = vec![named.to_owned()];
    for path in [format!("{WELL_KNOWN}{}", target.url.path()), WELL_KNOWN.to_owned()] {
        let url = target.url.join(&path).map(String::from).unwrap_or_default();
        if !places.contains(&url) {
            places.push(url);
        }
    }
    let mut first = None;
    for place in places {
        let url: Url = place.parse().map_err(|_| unusable(&place, "it is no URL"))?;
        let seen = web::ask(client.get(url), Side::Endpoint).await?;
        let metadata = judge(&seen, &place, target)?;
        first.get_or_insert(metadata);
    }
    first.ok_or_else(|| unusable(named, "there is none"))
}

fn judge(seen: &Seen, place: &str, target: &Target) -> Result<ResourceMetadata, Fault> {
    if seen.status == StatusCode::NOT_FOUND {
        let cause = format!("the resource metadata is not at {place} (404); some clients look only there");
        return Err(Fault::new(
            Side::Endpoint,
            cause,
            "route /.well-known/oauth-protected-resource and everything below it to the MCP server",
        ));
    }
    if seen.status != StatusCode::OK {
        return Err(unusable(place, &format!("it answers {}", seen.status)));
    }
    let metadata: ResourceMetadata =
        seen.json().ok_or_else(|| unusable(place, "it is not RFC 9728 metadata"))?;
    if metadata.resource != target.text {
        let cause = format!(
            "the metadata is about {:?}, and the client was given {:?}: tokens would have the wrong audience",
            metadata.resource, target.text
        );
        return Err(Fault::new(
            Side::Endpoint,
            cause,
            "paste the URL exactly as the metadata has it, or set the endpoint's public URL to what people paste",
        ));
    }
    if metadata.authorization_servers.is_empty() {
        return Err(unusable(place, "it names no authorization server"));
    }
    Ok(metadata)
}

fn unusable(place: &str, why: &str) -> Fault {
    Fault::new(
        Side::Endpoint,
        format!("the resource metadata at {place} cannot be used: {why}"),
        "see the MCP server's settings for its public URL and issuer",
    )
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderMap;

    use super::*;

    fn judged(status: u16, body: &str) -> Result<ResourceMetadata, Fault> {
        let target =
            Target::read("https://mcp.example.com/mcp", None, None).unwrap_or_else(|_| unreachable!());
        let seen = Seen {
            status: StatusCode::from_u16(status).unwrap(),
            headers: HeaderMap::new(),
            body: body.into(),
        };
        judge(&seen, "https://mcp.example.com/.well-known/oauth-protected-resource", &target)
    }

    #[test]
    fn metadata_is_about_the_very_url() {
        let good = r#"{"resource":"https://mcp.example.com/mcp","authorization_servers":["https://relay.example.com"]}"#;
        assert_eq!(judged(200, good).unwrap().authorization_servers, ["https://relay.example.com"]);
        let other = judged(200, &good.replace("/mcp\"", "/mcp/\"")).unwrap_err();
        assert!(other.cause.contains("wrong audience"), "{}", other.cause);
    }

    #[test]
    fn a_missing_place_and_an_empty_document_are_named() {
        assert!(judged(404, "").unwrap_err().cause.contains("some clients look only there"));
        assert!(judged(200, "{}").unwrap_err().cause.contains("not RFC 9728"));
        let nobody = judged(200, r#"{"resource":"https://mcp.example.com/mcp"}"#).unwrap_err();
        assert!(nobody.cause.contains("no authorization server"));
    }
}
