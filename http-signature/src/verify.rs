//! Checks the signature of a request in two steps, between which the DID is resolved.

use ed25519_dalek::Signature;
use protocol::document::ResolvedDocument;

use crate::content_digest;
use crate::refusal::SignatureRefusal;
use crate::request::ReceivedRequest;
use crate::signature_base::signature_base;
use crate::signature_input::SignatureInput;
use crate::verified_caller::VerifiedCaller;
use crate::{CLOCK_SKEW_GRACE_SECONDS, MAX_AGE_TTL_SECONDS};

/// A request whose signature has the right form, time and cover, by a DID that says so and has not
/// been asked yet.
#[derive(Debug)]
pub struct SignedRequest {
    pub(crate) input: SignatureInput,
    base: String,
}

impl SignedRequest {
    /// Reads the signature, and checks everything for which the DID document is not needed.
    ///
    /// # Errors
    /// The first check that fails.
    pub fn read(request: &ReceivedRequest<'_>, now: u64) -> Result<Self, SignatureRefusal> {
        let input = SignatureInput::read(request)?;
        check_cover(request, &input.components)?;
        check_time(&input, now)?;
        let base = signature_base(request, &input.components, &input.parameters)?;
        Ok(Self { input, base })
    }

    /// The DID that is said to have signed.
    #[must_use]
    pub const fn did(&self) -> &protocol::did::WbaDid {
        &self.input.did
    }

    /// Checks the signature under the key of the document, which must authenticate.
    ///
    /// # Errors
    /// [`SignatureRefusal::KeyUnknown`] and [`SignatureRefusal::Signature`].
    pub fn verify(&self, document: &ResolvedDocument) -> Result<VerifiedCaller, SignatureRefusal> {
        let key = document.authentication_key(&self.input.key_id).filter(|_| document.did == self.input.did);
        let key = key.ok_or(SignatureRefusal::KeyUnknown)?;
        let signature = Signature::from_bytes(&self.input.signature);
        key.verify_strict(self.base.as_bytes(), &signature).map_err(|_| SignatureRefusal::Signature)?;
        Ok(VerifiedCaller {
            did: self.input.did.clone(),
            key_id: self.input.key_id.clone(),
            assurance: document.assurance,
        })
    }
}

/// The method, the URL and the body belong to what is signed.
fn check_cover(request: &ReceivedRequest<'_>, components: &[String]) -> Result<(), SignatureRefusal> {
    let covers = |name: &str| components.iter().any(|component| component == name);
    for name in ["@method", "@target-uri"] {
        if !covers(name) {
            return Err(SignatureRefusal::NotCovered(name));
        }
    }
    match request.single_field("content-digest")? {
        Some(_) | None if !covers("content-digest") && !request.body.is_empty() => {
            Err(SignatureRefusal::NotCovered("content-digest"))
        }
        Some(field) => content_digest::check(field, request.body),
        None => Ok(()),
    }
}

fn check_time(input: &SignatureInput, now: u64) -> Result<(), SignatureRefusal> {
    if input.created > now.saturating_add(CLOCK_SKEW_GRACE_SECONDS) {
        return Err(SignatureRefusal::Future);
    }
    let ends = input.created.saturating_add(MAX_AGE_TTL_SECONDS);
    if now >= input.expires.unwrap_or(ends).min(ends) { Err(SignatureRefusal::Expired) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
