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
        StatusCode::FORBIDDEN => Err(forbidden(seen)),
        StatusCode::TOO_MANY_REQUESTS => Err(away(seen, "is busy")),
        status if status.is_server_error() => Err(away(seen, "does not work")),
        _ => Ok(()),
    }
}

/// A new sign-in cures missing scopes alone; everything else is the side of whoever runs the agent.
fn forbidden(seen: &Seen) -> Fault {
    if let Some(needed) = challenge(seen).and_then(|challenge| parameter(challenge, "scope")) {
        let cause = format!("the token is good, and may not do this: it needs {needed}");
        return Fault::new(Side::Client, cause, "sign in again and grant these scopes");
    }
    let Problem { reason, detail } = seen.json().unwrap_or_default();
    let cause = format!("the token is known, and nobody gets in with it: {reason}: {detail}");
    // The relay suspends; whoever answers only passes that on.
    let side = if reason == "suspended" { Side::Relay } else { Side::Endpoint };
    Fault::new(side, cause, remedy_of_forbidden(&reason))
}

fn remedy_of_forbidden(reason: &str) -> &'static str {
    match reason {
        "suspended" => "lift spec.suspend of the Agent and of its Tenant",
        "no_endpoint" => "set spec.mcp.enabled of the Agent, or use another agent",
        "key_of_a_tenant" => "use the API key of one agent, from its Secret",
        "foreign_host" | "foreign_origin" => "use the URL in the status of the Agent or of its Relay",
        _ => "ask whoever runs this endpoint; its log says more",
    }
}

fn away(seen: &Seen, how: &str) -> Fault {
    let Problem { reason, detail } = seen.json().unwrap_or_default();
    let cause = format!("the endpoint {how} ({}): {reason} {detail}", seen.status);
    Fault::new(Side::Endpoint, cause, remedy_of_away(&reason))
}

/// By the reasons that the gateway gives.
fn remedy_of_away(reason: &str) -> &'static str {
    match reason {
        "endpoint_unreachable" | "endpoint_interrupted" | "endpoint_timeout" => {
            "look at the agent's own endpoint: kubectl m2a doctor agent/NAME"
        }
        "issuer_unreachable" => "look at the relay: it does not answer the gateway or the endpoint",
        _ => "wait, then try again",
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
        "key_unknown" | "key_expired" => {
            "it was revoked, rotated or is another agent's: read the current one from the agent's Secret"
        }
        "token_wrong_audience" => "the token was made for another URL: sign in for this one",
        "token_wrong_issuer" => {
            "the token is of another authorization server: sign in at the one this endpoint names"
        }
        "token_wrong_agent" => "the token is another agent's: sign in for this one",
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
            [("key_unknown", "revoked"), ("token_wrong_audience", "another URL"), ("token_expired", "clocks")]
        {
            let fault = judged(401, bad, &format!(r#"{{"reason":"{reason}"}}"#)).unwrap_err();
            assert!(fault.cause.contains(reason) && fault.remedy.contains(remedy), "{fault:?}");
        }
        assert_eq!(judged(200, bad, ""), Ok(()));
    }

    #[test]
    fn what_no_sign_in_cures_is_told_as_it_is() {
        for (status, reason, remedy) in [
            (403, "no_endpoint", "spec.mcp.enabled"),
            (502, "endpoint_interrupted", "doctor agent/"),
            (503, "endpoint_unreachable", "doctor agent/"),
            (503, "issuer_unreachable", "relay"),
            (503, "overloaded", "wait"),
        ] {
            let fault = judged(status, "", &format!(r#"{{"reason":"{reason}"}}"#)).unwrap_err();
            assert!(fault.cause.contains(reason) && fault.remedy.contains(remedy), "{fault:?}");
            assert_eq!(fault.side, Side::Endpoint);
        }
        let suspended = judged(403, "", r#"{"reason":"suspended"}"#).unwrap_err();
        assert_eq!((suspended.side, suspended.remedy.contains("spec.suspend")), (Side::Relay, true));
    }

    #[test]
    fn missing_scopes_are_listed() {
        let challenge = r#"Bearer error="insufficient_scope", scope="mcp:read mcp:send""#;
        assert!(judged(403, challenge, "").unwrap_err().cause.contains("mcp:read mcp:send"));
    }
}
