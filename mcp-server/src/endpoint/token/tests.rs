//! One valid token, and each way to invalidate it.

use ed25519_dalek::{Signer as _, SigningKey};
use proptest::prelude::*;
use protocol::access_token::{ALGORITHM, Claims, JoseHeader, TOKEN_TYPE};
use protocol::base64url;
use serde_json::{Value, json};

use super::*;
use crate::fixtures::did;
use crate::scope::Scope;

const NOW: UnixSeconds = 1_790_000_000;

fn key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

const GATEWAY: &str = "https://mcp.example.com/mcp";

fn expected() -> ExpectedClaims {
    ExpectedClaims {
        issuer: "https://relay.example.com".into(),
        audience: "https://alice.example.com/mcp".into(),
        gateway: Some(GATEWAY.into()),
        agent: did("alice"),
    }
}

/// As the authorization server writes it.
fn header() -> Value {
    let header = JoseHeader { alg: ALGORITHM.into(), typ: TOKEN_TYPE.into(), kid: "k1".into() };
    serde_json::to_value(header).unwrap()
}

/// As the authorization server writes them.
fn claims() -> Value {
    let claims = Claims {
        iss: "https://relay.example.com".into(),
        aud: "https://alice.example.com/mcp".into(),
        sub: "u-1".into(),
        client_id: "c-1".into(),
        scope: "mcp:read mcp:tasks".into(),
        agent: did("alice"),
        jti: "1".into(),
        iat: NOW,
        exp: NOW + 600,
    };
    serde_json::to_value(claims).unwrap()
}

fn token(header: &Value, claims: &Value) -> String {
    let encode = |value: &Value| base64url::encode(value.to_string().as_bytes());
    let signed = format!("{}.{}", encode(header), encode(claims));
    let signature = key().sign(signed.as_bytes());
    format!("{signed}.{}", base64url::encode(&signature.to_bytes()))
}

fn check(token: &str, now: UnixSeconds) -> Result<Caller, Inactive> {
    verify(&UnverifiedToken::parse(token)?, &key().verifying_key(), &expected(), now)
}

fn with(member: &str, value: Value) -> String {
    let mut claims = claims();
    claims[member] = value;
    token(&header(), &claims)
}

#[test]
fn a_token_for_this_agent_and_endpoint_opens_with_its_scopes() {
    let caller = check(&token(&header(), &claims()), NOW).unwrap();
    assert_eq!(caller.principal, Principal::User { subject: "u-1".into(), client: "c-1".into() });
    assert_eq!(Scope::ALL.map(|scope| caller.scopes.contains(scope)), [true, false, true]);
    check(&with("aud", json!(["https://alice.example.com/mcp"])), NOW).unwrap();
    check(&with("aud", json!(GATEWAY)), NOW).unwrap();
}

#[test]
fn each_wrong_claim_has_its_own_answer() {
    for (member, value, error) in [
        ("iss", json!("https://relay.example.com/"), Inactive::TokenWrongIssuer),
        ("aud", json!("https://alice.example.com/mcp/"), Inactive::TokenWrongAudience),
        ("aud", json!([]), Inactive::TokenWrongAudience),
        ("aud", json!(["https://alice.example.com/mcp", GATEWAY]), Inactive::TokenWrongAudience),
        (
            "aud",
            json!(["https://alice.example.com/mcp", "https://bob.example.com/mcp"]),
            Inactive::TokenWrongAudience,
        ),
        ("agent", json!(did("bob").as_str()), Inactive::TokenWrongAgent),
        ("iat", json!(NOW + CLOCK_SKEW_GRACE_SECONDS + 1), Inactive::TokenNotYetValid),
        ("nbf", json!(NOW + CLOCK_SKEW_GRACE_SECONDS + 1), Inactive::TokenNotYetValid),
        ("exp", json!("soon"), Inactive::TokenMalformed),
        ("agent", json!(null), Inactive::TokenMalformed),
    ] {
        assert_eq!(check(&with(member, value.clone()), NOW), Err(error), "{member} {value}");
    }
}

#[test]
fn a_token_ends_with_its_time_and_the_skew() {
    let token = with("exp", json!(NOW));
    assert!(check(&token, NOW + CLOCK_SKEW_GRACE_SECONDS - 1).is_ok());
    assert_eq!(check(&token, NOW + CLOCK_SKEW_GRACE_SECONDS), Err(Inactive::TokenExpired));
}

#[test]
fn a_token_cannot_choose_its_algorithm_or_kind() {
    for (member, value) in
        [("alg", json!("none")), ("alg", json!("HS256")), ("typ", json!("JWT")), ("crit", json!(["x"]))]
    {
        let mut header = header();
        header[member] = value;
        assert_eq!(check(&token(&header, &claims()), NOW), Err(Inactive::TokenMalformed), "{header}");
    }
}

#[test]
fn a_changed_claim_breaks_the_signature() {
    let good = token(&header(), &claims());
    let mut parts: Vec<_> = good.split('.').map(str::to_owned).collect();
    let mut forged = claims();
    forged["scope"] = "mcp:read mcp:send mcp:tasks".into();
    parts[1] = base64url::encode(forged.to_string().as_bytes());
    assert_eq!(check(&parts.join("."), NOW), Err(Inactive::TokenBadSignature));
    let other = SigningKey::from_bytes(&[8; 32]).verifying_key();
    let parsed = UnverifiedToken::parse(&good).unwrap();
    assert_eq!(verify(&parsed, &other, &expected(), NOW), Err(Inactive::TokenBadSignature));
}

proptest! {
    #[test]
    fn nothing_from_outside_panics(text in "[A-Za-z0-9._-]{0,200}") {
        prop_assert!(check(&text, NOW).is_err());
    }

    #[test]
    fn no_single_changed_character_opens(at in 0_usize..400, to in "[A-Za-z0-9_-]") {
        let good = token(&header(), &claims());
        let mut changed: Vec<char> = good.chars().collect();
        let at = at % changed.len();
        changed[at] = to.chars().next().unwrap();
        let changed: String = changed.into_iter().collect();
        prop_assert!(changed == good || check(&changed, NOW).is_err());
    }
}
