//! One good token, and each way to spoil it.

use ed25519_dalek::{Signer as _, SigningKey};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::sample::did;
use crate::scope::Scope;

const NOW: UnixSeconds = 1_790_000_000;

fn key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

const GATEWAY: &str = "https://mcp.example.com/mcp";

fn expected() -> Expected {
    Expected {
        issuer: "https://relay.example.com".into(),
        audience: "https://alice.example.com/mcp".into(),
        gateway: Some(GATEWAY.into()),
        agent: did("alice"),
    }
}

fn header() -> Value {
    json!({"alg": "EdDSA", "typ": "at+jwt", "kid": "k1"})
}

fn claims() -> Value {
    json!({
        "iss": "https://relay.example.com", "aud": "https://alice.example.com/mcp", "sub": "u-1", "client_id": "c-1",
        "exp": NOW + 600, "iat": NOW, "jti": "1", "agent": did("alice").as_str(), "scope": "mcp:read mcp:tasks",
    })
}

fn token(header: &Value, claims: &Value) -> String {
    let encode = |value: &Value| base64url::encode(value.to_string().as_bytes());
    let signed = format!("{}.{}", encode(header), encode(claims));
    let signature = key().sign(signed.as_bytes());
    format!("{signed}.{}", base64url::encode(&signature.to_bytes()))
}

fn check(token: &str, now: UnixSeconds) -> Result<Caller, TokenError> {
    Unverified::read(token)?.verify(&key().verifying_key(), &expected(), now)
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
    assert_eq!(Scope::ALL.map(|scope| caller.scopes.allow(scope)), [true, false, true]);
    check(&with("aud", json!(["https://alice.example.com/mcp"])), NOW).unwrap();
    check(&with("aud", json!(GATEWAY)), NOW).unwrap();
}

#[test]
fn each_wrong_claim_has_its_own_answer() {
    for (member, value, error) in [
        ("iss", json!("https://relay.example.com/"), TokenError::WrongIssuer),
        ("aud", json!("https://alice.example.com/mcp/"), TokenError::WrongAudience),
        ("aud", json!([]), TokenError::WrongAudience),
        ("aud", json!(["https://alice.example.com/mcp", GATEWAY]), TokenError::WrongAudience),
        (
            "aud",
            json!(["https://alice.example.com/mcp", "https://bob.example.com/mcp"]),
            TokenError::WrongAudience,
        ),
        ("agent", json!(did("bob").as_str()), TokenError::WrongAgent),
        ("iat", json!(NOW + SKEW_SECONDS + 1), TokenError::NotYetValid),
        ("nbf", json!(NOW + SKEW_SECONDS + 1), TokenError::NotYetValid),
        ("exp", json!("soon"), TokenError::Malformed),
        ("agent", json!(null), TokenError::Malformed),
    ] {
        assert_eq!(check(&with(member, value.clone()), NOW), Err(error), "{member} {value}");
    }
}

#[test]
fn a_token_ends_with_its_time_and_the_skew() {
    let token = with("exp", json!(NOW));
    assert!(check(&token, NOW + SKEW_SECONDS - 1).is_ok());
    assert_eq!(check(&token, NOW + SKEW_SECONDS), Err(TokenError::Expired));
}

#[test]
fn a_token_cannot_choose_its_algorithm_or_kind() {
    for (member, value) in
        [("alg", json!("none")), ("alg", json!("HS256")), ("typ", json!("JWT")), ("crit", json!(["x"]))]
    {
        let mut header = header();
        header[member] = value;
        assert_eq!(check(&token(&header, &claims()), NOW), Err(TokenError::Malformed), "{header}");
    }
}

#[test]
fn a_changed_claim_breaks_the_signature() {
    let good = token(&header(), &claims());
    let mut parts: Vec<_> = good.split('.').map(str::to_owned).collect();
    let mut forged = claims();
    forged["scope"] = "mcp:read mcp:send mcp:tasks".into();
    parts[1] = base64url::encode(forged.to_string().as_bytes());
    assert_eq!(check(&parts.join("."), NOW), Err(TokenError::BadSignature));
    let other = SigningKey::from_bytes(&[8; 32]).verifying_key();
    let read = Unverified::read(&good).unwrap();
    assert_eq!(read.verify(&other, &expected(), NOW), Err(TokenError::BadSignature));
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
