//! Renews the certificate authorities of a relay. Pure; the time is an argument.
//!
//! A new authority is trusted for a year before it signs, so that every client has read it by then.
//! The previous one is trusted until it expires, because certificates that it signed are still in
//! use.

use super::{
    CertificateError, CertifiedKey, SERVING_TTL_DAYS, create_authority, fingerprint, parse, seconds,
};

/// Remaining validity of the signing authority at which the next one is created.
const PREPARE_GRACE_DAYS: i64 = 2 * 365;
/// Time for which the next authority is trusted before it signs. Clients read the authorities again
/// whenever they connect or start.
const SPREAD_GRACE_DAYS: i64 = 365;
/// Remaining validity below which an authority cannot sign a serving certificate of full validity.
/// The next one then signs at once.
const MIN_SIGNING_TTL_DAYS: i64 = SERVING_TTL_DAYS;
/// The last line of a certificate in PEM (RFC 7468).
const PEM_END: &str = "-----END CERTIFICATE-----\n";

/// The certificate authorities of one relay.
#[derive(Debug)]
pub struct Authority {
    pub signing: CertifiedKey,
    pub next: Option<CertifiedKey>,
    /// Certificates in PEM, without their keys.
    pub previous: Vec<String>,
}

/// The next step of a renewal. After each step, clients still trust every certificate in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RenewalStep {
    Wait,
    /// Create the next authority.
    Prepare,
    /// Let the next authority sign.
    Promote,
    /// Drop previous authorities that have expired.
    Forget,
}

impl Authority {
    /// Creates the first authority of a relay.
    ///
    /// # Errors
    /// As [`create_authority`].
    pub fn create(name: &str, now: jiff::Timestamp) -> Result<Self, CertificateError> {
        Ok(Self { signing: create_authority(name, now)?, next: None, previous: Vec::new() })
    }

    /// All authorities that clients trust, in PEM. The first one signs.
    #[must_use]
    pub fn trusted(&self) -> String {
        let next = self.next.iter().map(|pair| pair.certificate.as_str());
        [self.signing.certificate.as_str()]
            .into_iter()
            .chain(next)
            .chain(self.previous.iter().map(String::as_str))
            .collect()
    }

    /// The fingerprint of the signing authority. `None` if it is unreadable.
    #[must_use]
    pub fn fingerprint(&self) -> Option<String> {
        fingerprint(&self.signing.certificate)
    }

    /// Whether clients trust the authority with this fingerprint.
    #[must_use]
    pub fn contains(&self, fingerprint: &str) -> bool {
        split(&self.trusted()).iter().any(|pem| super::fingerprint(pem).as_deref() == Some(fingerprint))
    }

    /// The step that is due. An unreadable authority is never replaced automatically.
    #[must_use]
    pub fn step(&self, now: jiff::Timestamp) -> RenewalStep {
        let Some(signing) = parse(&self.signing.certificate) else { return RenewalStep::Wait };
        let left = days_between(now, signing.not_after);
        let known =
            self.next.as_ref().and_then(|next| Some(days_between(parse(&next.certificate)?.not_before, now)));
        match known {
            None if self.next.is_none() && left <= PREPARE_GRACE_DAYS => RenewalStep::Prepare,
            Some(days) if days >= SPREAD_GRACE_DAYS || left <= MIN_SIGNING_TTL_DAYS => RenewalStep::Promote,
            _ if self.previous.iter().any(|pem| has_expired(pem, now)) => RenewalStep::Forget,
            _ => RenewalStep::Wait,
        }
    }

    /// Takes a step of [`Authority::step`].
    ///
    /// # Errors
    /// As [`create_authority`].
    pub fn advance(
        self,
        step: RenewalStep,
        name: &str,
        now: jiff::Timestamp,
    ) -> Result<Self, CertificateError> {
        let Self { signing, next, mut previous } = self;
        Ok(match (step, next) {
            (RenewalStep::Prepare, None) => {
                Self { signing, next: Some(create_authority(name, now)?), previous }
            }
            (RenewalStep::Promote, Some(next)) => {
                previous.insert(0, signing.certificate);
                Self { signing: next, next: None, previous }
            }
            (_, next) => {
                previous.retain(|pem| !has_expired(pem, now));
                Self { signing, next, previous }
            }
        })
    }
}

/// Splits a PEM text into its certificates.
#[must_use]
pub fn split(pem: &str) -> Vec<String> {
    pem.split_inclusive(PEM_END).map(str::to_owned).filter(|part| part.ends_with(PEM_END)).collect()
}

fn has_expired(pem: &str, now: jiff::Timestamp) -> bool {
    parse(pem).is_none_or(|info| info.not_after <= now)
}

fn days_between(from: jiff::Timestamp, to: jiff::Timestamp) -> i64 {
    (to.as_second() - from.as_second()) / seconds(1)
}

#[cfg(test)]
mod tests;
