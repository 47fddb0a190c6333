//! What is answered to whom about a credential (RFC 7662). An agent learns of tokens for itself, and nothing of others; the
//! relay's gateway learns for whom a credential speaks, or why for nobody. Pure.

use protocol::access_token::Claims;
use protocol::introspection::{self, Introspection};
use serde::Serialize;

use super::access_token::TokenError;
use super::standing::Lapsed;
use crate::directory::{AuthError, KeyAccess, Principal};

/// RFC 7662 section 2.2. The claims of a token bring `agent` and `exp` along.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Answer {
    #[serde(flatten)]
    told: Introspection,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_type: Option<&'static str>,
    #[serde(flatten)]
    claims: Option<Claims>,
}

/// Why a credential opens nothing at the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Inactive {
    Key(AuthError),
    /// It opens several agents, and the gateway needs one.
    KeyOfTenant,
    /// The agent has no endpoint that the gateway serves.
    NoEndpoint,
    Token(TokenError),
    WrongAudience,
    /// Given back, ended by the person's account or by misuse, or forgotten.
    GrantRevoked,
    Lapsed(Lapsed),
}

impl Inactive {
    pub(super) const fn reason(self) -> introspection::Inactive {
        match self {
            Self::Key(AuthError::Unknown) => introspection::Inactive::KeyUnknown,
            Self::Key(AuthError::Expired) => introspection::Inactive::KeyExpired,
            Self::Key(AuthError::Suspended) => introspection::Inactive::Suspended,
            Self::KeyOfTenant => introspection::Inactive::KeyOfTenant,
            Self::NoEndpoint => introspection::Inactive::NoEndpoint,
            Self::Token(error) => error.reason(),
            Self::WrongAudience => introspection::Inactive::TokenWrongAudience,
            Self::GrantRevoked => introspection::Inactive::GrantRevoked,
            Self::Lapsed(lapsed) => lapsed.reason(),
        }
    }
}

impl Answer {
    /// To an agent: no reason, so that a token tells nothing to whom it is not for.
    pub(super) fn to_agent(claims: Option<Claims>) -> Self {
        let told = Introspection { active: claims.is_some(), ..Introspection::default() };
        Self { told, token_type: claims.as_ref().map(|_| "Bearer"), claims }
    }

    /// To the gateway, about a token whose grant holds.
    pub(super) fn of_token(claims: Claims, endpoint: String) -> Self {
        let told = Introspection { active: true, endpoint: Some(endpoint), ..Introspection::default() };
        Self { told, token_type: Some("Bearer"), claims: Some(claims) }
    }

    /// To the gateway, about an API key that was let in.
    pub(super) fn of_key(access: KeyAccess) -> Result<Self, Inactive> {
        let agent = access.agent.ok_or(Inactive::KeyOfTenant)?;
        let endpoint = access.endpoint.ok_or(Inactive::NoEndpoint)?;
        let told = Introspection {
            active: true,
            agent: Some(agent),
            endpoint: Some(endpoint),
            exp: access.not_after,
            reason: None,
        };
        Ok(Self { told, token_type: None, claims: None })
    }

    /// To the gateway.
    pub(super) fn inactive(why: Inactive) -> Self {
        let told = Introspection { reason: Some(why.reason()), ..Introspection::default() };
        Self { told, token_type: None, claims: None }
    }
}

/// An agent asks about tokens for itself; the key of a tenant covers its agents.
pub(super) fn covers(who: &Principal, claims: &Claims) -> bool {
    let own = who.agent.as_ref().is_none_or(|agent| *agent == claims.agent);
    own && claims.agent.tenant() == who.tenant
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::oauth::account::Barred;

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

    fn access() -> KeyAccess {
        let endpoint = Some(ENDPOINT.to_owned());
        KeyAccess { agent: Some(ALICE.parse().unwrap()), endpoint, not_after: Some(9) }
    }

    fn json_of(answer: &Answer) -> Value {
        serde_json::to_value(answer).unwrap()
    }

    #[test]
    fn the_gateway_reads_agent_endpoint_and_end_of_a_token_and_of_a_key() {
        let text = serde_json::to_vec(&Answer::of_token(claims(), ENDPOINT.into())).unwrap();
        // Strict: no member stands there twice.
        let told: Value = protocol::strict_json::from_slice(&text).unwrap();
        assert_eq!(told["token_type"], "Bearer");
        let told: Introspection = serde_json::from_value(told).unwrap();
        let read = |told: &Introspection| (told.active, told.agent.clone(), told.endpoint.clone(), told.exp);
        let (agent, endpoint) = (Some(ALICE.parse().unwrap()), Some(ENDPOINT.to_owned()));
        assert_eq!(read(&told), (true, agent.clone(), endpoint.clone(), Some(601)));
        let told: Introspection =
            serde_json::from_value(json_of(&Answer::of_key(access()).unwrap())).unwrap();
        assert_eq!(read(&told), (true, agent, endpoint, Some(9)));
    }

    #[test]
    fn a_key_that_leads_to_no_one_endpoint_opens_nothing() {
        let of = |access| Answer::of_key(access).unwrap_err().reason().as_str();
        assert_eq!(of(KeyAccess { agent: None, ..access() }), "key_of_a_tenant");
        assert_eq!(of(KeyAccess { endpoint: None, ..access() }), "no_endpoint");
    }

    #[test]
    fn an_agent_is_told_no_reason_and_the_gateway_is() {
        assert_eq!(json_of(&Answer::to_agent(None)), json!({"active": false}));
        for (why, word) in [
            (Inactive::Key(AuthError::Unknown), "key_unknown"),
            (Inactive::Key(AuthError::Expired), "key_expired"),
            (Inactive::Key(AuthError::Suspended), "suspended"),
            (Inactive::Token(TokenError::Form), "token_malformed"),
            (Inactive::Token(TokenError::Signature), "token_bad_signature"),
            (Inactive::Token(TokenError::Expired), "token_expired"),
            (Inactive::WrongAudience, "token_wrong_audience"),
            (Inactive::GrantRevoked, "grant_revoked"),
            (Inactive::Lapsed(Lapsed::Barred(Barred::NotInvited)), "not_invited"),
            (Inactive::Lapsed(Lapsed::Barred(Barred::NoEndpoint)), "no_endpoint"),
        ] {
            assert_eq!(json_of(&Answer::inactive(why)), json!({"active": false, "reason": word}));
        }
    }
}
