//! Names the reasons for which a signed request is refused.

use std::error::Error;

use protocol::did::WbaDidError;

/// Why nobody is known to have signed a request.
#[derive(Debug, thiserror::Error)]
pub enum SignatureRefusal {
    #[error("the request has no header fields Signature-Input and Signature")]
    Missing,
    #[error("the header field {0} has no form that its standard allows, or stands there twice")]
    Malformed(&'static str),
    #[error("the request has several signatures by DIDs")]
    Several,
    #[error("the signature does not cover {0}")]
    NotCovered(&'static str),
    #[error("the signature covers `{0}`, which the request has not or this server does not read")]
    Component(String),
    #[error("the server does not know under which URL it was asked")]
    TargetUri,
    #[error("the signature's {0} is missing or has another form")]
    Parameter(&'static str),
    #[error("the signature's algorithm is not ed25519")]
    Algorithm,
    #[error("the signature's keyid is no DID URL of the method did:wba")]
    KeyId(#[source] Option<WbaDidError>),
    #[error("the request was signed too long ago, or its signature has expired")]
    Expired,
    #[error("the request was signed in the future; set the clock")]
    Future,
    #[error("the request was signed before this server started; sign it again")]
    BeforeStart,
    #[error("the body is not the one of the header field Content-Digest")]
    Digest,
    #[error("the DID of the signature cannot be resolved")]
    Unresolved(#[source] Box<dyn Error + Send + Sync>),
    #[error("the DID document has no Ed25519 key of this id that authenticates")]
    KeyUnknown,
    #[error("the signature does not verify")]
    Signature,
    #[error("the nonce was used before")]
    Replayed,
    #[error("too many requests of this DID, of its domain or in all are remembered")]
    ReplayTableFull,
}

impl SignatureRefusal {
    /// A word for metrics and logs.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Missing => "signature_missing",
            Self::Malformed(_) => "signature_malformed",
            Self::Several => "signature_several",
            Self::NotCovered(_) => "signature_not_covered",
            Self::Component(_) => "signature_component",
            Self::TargetUri => "signature_target_uri",
            Self::Parameter(_) => "signature_parameter",
            Self::Algorithm => "signature_algorithm",
            Self::KeyId(_) => "signature_key_id",
            Self::Expired => "signature_expired",
            Self::Future => "signature_future",
            Self::BeforeStart => "signature_before_start",
            Self::Digest => "content_digest",
            Self::Unresolved(_) => "did_unresolved",
            Self::KeyUnknown => "did_key_unknown",
            Self::Signature => "signature_invalid",
            Self::Replayed => "nonce_replayed",
            Self::ReplayTableFull => "nonces_full",
        }
    }

    /// The `error` of a challenge (ANP-02 section 3.2.4.1).
    #[must_use]
    pub const fn challenge_error(&self) -> &'static str {
        match self {
            Self::Missing
            | Self::Malformed(_)
            | Self::Several
            | Self::NotCovered(_)
            | Self::Component(_)
            | Self::TargetUri
            | Self::Parameter(_)
            | Self::Algorithm => "invalid_request",
            Self::KeyId(_) | Self::Unresolved(_) => "invalid_did",
            Self::Expired | Self::Future | Self::BeforeStart => "invalid_timestamp",
            Self::Digest => "invalid_content_digest",
            Self::KeyUnknown => "invalid_verification_method",
            Self::Signature => "invalid_signature",
            Self::Replayed | Self::ReplayTableFull => "invalid_nonce",
        }
    }
}
