//! What the endpoint says to the token.

use reqwest::StatusCode;
use reqwest::header::WWW_AUTHENTICATE;
use serde::Deserialize;

use super::challenge::parameter;
use super::finding::{Fault, Side};
use super::web::Seen;

/// The problem document of the MCP server.
#[derive(Debug, Default, Deserialize)]
struct Problem {
    #[serde(default)]
    reason: String,
    #[serde(default)]
    detail: String,
}

/// # Errors
/// The token is not taken.
pub(super) fn judge(seen: &Seen) -> Result<(), Fault> {
    match seen.status {
        StatusCode::UNAUTHORIZED => Err(refused(seen)),
        StatusCode::FORBIDDEN => {
            let needed =
                challenge(seen).and_then(|challenge| parameter(challenge, "scope")).unwrap_or("more scopes");
            let cause = format!("the token is good, and may not do this: it needs {needed}");
            Err(Fault::new(Side::Client, cause, "sign in again and grant these scopes"))
        }
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            let Problem { reason, detail } = seen.json().unwrap_or_default();
            let cause = format!("the endpoint is busy ({}): {reason} {detail}", seen.status);
            Err(Fault::new(Side::Endpoint, cause, "wait, then try again"))
        }
        _ => Ok(()),
    }
}

fn refused(seen: &Seen) -> Fault {
    let Problem { reason, detail } = seen.json().unwrap_or_default();
    let described = challenge(seen).and_then(|challenge| parameter(challenge, "error_description"));
    let told = described.filter(|text| !text.is_empty()).map_or(detail, str::to_owned);
    let cause = format!(
        "the endpoint does not take the token: {reason}{}{told}",
        if told.is_empty() { "" } else { ": " }
    );
    Fault::new(Side::Client, cause, remedy(&reason))
}

fn challenge(seen: &Seen) -> Option<&str> {
    seen.header(WWW_AUTHENTICATE.as_str())
}

/// By the reasons that the MCP server gives.
fn remedy(reason: &str) -> &'static str {
    match reason {
        "key_unknown" | "key_revoked" | "key_expired" => {
            "it was revoked, rotated or is another agent's: read the current one from the agent's Secret"
        }
        "wrong_audience" => "the token was made for another URL: sign in for this one",
        "wrong_issuer" => {
            "the token is of another authorization server: sign in at the one this endpoint names"
        }
        "wrong_agent" => "the token is another agent's: sign in for this one",
        "token_expired" => {
            "refresh it or sign in again; if that does not help, compare the clocks of both machines"
        }
        "token_not_yet_valid" => "compare the clocks of the authorization server and the endpoint",
        _ => "sign in again, or read the current API key from the agent's Secret",
    }
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderMap;

    use super::*;

    fn judged(status: u16, challenge: &str, body: &str) -> Result<(), Fault> {
        let mut headers = HeaderMap::new();
        headers.insert(WWW_AUTHENTICATE, challenge.parse().unwrap());
        judge(&Seen { status: StatusCode::from_u16(status).unwrap(), headers, body: body.into() })
    }

    #[test]
    fn a_refused_token_is_told_with_the_reason_and_what_to_do() {
        let bad = r#"Bearer realm="msg2agent", error="invalid_token""#;
        for (reason, remedy) in
            [("key_unknown", "revoked"), ("wrong_audience", "another URL"), ("token_expired", "clocks")]
        {
            let fault = judged(401, bad, &format!(r#"{{"reason":"{reason}"}}"#)).unwrap_err();
            assert!(fault.cause.contains(reason) && fault.remedy.contains(remedy), "{fault:?}");
        }
        assert_eq!(judged(200, bad, ""), Ok(()));
    }

    #[test]
    fn missing_scopes_are_listed() {
        let challenge = r#"Bearer error="insufficient_scope", scope="mcp:read mcp:send""#;
        assert!(judged(403, challenge, "").unwrap_err().cause.contains("mcp:read mcp:send"));
    }
}
