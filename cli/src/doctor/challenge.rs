//! Checks the 401 answer to a request without a token, which contains the URL of the resource
//! metadata (RFC 9728 section 5.1).

use reqwest::StatusCode;
use reqwest::header::WWW_AUTHENTICATE;

use super::finding::{Component, Fault};
use super::http::HttpAnswer;
use super::target::Target;

/// How a client gets access, according to the challenge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Challenge {
    /// The URL of the resource metadata.
    Metadata(String),
    /// The endpoint accepts API keys only: the challenge has no metadata.
    KeyOnly,
}

pub(super) fn check_answer(answer: &HttpAnswer, target: &Target) -> Result<Challenge, Fault> {
    match answer.status {
        StatusCode::UNAUTHORIZED => parse_challenge(answer),
        StatusCode::FORBIDDEN => Err(Fault::new(
            Component::Endpoint,
            format!("the endpoint refuses requests for the host {:?} (403)", target.host),
            "add the host to the endpoint's allowed hosts (MSG2AGENT_MCP_ALLOWED_HOSTS of the MCP server)",
        )),
        StatusCode::NOT_FOUND => Err(Fault::new(
            Component::Client,
            format!("nothing is served at {} (404)", target.url.path()),
            "use the whole URL in status.mcpURL; its path is /mcp",
        )),
        status if status.is_success() => Err(Fault::new(
            Component::Endpoint,
            "the endpoint answers without any token: everybody who reaches it can read and send as this agent",
            "configure an API key for it first",
        )),
        status if status.is_server_error() => Err(Fault::new(
            Component::Endpoint,
            format!("the endpoint answers {status}"),
            "check that its pod is ready, and read its log",
        )),
        status => Err(Fault::new(
            Component::Endpoint,
            format!("the endpoint answers {status} instead of 401"),
            "check that this is an MCP endpoint",
        )),
    }
}

fn parse_challenge(answer: &HttpAnswer) -> Result<Challenge, Fault> {
    let values: Vec<_> =
        answer.headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok()).collect();
    let Some(bearer) = values
        .into_iter()
        .find(|value| value.get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case("bearer")))
    else {
        return Err(Fault::new(
            Component::Endpoint,
            "the 401 has no WWW-Authenticate: Bearer, so that clients cannot find out how to sign in",
            "check proxies in between: the MCP server always sends the header",
        ));
    };
    Ok(parameter(bearer, "resource_metadata")
        .map_or(Challenge::KeyOnly, |url| Challenge::Metadata(url.to_owned())))
}

/// A quoted parameter of a challenge (RFC 9110 section 11.2), without support for escaped quotes.
pub(super) fn parameter<'a>(challenge: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = challenge;
    while let Some(at) = rest.find(name) {
        let (before, after) = rest.split_at(at);
        let after = after.strip_prefix(name)?;
        let starts = before.ends_with([' ', ',', '\t']);
        if let Some(quoted) = after.strip_prefix("=\"").filter(|_| starts) {
            return quoted.split_once('"').map(|(value, _)| value);
        }
        rest = after;
    }
    None
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderMap;

    use super::*;

    fn target() -> Target {
        Target::load("https://mcp.example.com/mcp", None, None).unwrap_or_else(|_| unreachable!())
    }

    fn answered(status: u16, challenge: Option<&str>) -> HttpAnswer {
        let mut headers = HeaderMap::new();
        headers.extend(challenge.map(|value| (WWW_AUTHENTICATE, value.parse().unwrap())));
        HttpAnswer { status: StatusCode::from_u16(status).unwrap(), headers, body: Vec::new() }
    }

    #[test]
    fn a_challenge_has_the_metadata_url_or_requires_an_api_key() {
        let offered = r#"Bearer realm="x", resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource/mcp", scope="mcp:read""#;
        let metadata = "https://mcp.example.com/.well-known/oauth-protected-resource/mcp".to_owned();
        assert_eq!(check_answer(&answered(401, Some(offered)), &target()), Ok(Challenge::Metadata(metadata)));
        assert_eq!(
            check_answer(&answered(401, Some(r#"Bearer realm="x""#)), &target()),
            Ok(Challenge::KeyOnly)
        );
    }

    #[test]
    fn every_other_answer_blames_a_component() {
        let fault = |status, challenge| check_answer(&answered(status, challenge), &target()).unwrap_err();
        assert!(fault(401, None).cause.contains("no WWW-Authenticate"));
        assert!(fault(403, None).cause.contains("mcp.example.com"));
        assert_eq!(fault(404, None).side, Component::Client);
        assert!(fault(200, None).cause.contains("without any token"));
        assert!(fault(503, None).cause.contains("503"));
    }

    #[test]
    fn a_parameter_is_matched_by_its_whole_name() {
        assert_eq!(parameter(r#"Bearer xscope="a", scope="b""#, "scope"), Some("b"));
        assert_eq!(parameter(r#"Bearer scope=b"#, "scope"), None);
    }
}
