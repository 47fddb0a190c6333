//! Proving a key: a nonce that is good once, and a record signed together with it.

use protocol::challenge::{self, Nonce};
use protocol::did::Domain;
use protocol::frame::RegisterParams;
use protocol::limits::{CHALLENGE_TTL, RECORD_BYTES_MAX};
use protocol::record::VerifiedRecord;
use protocol::{Did, Reason, base64url};

use crate::directory::Principal;

/// The one nonce a connection can have at a time.
#[derive(Debug)]
pub(super) struct Challenge {
    did: Did,
    nonce: Nonce,
    made_ms: u64,
}

impl Challenge {
    pub(super) const fn new(did: Did, nonce: Nonce, now_ms: u64) -> Self {
        Self { did, nonce, made_ms: now_ms }
    }
}

/// Checks a registration up to what the directory decides. Takes the challenge, so that it is good once.
///
/// # Errors
/// The reason the client is told.
pub(super) fn check(
    challenge: Option<Challenge>,
    params: &RegisterParams,
    principal: &Principal,
    domain: &Domain,
    now_ms: u64,
) -> Result<VerifiedRecord, Reason> {
    let challenge = challenge.ok_or(Reason::ChallengeUnknown)?;
    let age_ms = u128::from(now_ms.saturating_sub(challenge.made_ms));
    if challenge.did != params.did || age_ms > CHALLENGE_TTL.as_millis() {
        return Err(Reason::ChallengeUnknown);
    }
    if !covers(principal, &params.did, domain) {
        return Err(Reason::Forbidden);
    }
    // Before decoding: base64 is a third longer.
    if params.record.len() > RECORD_BYTES_MAX / 3 * 4 + 4 {
        return Err(Reason::TooLarge);
    }
    let bytes = base64url::decode(&params.record).map_err(|_| Reason::BadRecord)?;
    let record = VerifiedRecord::parse(&bytes, &params.did).map_err(|_| Reason::BadRecord)?;
    let key = record.keys.signing.get(&params.kid).ok_or(Reason::BadSignature)?;
    challenge::verify(key, domain, &challenge.nonce, &bytes, &params.signature)
        .map_err(|_| Reason::BadSignature)?;
    Ok(record)
}

/// Whether this credential may be that agent at all.
pub(super) fn covers(principal: &Principal, did: &Did, domain: &Domain) -> bool {
    let own = principal.agent.as_ref().is_none_or(|agent| agent == did);
    own && did.tenant() == principal.tenant && did.domain() == domain.as_str()
}
