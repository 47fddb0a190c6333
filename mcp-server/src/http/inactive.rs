//! The response for each reason why a credential is not active. Endpoint and gateway give the same.

use axum::http::StatusCode;
use protocol::introspection::Inactive;

use super::problem::Problem;

/// The grant reasons share one response: a person who lost access learns no more than that.
pub(super) const fn inactive_problem(reason: Inactive) -> Problem {
    match reason {
        Inactive::Suspended | Inactive::KeyOfTenant | Inactive::NoEndpoint => {
            Problem::new(StatusCode::FORBIDDEN, reason.as_str(), advice(reason))
        }
        Inactive::ResourceGone | Inactive::NotInvited => inactive_problem(Inactive::GrantRevoked),
        _ => Problem::invalid_token(reason.as_str(), advice(reason)),
    }
}

const fn advice(reason: Inactive) -> &'static str {
    match reason {
        Inactive::KeyUnknown => "this is not the API key of this agent; read the current one from its Secret",
        Inactive::KeyExpired => "this API key has expired; read the current one from the agent's Secret",
        Inactive::KeyOfTenant => "this key belongs to a whole tenant; use the API key of one agent",
        Inactive::Suspended => "the agent or its tenant is suspended; ask the administrator of its team",
        Inactive::NoEndpoint => "the agent has no MCP endpoint; set spec.mcp.enabled of the Agent",
        Inactive::TokenMalformed => {
            "this is neither an API key nor an access token of the authorization server"
        }
        Inactive::TokenKeyUnknown => {
            "the token is signed with a key that the authorization server does not publish"
        }
        Inactive::TokenBadSignature => "the signature of the token is not valid",
        Inactive::TokenWrongIssuer => {
            "the token comes from another authorization server; sign in at the one in the metadata"
        }
        Inactive::TokenWrongAudience => {
            "the token is for another endpoint; sign in with this one as resource"
        }
        Inactive::TokenWrongAgent => "the token is for another agent; sign in for this one",
        Inactive::TokenExpired => "the token has expired; refresh it, or sign in again",
        Inactive::TokenNotYetValid => "the token is from the future; compare the clocks of both servers",
        Inactive::GrantRevoked | Inactive::ResourceGone | Inactive::NotInvited => {
            "access was revoked; sign in again"
        }
        Inactive::Unrecognized => {
            "the relay does not accept this credential, for a reason that this server does not know; \
             sign in again, or read the current API key from the agent's Secret"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_of_a_newer_relay_has_an_answer_of_its_own() {
        let unrecognized = inactive_problem(Inactive::Unrecognized);
        assert_eq!(unrecognized.reason(), "unrecognized");
        assert!(Inactive::ALL.iter().all(|known| inactive_problem(*known) != unrecognized));
    }
}
