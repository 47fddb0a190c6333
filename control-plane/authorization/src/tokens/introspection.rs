//! Introspection responses (RFC 7662). An agent may introspect only tokens issued for itself. The
//! gateway may introspect any credential and gets the agent, or the reason why the credential is
//! inactive. Pure.

use protocol::access_token::Claims;
use protocol::introspection::{Inactive, Introspection};
use serde::Serialize;

use crate::relay::{ApiKeyError, Principal};

/// The body of a response (RFC 7662 section 2.2). For a token, `agent` and `exp` are among its
/// claims.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct IntrospectionResponse {
    #[serde(flatten)]
    introspection: Introspection,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_type: Option<&'static str>,
    #[serde(flatten)]
    claims: Option<Claims>,
}

impl IntrospectionResponse {
    /// The response to an agent. It has no reason, so that an agent learns nothing about the tokens
    /// of others.
    pub(crate) fn for_agent(claims: Option<Claims>) -> Self {
        let introspection = Introspection { active: claims.is_some(), ..Introspection::default() };
        Self { introspection, token_type: claims.as_ref().map(|_| "Bearer"), claims }
    }

    /// The response to an agent about an API key that was presented to it; `None`: it is no valid
    /// key of the agent's tenant. Whoever has the key learns nothing that the key does not give.
    pub(crate) fn key_of_neighbour(key: Option<Principal>) -> Self {
        let active = key.is_some();
        let (agent, exp) = key.map_or((None, None), |key| (key.agent, key.not_after));
        let introspection = Introspection { active, agent, exp, ..Introspection::default() };
        Self { introspection, token_type: None, claims: None }
    }

    /// The response to the gateway about a token whose grant is valid.
    pub(crate) fn active_token(claims: Claims, endpoint: String) -> Self {
        let introspection =
            Introspection { active: true, endpoint: Some(endpoint), ..Introspection::default() };
        Self { introspection, token_type: Some("Bearer"), claims: Some(claims) }
    }

    /// The response to the gateway about a valid API key.
    pub(crate) fn active_key(key: Principal) -> Result<Self, Inactive> {
        let agent = key.agent.ok_or(Inactive::KeyOfTenant)?;
        let endpoint = key.endpoint.ok_or(Inactive::NoEndpoint)?;
        let introspection = Introspection {
            active: true,
            agent: Some(agent),
            endpoint: Some(endpoint),
            exp: key.not_after,
            reason: None,
        };
        Ok(Self { introspection, token_type: None, claims: None })
    }

    /// The response to the gateway about an inactive credential.
    pub(crate) fn inactive(reason: Inactive) -> Self {
        let introspection = Introspection { reason: Some(reason), ..Introspection::default() };
        Self { introspection, token_type: None, claims: None }
    }
}

/// Why an API key is inactive.
pub(crate) const fn inactive_key(error: ApiKeyError) -> Inactive {
    match error {
        ApiKeyError::Unknown => Inactive::KeyUnknown,
        ApiKeyError::Expired => Inactive::KeyExpired,
        ApiKeyError::Suspended => Inactive::Suspended,
    }
}

