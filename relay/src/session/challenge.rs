//! The challenge of a registration: a nonce that is valid once, and a record that is signed
//! together with it.

use protocol::challenge::{self, Nonce};
use protocol::did::Domain;
use protocol::direct;
use protocol::frame::RegisterParams;
use protocol::limits::{CHALLENGE_TTL, RECORD_BYTES_MAX};
use protocol::record::VerifiedRecord;
use protocol::{Did, Reason, base64url};

use crate::directory::Principal;
use crate::hub::RequestRefusal;

/// The nonce that a connection may answer. A new one replaces the one before, and an answer uses it
/// up.
#[derive(Debug, Default)]
pub(super) struct OutstandingChallenge(Option<Challenge>);

#[derive(Debug)]
struct Challenge {
    did: Did,
    nonce: Nonce,
    issued_ms: u64,
}

impl OutstandingChallenge {
    pub(super) fn issue(&mut self, did: Did, nonce: Nonce, now_ms: u64) {
        self.0 = Some(Challenge { did, nonce, issued_ms: now_ms });
    }

    /// Verifies a registration, except for what the directory decides. Uses up the challenge.
    ///
    /// # Errors
    /// The reason that the client gets.
    pub(super) fn verify(
        &mut self,
        params: &RegisterParams,
        principal: &Principal,
        domain: &Domain,
        now_ms: u64,
    ) -> Result<VerifiedRecord, RequestRefusal> {
        let challenge = self.0.take().ok_or(Reason::ChallengeUnknown)?;
        let age_ms = u128::from(now_ms.saturating_sub(challenge.issued_ms));
        if challenge.did != params.did || age_ms > CHALLENGE_TTL.as_millis() {
            return Err(Reason::ChallengeUnknown.into());
        }
        if !covers(principal, &params.did, domain) {
            return Err(Reason::Forbidden.into());
        }
        // Checked before decoding: base64 is a third longer.
        if params.record.len() > RECORD_BYTES_MAX / 3 * 4 + 4 {
            return Err(Reason::TooLarge.into());
        }
        let bytes = base64url::decode(&params.record).map_err(|error| bad_record(&error))?;
        let record = VerifiedRecord::parse(&bytes, &params.did).map_err(|error| bad_record(&error))?;
        direct::check_services(&record.document).map_err(|error| bad_record(&error))?;
        let key = record.keys.signing.get(&params.kid).ok_or(Reason::BadSignature)?;
        challenge::verify(key, domain, &challenge.nonce, &bytes, &params.signature)
            .map_err(|_| Reason::BadSignature)?;
        Ok(record)
    }
}

fn bad_record(error: &dyn std::error::Error) -> RequestRefusal {
    let causes: Vec<_> = std::iter::successors(Some(error), |error| error.source()).collect();
    let texts: Vec<_> = causes.iter().map(ToString::to_string).collect();
    RequestRefusal::with_detail(Reason::BadRecord, &texts.join(": "))
}

/// Whether the credential may register this agent.
pub(super) fn covers(principal: &Principal, did: &Did, domain: &Domain) -> bool {
    let own = principal.agent.as_ref().is_none_or(|agent| agent == did);
    own && did.tenant() == principal.tenant && did.domain() == domain.as_str()
}
