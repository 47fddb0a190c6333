//! Checks how the endpoint answers a request with the token.

use protocol::introspection::Inactive;
use reqwest::StatusCode;
use reqwest::header::WWW_AUTHENTICATE;
use serde::Deserialize;

use super::challenge::parameter;
use super::finding::{Component, Fault};
use super::http::HttpAnswer;

/// The problem document of the MCP server or gateway.
#[derive(Debug, Default, Deserialize)]
struct Problem {
    #[serde(default)]
    reason: String,
    #[serde(default)]
    detail: String,
}

impl Problem {
    fn read(answer: &HttpAnswer) -> Self {
        answer.json().unwrap_or_default()
    }

    /// The reason why the credential is inactive, if that is the problem.
    fn inactive(&self) -> Option<Inactive> {
        Inactive::ALL.iter().copied().find(|reason| reason.as_str() == self.reason)
    }
}

/// # Errors
/// The endpoint rejects the token, or cannot serve it.
pub(super) fn check_answer(answer: &HttpAnswer) -> Result<(), Fault> {
    match answer.status {
        StatusCode::UNAUTHORIZED => Err(rejected(answer)),
        StatusCode::FORBIDDEN => Err(forbidden(answer)),
        StatusCode::TOO_MANY_REQUESTS => Err(unavailable(answer, "is busy")),
        status if status.is_server_error() => Err(unavailable(answer, "is not available")),
        _ => Ok(()),
    }
}

/// A new sign-in helps only if scopes are missing. The rest is up to whoever runs the agent.
fn forbidden(answer: &HttpAnswer) -> Fault {
    if let Some(scopes) = challenge(answer).and_then(|challenge| parameter(challenge, "scope")) {
        let cause = format!("the token is valid, but lacks scopes: the request needs {scopes}");
        return Fault::new(Component::Client, cause, "sign in again and grant these scopes");
    }
    let problem = Problem::read(answer);
    let Problem { reason, detail } = &problem;
    let cause = format!("the token is valid, but access is denied: {reason}: {detail}");
    let inactive = problem.inactive();
    // The relay suspends; the answering component only reports it.
    let component =
        if inactive == Some(Inactive::Suspended) { Component::Relay } else { Component::Endpoint };
    let remedy = match inactive {
        Some(Inactive::Suspended) => "set spec.suspend: false on the Agent and on its Tenant",
        Some(Inactive::NoEndpoint) => "set spec.mcp.enabled of the Agent, or use another agent",
        Some(Inactive::KeyOfTenant) => "use the API key of one agent, from its Secret",
        _ if matches!(&**reason, "foreign_host" | "foreign_origin") => {
            "use the URL in the status of the Agent or of its Relay"
        }
        _ => "read the endpoint's log, or ask whoever runs it",
    };
    Fault::new(component, cause, remedy)
}

fn unavailable(answer: &HttpAnswer, state: &str) -> Fault {
    let Problem { reason, detail } = Problem::read(answer);
    let cause = format!("the endpoint {state} ({}): {reason} {detail}", answer.status);
    // The reasons of the gateway.
    let remedy = match &*reason {
        "endpoint_unreachable" | "endpoint_interrupted" | "endpoint_timeout" => {
            "check the agent's own endpoint: kubectl m2a doctor agent/NAME"
        }
        "issuer_unreachable" => "check the relay: it does not answer the gateway or the endpoint",
        _ => "wait, then try again",
    };
    Fault::new(Component::Endpoint, cause, remedy)
}

fn rejected(answer: &HttpAnswer) -> Fault {
    let problem = Problem::read(answer);
    let Problem { reason, detail } = &problem;
    let described = challenge(answer).and_then(|challenge| parameter(challenge, "error_description"));
    let description = described.filter(|text| !text.is_empty()).unwrap_or(detail);
    let separator = if description.is_empty() { "" } else { ": " };
    let cause = format!("the endpoint rejects the token: {reason}{separator}{description}");
    Fault::new(Component::Client, cause, remedy_for_rejected(problem.inactive()))
}

fn challenge(answer: &HttpAnswer) -> Option<&str> {
    answer.header(WWW_AUTHENTICATE.as_str())
}

fn remedy_for_rejected(reason: Option<Inactive>) -> &'static str {
    match reason {
        Some(Inactive::KeyUnknown | Inactive::KeyExpired) => {
            "the key was revoked or rotated, or belongs to another agent: read the current one from the agent's Secret"
        }
        Some(Inactive::TokenWrongAudience) => "the token was issued for another URL: sign in for this one",
        Some(Inactive::TokenWrongIssuer) => {
            "the token is from another authorization server: sign in at the one of this endpoint"
        }
        Some(Inactive::TokenWrongAgent) => "the token was issued for another agent: sign in for this one",
        Some(Inactive::TokenExpired) => {
            "refresh the token or sign in again; if that does not help, compare the clocks of both machines"
        }
        Some(Inactive::TokenNotYetValid) => "compare the clocks of the authorization server and the endpoint",
        _ => "sign in again, or read the current API key from the agent's Secret",
    }
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderMap;

    use super::*;

    fn checked(status: u16, challenge: &str, body: &str) -> Result<(), Fault> {
        let mut headers = HeaderMap::new();
        headers.insert(WWW_AUTHENTICATE, challenge.parse().unwrap());
        check_answer(&HttpAnswer {
            status: StatusCode::from_u16(status).unwrap(),
            headers,
            body: body.into(),
        })
    }

    #[test]
    fn a_rejected_token_is_reported_with_reason_and_remedy() {
        let bad = r#"Bearer realm="msg2agent", error="invalid_token""#;
        for (reason, remedy) in
            [("key_unknown", "revoked"), ("token_wrong_audience", "another URL"), ("token_expired", "clocks")]
        {
            let fault = checked(401, bad, &format!(r#"{{"reason":"{reason}"}}"#)).unwrap_err();
            assert!(fault.cause.contains(reason) && fault.remedy.contains(remedy), "{fault:?}");
        }
        assert_eq!(checked(200, bad, ""), Ok(()));
    }

    #[test]
    fn problems_that_no_sign_in_solves_have_their_own_remedies() {
        for (status, reason, remedy) in [
            (403, "no_endpoint", "spec.mcp.enabled"),
            (502, "endpoint_interrupted", "doctor agent/"),
            (503, "endpoint_unreachable", "doctor agent/"),
            (503, "issuer_unreachable", "relay"),
            (503, "overloaded", "wait"),
        ] {
            let fault = checked(status, "", &format!(r#"{{"reason":"{reason}"}}"#)).unwrap_err();
            assert!(fault.cause.contains(reason) && fault.remedy.contains(remedy), "{fault:?}");
            assert_eq!(fault.side, Component::Endpoint);
        }
        let suspended = checked(403, "", r#"{"reason":"suspended"}"#).unwrap_err();
        assert_eq!((suspended.side, suspended.remedy.contains("spec.suspend")), (Component::Relay, true));
    }

    #[test]
    fn missing_scopes_are_listed() {
        let challenge = r#"Bearer error="insufficient_scope", scope="mcp:read mcp:send""#;
        assert!(checked(403, challenge, "").unwrap_err().cause.contains("mcp:read mcp:send"));
    }
}
