//! Signs an outgoing request.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signer as _, SigningKey};
use http::{HeaderMap, HeaderValue};
use protocol::base64url;
use sfv::{BareItem, InnerList, Item, Parameters};

use crate::content_digest::content_digest;
use crate::request::authority;
use crate::signature_input::serialize;

/// How long the signature of an outgoing request is valid. Its way takes seconds, and a server may
/// read its body first.
const SIGNATURE_TTL_SECONDS: u64 = 120;

/// What is signed of a request: everything that a server may not confuse.
#[derive(Debug, Clone, Copy)]
pub struct Outgoing<'a> {
    pub method: &'a str,
    /// The absolute URL, exactly as it is sent.
    pub target_uri: &'a str,
    pub body: &'a [u8],
}

/// The header fields that a signed request gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureFields {
    pub signature_input: String,
    pub signature: String,
    /// Only for a request with a body.
    pub content_digest: Option<String>,
}

/// Why a request cannot be signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    #[error("a request is signed for an absolute http or https URL")]
    TargetUri,
    #[error("the id of the key is not plain text")]
    KeyId,
}

/// Signs a request with a key of a DID document. `key_id` is the full DID URL of the key, `nonce`
/// are random bytes, and `now` is in seconds since the Unix epoch.
///
/// # Errors
/// The URL is not absolute, or the key's id has a character that no header field may have.
pub fn sign(
    request: Outgoing<'_>,
    key: &SigningKey,
    key_id: &str,
    nonce: [u8; 16],
    now: u64,
) -> Result<SignatureFields, SignError> {
    let authority = authority(request.target_uri).map_err(|_| SignError::TargetUri)?;
    let digest = (!request.body.is_empty()).then(|| content_digest(request.body));
    let mut covered =
        vec![("@method", request.method), ("@target-uri", request.target_uri), ("@authority", &authority)];
    covered.extend(digest.as_deref().map(|digest| ("content-digest", digest)));
    let names: Vec<_> = covered.iter().map(|(name, _)| *name).collect();
    let parameters = parameters(&names, key_id, &base64url::encode(&nonce), now).ok_or(SignError::KeyId)?;
    let mut base: String = covered.iter().map(|(name, value)| format!("\"{name}\": {value}\n")).collect();
    base += &format!("\"@signature-params\": {parameters}");
    let signature = STANDARD.encode(key.sign(base.as_bytes()).to_bytes());
    Ok(SignatureFields {
        signature_input: format!("sig1={parameters}"),
        signature: format!("sig1=:{signature}:"),
        content_digest: digest,
    })
}

/// The parameters are in the order in which `anp` writes them: it signs no other one.
fn parameters(components: &[&str], key_id: &str, nonce: &str, now: u64) -> Option<String> {
    let string = |text: &str| sfv::String::try_from(text.to_owned()).ok();
    let time = |seconds: u64| sfv::Integer::try_from(seconds).ok().map(BareItem::Integer);
    let items: Option<Vec<_>> = components.iter().map(|name| Some(Item::new(string(name)?))).collect();
    let mut parameters = Parameters::new();
    for (name, value) in [
        ("created", time(now)?),
        ("expires", time(now.saturating_add(SIGNATURE_TTL_SECONDS))?),
        ("nonce", BareItem::String(string(nonce)?)),
        ("keyid", BareItem::String(string(key_id)?)),
    ] {
        parameters.insert(sfv::Key::try_from(name.to_owned()).ok()?, value);
    }
    serialize(InnerList::with_params(items?, parameters))
}

impl SignatureFields {
    /// The fields by their names.
    #[must_use]
    pub fn into_pairs(self) -> Vec<(&'static str, String)> {
        let mut pairs = vec![("signature-input", self.signature_input), ("signature", self.signature)];
        pairs.extend(self.content_digest.map(|digest| ("content-digest", digest)));
        pairs
    }

    /// The fields as headers.
    #[must_use]
    pub fn into_headers(self) -> HeaderMap {
        let pairs = self.into_pairs().into_iter();
        pairs
            .filter_map(|(name, value)| Some((name.parse().ok()?, HeaderValue::try_from(value).ok()?)))
            .collect()
    }
}
