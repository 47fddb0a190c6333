//! Verifies and decrypts an envelope.
//!
//! Every type of message takes the same path. Nothing is decrypted before the signature verifies,
//! and the caller records a message as seen only after all checks have passed.

use subtle::ConstantTimeEq as _;
use x25519_dalek::PublicKey;

use super::content::ContentError;
use super::freshness::{self, NotFresh};
use super::header::HeaderError;
use super::suite1::{Binding, LowOrder, MessagePrk, NotAuthentic, extract};
use super::{Content, Envelope, Header};
use crate::document::PublicKeys;
use crate::identity::{Identity, Kid, public_of};
use crate::signature::{BadSignature, Context, verify};
use crate::{UnixSeconds, base64url};

/// A message that its sender signed for this recipient and that has not expired.
pub struct Opened {
    pub header: Header,
    pub content: Content,
    /// The message key, which a [proof](crate::proof) may disclose.
    pub prk: MessagePrk,
}

/// Why an envelope was refused, in the order of the checks.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("the protected header cannot be read")]
    Header(#[source] HeaderError),
    #[error("the envelope's outer {0} differs from its signed header")]
    HeaderMismatch(&'static str),
    #[error("the sender's record holds no signing key `{0}`")]
    UnknownSigningKey(Kid),
    #[error("the signature does not verify under the sender's key")]
    Signature(#[source] BadSignature),
    #[error("the message is addressed to another agent")]
    NotForUs,
    #[error("the message is not fresh")]
    NotFresh(#[source] NotFresh),
    #[error("this identity holds no encryption key `{0}`; the sender used an old record")]
    UnknownEncryptionKey(Kid),
    #[error("the ephemeral key cannot be used")]
    EphemeralKey(#[source] LowOrder),
    #[error("the key does not match the header's commitment")]
    Commitment,
    #[error("the body cannot be decrypted")]
    Body(#[source] NotAuthentic),
    #[error("the content cannot be read")]
    Content(#[source] ContentError),
}

/// Opens an envelope that is addressed to `recipient`. `sender` holds the keys of the sender's
/// verified record. The caller must then refuse a replay by `(from, id)`.
///
/// # Errors
/// The first check that fails, in the order of [`OpenError`].
pub fn open(
    envelope: &Envelope,
    sender: &PublicKeys,
    recipient: &Identity,
    now: UnixSeconds,
) -> Result<Opened, OpenError> {
    let header = authenticate(envelope, sender)?;
    if &header.to != recipient.did() {
        return Err(OpenError::NotForUs);
    }
    freshness::check(header.class, header.time, header.ttl, now).map_err(OpenError::NotFresh)?;
    let secret = recipient
        .encryption_secret(&header.rkid)
        .ok_or_else(|| OpenError::UnknownEncryptionKey(header.rkid.clone()))?;
    let epk = PublicKey::from(header.epk);
    let prk = extract(secret, &epk, &epk, &public_of(secret)).map_err(OpenError::EphemeralKey)?;
    let content = decrypt(envelope, &header, &prk)?;
    Ok(Opened { header, content, prk })
}

/// Reads the header and verifies the signature, without asking who the recipient is.
///
/// # Errors
/// [`OpenError::Header`], [`OpenError::HeaderMismatch`], [`OpenError::UnknownSigningKey`] and
/// [`OpenError::Signature`].
pub fn authenticate(envelope: &Envelope, sender: &PublicKeys) -> Result<Header, OpenError> {
    let header = Header::parse(&envelope.protected).map_err(OpenError::Header)?;
    check_outer(envelope, &header)?;
    let key =
        sender.signing.get(&header.skid).ok_or_else(|| OpenError::UnknownSigningKey(header.skid.clone()))?;
    let bad = |_| OpenError::Signature(BadSignature);
    let signature: [u8; 64] = base64url::decode_array(&envelope.signature).map_err(bad)?;
    let input = [envelope.protected.as_bytes(), b".", envelope.body.as_bytes()];
    verify(key, Context::Envelope, &input, &signature).map_err(OpenError::Signature)?;
    Ok(header)
}

/// Decrypts with a known message key, as the recipient or as the reader of a proof.
///
/// # Errors
/// [`OpenError::Commitment`], [`OpenError::Body`] and [`OpenError::Content`].
pub fn decrypt(envelope: &Envelope, header: &Header, prk: &MessagePrk) -> Result<Content, OpenError> {
    let keys = prk.expand(Binding {
        from: &header.from,
        to: &header.to,
        skid: &header.skid,
        rkid: &header.rkid,
        id: &header.id,
    });
    if !bool::from(keys.commit.ct_eq(&header.commit)) {
        return Err(OpenError::Commitment);
    }
    let body = base64url::decode(&envelope.body).map_err(|_| OpenError::Body(NotAuthentic))?;
    let plaintext = keys.decrypt(&envelope.protected, &body).map_err(OpenError::Body)?;
    Content::from_plaintext(&plaintext).map_err(OpenError::Content)
}

fn check_outer(envelope: &Envelope, header: &Header) -> Result<(), OpenError> {
    let differs = [
        ("to", envelope.to != header.to),
        ("from", envelope.from != header.from),
        ("id", envelope.id != header.id),
        ("class", envelope.class != header.class),
        ("ttl", envelope.ttl != header.ttl),
    ];
    match differs.into_iter().find(|(_, differs)| *differs) {
        Some((member, _)) => Err(OpenError::HeaderMismatch(member)),
        None => Ok(()),
    }
}