/// Whether the owner of an API key may introspect a token: an agent its own tokens, a tenant those
/// of its agents.
pub(crate) fn may_introspect(who: &Principal, claims: &Claims) -> bool {
    let own = who.agent.as_ref().is_none_or(|agent| *agent == claims.agent);
    own && claims.agent.tenant() == who.tenant
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::grants::grant_validity::GrantInvalid;
    use crate::people::account::AccessDenied;
    use crate::tokens::access_token::TokenError;

    #[test]
    fn an_agent_learns_whose_key_of_its_tenant_was_presented_and_nothing_else() {
        let alice: protocol::Did = ALICE.parse().unwrap();
        let key = Principal {
            tenant: alice.tenant(),
            agent: Some(alice),
            endpoint: Some(ENDPOINT.to_owned()),
            not_after: Some(9),
        };
        let active = serde_json::to_value(IntrospectionResponse::key_of_neighbour(Some(key))).unwrap();
        assert_eq!(active, json!({"active": true, "agent": ALICE, "exp": 9}));
        let inactive = serde_json::to_value(IntrospectionResponse::key_of_neighbour(None)).unwrap();
        assert_eq!(inactive, json!({"active": false}));
    }

    const ALICE: &str = "did:wba:example.com:agent:alice";
    const ENDPOINT: &str = "https://alice.svc/mcp";

    fn claims() -> Claims {
        Claims {
            iss: "https://relay.example".into(),
            aud: "https://gateway.example/mcp".into(),
            sub: "acct".into(),
            client_id: "c".into(),
            scope: "mcp:read".into(),
            agent: ALICE.parse().unwrap(),
            jti: "g.1".into(),
            iat: 1,
            exp: 601,
        }
    }

    fn key() -> Principal {
        let endpoint = Some(ENDPOINT.to_owned());
        let tenant = "default".parse().unwrap();
        Principal { tenant, agent: Some(ALICE.parse().unwrap()), endpoint, not_after: Some(9) }
    }

    fn json_of(answer: &IntrospectionResponse) -> Value {
        serde_json::to_value(answer).unwrap()
    }

    #[test]
    fn the_gateway_reads_agent_endpoint_and_end_of_a_token_and_of_a_key() {
        let text =
            serde_json::to_vec(&IntrospectionResponse::active_token(claims(), ENDPOINT.into())).unwrap();
        // The strict parser refuses a member that is there twice.
        let introspection: Value = protocol::strict_json::from_slice(&text).unwrap();
        assert_eq!(introspection["token_type"], "Bearer");
        let introspection: Introspection = serde_json::from_value(introspection).unwrap();
        let read = |introspection: &Introspection| {
            (
                introspection.active,
                introspection.agent.clone(),
                introspection.endpoint.clone(),
                introspection.exp,
            )
        };
        let (agent, endpoint) = (Some(ALICE.parse().unwrap()), Some(ENDPOINT.to_owned()));
        assert_eq!(read(&introspection), (true, agent.clone(), endpoint.clone(), Some(601)));
        let introspection: Introspection =
            serde_json::from_value(json_of(&IntrospectionResponse::active_key(key()).unwrap())).unwrap();
        assert_eq!(read(&introspection), (true, agent, endpoint, Some(9)));
    }

    #[test]
    fn a_key_of_a_tenant_or_without_endpoint_is_inactive() {
        let reason = |key| IntrospectionResponse::active_key(key).unwrap_err().as_str();
        assert_eq!(reason(Principal { agent: None, ..key() }), "key_of_a_tenant");
        assert_eq!(reason(Principal { endpoint: None, ..key() }), "no_endpoint");
    }

    #[test]
    fn a_key_introspects_tokens_of_its_own_agent_and_tenant_only() {
        let with = |tenant: &str, agent: Option<&str>| {
            let agent = agent.map(|agent| agent.parse().unwrap());
            may_introspect(&Principal { tenant: tenant.parse().unwrap(), agent, ..key() }, &claims())
        };
        assert!(with("default", Some(ALICE)));
        assert!(with("default", None), "the key of her tenant");
        assert!(!with("default", Some("did:wba:example.com:agent:bob")));
        assert!(!with("acme", None), "the key of another tenant");
        assert!(!with("acme", Some("did:wba:example.com:agent:acme:alice")));
    }

    #[test]
    fn the_gateway_gets_the_reason_and_an_agent_does_not() {
        assert_eq!(json_of(&IntrospectionResponse::for_agent(None)), json!({"active": false}));
        for (reason, word) in [
            (inactive_key(ApiKeyError::Unknown), "key_unknown"),
            (inactive_key(ApiKeyError::Expired), "key_expired"),
            (inactive_key(ApiKeyError::Suspended), "suspended"),
            (TokenError::Form.reason(), "token_malformed"),
            (TokenError::Signature.reason(), "token_bad_signature"),
            (TokenError::Expired.reason(), "token_expired"),
            (Inactive::TokenWrongAudience, "token_wrong_audience"),
            (Inactive::GrantRevoked, "grant_revoked"),
            (GrantInvalid::Denied(AccessDenied::NotInvited).reason(), "not_invited"),
            (GrantInvalid::Denied(AccessDenied::NoEndpoint).reason(), "no_endpoint"),
        ] {
            assert_eq!(
                json_of(&IntrospectionResponse::inactive(reason)),
                json!({"active": false, "reason": word})
            );
        }
    }
}
