//! The first request of every client, without a token: the endpoint says 401 and where its metadata is (RFC 9728 section 5.1).

use reqwest::StatusCode;
use reqwest::header::WWW_AUTHENTICATE;

use super::finding::{Fault, Side};
use super::target::Target;
use super::web::Seen;

/// What a refusal offers to a client that can sign in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Challenge {
    /// The URL of the resource metadata.
    Metadata(String),
    /// A bearer token is wanted, and nobody says where to get one: an API key.
    KeyOnly,
}

pub(super) fn judge(seen: &Seen, target: &Target) -> Result<Challenge, Fault> {
    match seen.status {
        StatusCode::UNAUTHORIZED => challenge(seen),
        StatusCode::FORBIDDEN => Err(Fault::new(
            Side::Endpoint,
            format!("the endpoint refuses requests for the host {:?} (403)", target.host),
            "add the name to the endpoint's public names (MSG2AGENT_MCP_ALLOWED_HOSTS of the MCP server)",
        )),
        StatusCode::NOT_FOUND => Err(Fault::new(
            Side::Client,
            format!("nothing is served at {} (404)", target.url.path()),
            "paste the whole URL of status.mcpURL; its path is /mcp",
        )),
        status if status.is_success() => Err(Fault::new(
            Side::Endpoint,
            "the endpoint answers without any token: everybody who reaches it reads and sends as this agent",
            "give it a key before anything else",
        )),
        status if status.is_server_error() => Err(Fault::new(
            Side::Endpoint,
            format!("the endpoint answers {status}"),
            "see whether its pod is ready, and its log",
        )),
        status => Err(Fault::new(
            Side::Endpoint,
            format!("the endpoint answers {status}, and no 401"),
            "is this an MCP endpoint?",
        )),
    }
}

fn challenge(seen: &Seen) -> Result<Challenge, Fault> {
    let values: Vec<_> =
        seen.headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok()).collect();
    let Some(bearer) = values
        .into_iter()
        .find(|value| value.get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case("bearer")))
    else {
        return Err(Fault::new(
            Side::Endpoint,
            "the 401 has no WWW-Authenticate: Bearer, so that a client cannot know how to sign in",
            "a proxy in between may have removed the header; the MCP server itself always sends it",
        ));
    };
    Ok(parameter(bearer, "resource_metadata")
        .map_or(Challenge::KeyOnly, |url| Challenge::Metadata(url.to_owned())))
}

/// A quoted parameter of a challenge (RFC 9110 section 11.2). Ours hold no escaped quotes.
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
        Target::read("https://mcp.example.com/mcp", None, None).unwrap_or_else(|_| unreachable!())
    }

    fn seen(status: u16, challenge: Option<&str>) -> Seen {
        let mut headers = HeaderMap::new();
        headers.extend(challenge.map(|value| (WWW_AUTHENTICATE, value.parse().unwrap())));
        Seen { status: StatusCode::from_u16(status).unwrap(), headers, body: Vec::new() }
    }

    #[test]
    fn a_challenge_names_the_metadata_or_wants_a_key() {
        let offered = r#"Bearer realm="x", resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource/mcp", scope="mcp:read""#;
        let metadata = "https://mcp.example.com/.well-known/oauth-protected-resource/mcp".to_owned();
        assert_eq!(judge(&seen(401, Some(offered)), &target()), Ok(Challenge::Metadata(metadata)));
        assert_eq!(judge(&seen(401, Some(r#"Bearer realm="x""#)), &target()), Ok(Challenge::KeyOnly));
    }

    #[test]
    fn each_other_answer_names_its_side() {
        let fault = |status, challenge| judge(&seen(status, challenge), &target()).unwrap_err();
        assert!(fault(401, None).cause.contains("no WWW-Authenticate"));
        assert!(fault(403, None).cause.contains("mcp.example.com"));
        assert_eq!(fault(404, None).side, Side::Client);
        assert!(fault(200, None).cause.contains("without any token"));
        assert!(fault(503, None).cause.contains("503"));
    }

    #[test]
    fn a_parameter_is_found_by_its_whole_name() {
        assert_eq!(parameter(r#"Bearer xscope="a", scope="b""#, "scope"), Some("b"));
        assert_eq!(parameter(r#"Bearer scope=b"#, "scope"), None);
    }
}
