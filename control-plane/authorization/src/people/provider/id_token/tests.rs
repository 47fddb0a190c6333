//! Tests of ID tokens: each claim in turn has a wrong value, and every algorithm that
//! providers sign with is tried.

mod algorithms;

use ed25519_dalek::{Signer as _, SigningKey};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const EXPECTED: ExpectedClaims<'static> =
    ExpectedClaims { issuer: "https://p.example", client_id: "c", nonce: "n" };

fn key() -> SigningKey {
    SigningKey::from_bytes(&[3; 32])
}

fn keys() -> ProviderKeys {
    let x = base64url::encode(key().verifying_key().as_bytes());
    serde_json::from_value(json!({"keys": [
        {"kty": "oct", "k": "x"},
        {"kty": "OKP", "crv": "Ed25519", "kid": "1", "x": x},
    ]}))
    .unwrap()
}

fn claims() -> Value {
    json!({"iss": "https://p.example", "sub": "s", "aud": "c", "exp": 1000, "iat": 500, "nonce": "n",
        "email": "a@example.com", "email_verified": true})
}

fn signed(header: &Value, claims: &Value) -> String {
    signed_by(header, claims, |text| key().sign(text).to_bytes().to_vec())
}

fn signed_by(header: &Value, claims: &Value, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let part = |value: &Value| base64url::encode(value.to_string().as_bytes());
    let text = format!("{}.{}", part(header), part(claims));
    let signature = sign(text.as_bytes());
    format!("{text}.{}", base64url::encode(&signature))
}

fn check(claims: &Value) -> Result<Identity, IdTokenError> {
    verify(&signed(&json!({"alg": "EdDSA", "kid": "1"}), claims), &keys(), EXPECTED, 600)
}

#[test]
fn a_good_token_names_a_subject_and_a_verified_address() {
    let identity = Identity { subject: "s".into(), email: Some("a@example.com".into()) };
    assert_eq!(check(&claims()), Ok(identity));
}

#[test]
fn an_address_that_the_provider_did_not_verify_is_none() {
    for (value, email) in
        [(json!(false), None), (json!(null), None), (json!("true"), Some("a@example.com".to_owned()))]
    {
        let mut claims = claims();
        claims["email_verified"] = value;
        assert_eq!(check(&claims).unwrap().email, email);
    }
}

#[test]
fn each_wrong_claim_is_refused() {
    for (name, value, error) in [
        ("iss", json!("https://p.example/"), IdTokenError::Issuer),
        ("aud", json!("d"), IdTokenError::Audience),
        ("aud", json!(["c", "d"]), IdTokenError::Audience),
        ("azp", json!("d"), IdTokenError::Audience),
        ("exp", json!(540), IdTokenError::Time),
        ("iat", json!(661), IdTokenError::Time),
        ("nonce", json!("m"), IdTokenError::Nonce),
        ("nonce", json!(null), IdTokenError::Nonce),
        ("sub", json!(""), IdTokenError::Subject),
        ("exp", json!("soon"), IdTokenError::Form),
    ] {
        let mut claims = claims();
        claims[name] = value;
        assert_eq!(check(&claims), Err(error), "{name}");
    }
}

#[test]
fn the_key_and_algorithm_must_be_the_providers() {
    for (header, error) in [
        (json!({"alg": "none"}), IdTokenError::Algorithm),
        (json!({"alg": "HS256", "kid": "1"}), IdTokenError::Algorithm),
        (json!({"alg": "RS256", "kid": "1"}), IdTokenError::UnknownKey),
        (json!({"alg": "EdDSA", "kid": "2"}), IdTokenError::UnknownKey),
    ] {
        assert_eq!(verify(&signed(&header, &claims()), &keys(), EXPECTED, 600), Err(error), "{header}");
    }
    let token = signed(&json!({"alg": "EdDSA", "kid": "1"}), &claims());
    let other = format!("{}A", token.strip_suffix(|_| true).unwrap());
    let changed = verify(&other, &keys(), EXPECTED, 600);
    assert!(matches!(changed, Err(IdTokenError::Signature | IdTokenError::Form)), "{changed:?}");
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in "\\PC{0,200}") {
        prop_assert!(verify(&text, &keys(), EXPECTED, 0).is_err());
    }
}
