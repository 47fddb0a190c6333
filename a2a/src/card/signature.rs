//! Signs cards, and verifies the signatures of cards (specification 8.4): detached JWS over RFC
//! 8785.

use ed25519_dalek::{Signer as _, SigningKey};
use protocol::base64url;
use protocol::strict_json;
use serde::Deserialize;
use serde_json::{Value, json};

use super::canonical::{canonical, compact};
use super::public_key::PublicKey;
use crate::model::{AgentCard, AgentCardSignature};

/// Signs with one key.
pub struct CardSigner {
    key: SigningKey,
    key_id: String,
    /// Where clients find the public key.
    keys_url: Option<String>,
}

/// Why no signature of a card was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureProblem {
    #[error("the card has no signature")]
    Unsigned,
    #[error("no signature of the card is by a known key")]
    UnknownKey,
    #[error("no signature of the card is valid")]
    Invalid,
}

/// The protected header of a JWS. An extension that must be understood (`crit`) is not.
#[derive(Deserialize)]
struct ProtectedHeader {
    alg: String,
    kid: String,
    #[serde(default)]
    jku: Option<String>,
    #[serde(default, deserialize_with = "strict_json::optional_value")]
    crit: Option<Value>,
}

impl CardSigner {
    #[must_use]
    pub fn new(key: SigningKey, key_id: String, keys_url: Option<String>) -> Self {
        Self { key, key_id, keys_url }
    }

    /// The JSON Web Key Set with the public key.
    #[must_use]
    pub fn public_keys(&self) -> Value {
        let x = base64url::encode(self.key.verifying_key().as_bytes());
        json!({"keys": [{
            "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": self.key_id, "x": x,
        }]})
    }

    /// Adds a signature to the card.
    ///
    /// # Errors
    /// The card has a number that JSON of RFC 8785 cannot write.
    pub fn sign(&self, card: &mut AgentCard) -> serde_json::Result<()> {
        let mut header = json!({"alg": "EdDSA", "typ": "JOSE", "kid": self.key_id});
        if let (Value::Object(members), Some(url)) = (&mut header, &self.keys_url) {
            members.insert("jku".into(), url.as_str().into());
        }
        let protected = base64url::encode(header.to_string().as_bytes());
        let input = format!("{protected}.{}", base64url::encode(&canonical(card)?));
        let signature = base64url::encode(&self.key.sign(input.as_bytes()).to_bytes());
        card.signatures.push(AgentCardSignature { protected, signature, header: None });
        Ok(())
    }
}

/// Verifies a card with the keys that `find` knows by `kid` and `jku`. The caller decides which
/// `jku` may be fetched. Returns the `kid` of the first signature that is valid.
///
/// # Errors
/// No signature is valid.
pub fn verify(
    card: &AgentCard,
    find: impl Fn(&str, Option<&str>) -> Option<PublicKey>,
) -> Result<String, SignatureProblem> {
    if card.signatures.is_empty() {
        return Err(SignatureProblem::Unsigned);
    }
    let forms: Vec<_> = [canonical(card), compact(card)].into_iter().flatten().collect();
    let mut problem = SignatureProblem::UnknownKey;
    for signature in &card.signatures {
        let Some(header) = protected_header(&signature.protected) else { continue };
        let Some(key) = find(&header.kid, header.jku.as_deref()) else { continue };
        problem = SignatureProblem::Invalid;
        let Ok(signed) = base64url::decode(&signature.signature) else { continue };
        let is_valid = forms.iter().any(|form| {
            let input = format!("{}.{}", signature.protected, base64url::encode(form));
            key.verifies(&header.alg, input.as_bytes(), &signed)
        });
        if is_valid {
            return Ok(header.kid);
        }
    }
    Err(problem)
}

fn protected_header(text: &str) -> Option<ProtectedHeader> {
    let header: ProtectedHeader = strict_json::from_slice(&base64url::decode(text).ok()?).ok()?;
    header.crit.is_none().then_some(header)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::card::builder;
    use crate::service::AgentDescription;

    fn signed() -> (AgentCard, PublicKey) {
        let signer = CardSigner::new(SigningKey::from_bytes(&[7; 32]), "did:web:x#1".into(), None);
        let agent = AgentDescription { agent: "bob".into(), ..AgentDescription::default() };
        let mut card = builder::card(&agent, "https://a.example/bob", "https://a.example/bob/v0.3");
        signer.sign(&mut card).unwrap();
        let key = PublicKey::from_jwk(&signer.public_keys()["keys"][0]).unwrap();
        (card, key)
    }

    #[test]
    fn section_8_4_3_a_signed_card_verifies_and_any_change_is_refused() {
        let (card, key) = signed();
        let find = |kid: &str, _: Option<&str>| (kid == "did:web:x#1").then(|| key.clone());
        assert_eq!(verify(&card, find), Ok("did:web:x#1".into()));
        let mut changed = card.clone();
        changed.description.push('!');
        assert_eq!(verify(&changed, find), Err(SignatureProblem::Invalid));
        assert_eq!(verify(&card, |_, _| None), Err(SignatureProblem::UnknownKey));
        assert_eq!(verify(&AgentCard { signatures: vec![], ..card }, find), Err(SignatureProblem::Unsigned));
    }

    #[test]
    fn section_8_4_2_the_header_names_algorithm_type_and_key() {
        let (card, _) = signed();
        let header = base64url::decode(&card.signatures[0].protected).unwrap();
        let header: Value = serde_json::from_slice(&header).unwrap();
        assert_eq!(header, json!({"alg": "EdDSA", "typ": "JOSE", "kid": "did:web:x#1"}));
    }

    #[test]
    fn section_8_4_1_our_cards_have_one_canonical_form_for_every_verifier() {
        let (card, _) = signed();
        assert_eq!(canonical(&card).unwrap(), compact(&card).unwrap());
    }

    #[test]
    fn section_8_4_1_defaults_are_left_out_and_required_fields_are_not() {
        let card: AgentCard = serde_json::from_value(json!({
            "name": "Example Agent", "description": "", "version": "", "skills": [],
            "supportedInterfaces": [{"url": "https://a", "protocolBinding": "JSONRPC", "protocolVersion": "1.0"}],
            "capabilities": {"streaming": false, "pushNotifications": false, "extensions": []},
            "defaultInputModes": [], "defaultOutputModes": [], "securitySchemes": {},
            "signatures": [{"protected": "e30", "signature": "AA"}],
        }))
        .unwrap();
        let expected = concat!(
            r#"{"capabilities":{"pushNotifications":false,"streaming":false},"defaultInputModes":[],"#,
            r#""defaultOutputModes":[],"description":"","name":"Example Agent","skills":[],"#,
            r#""supportedInterfaces":[{"protocolBinding":"JSONRPC","protocolVersion":"1.0","url":"https://a"}],"#,
            r#""version":""}"#
        );
        assert_eq!(String::from_utf8(canonical(&card).unwrap()).unwrap(), expected);
    }
}
