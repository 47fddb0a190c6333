//! The authorities of a relay over the years: the one that signs, the one that will, those that did. Pure; time comes in.
//!
//! A new authority is trusted for a year before it signs, so that every client has read it by then; the old one is trusted
//! until it ends, for what it signed.

use super::{CertificateError, DAY_SECONDS, Pair, SERVING_DAYS, make_authority, read};

/// The next authority is made when the one that signs has this long to live.
const PREPARE_DAYS: i64 = 2 * 365;
/// How long the next one is trusted before it signs. Clients read the authorities anew when they connect or start.
const SPREAD_DAYS: i64 = 365;
/// An authority with less to live cannot sign a serving certificate of full life; then the next one does not wait.
const SIGNING_DAYS_MIN: i64 = SERVING_DAYS;
/// Ends a certificate in PEM (RFC 7468).
const PEM_END: &str = "-----END CERTIFICATE-----\n";

pub struct Authority {
    pub signing: Pair,
    pub next: Option<Pair>,
    /// Certificates in PEM. Their keys are gone.
    pub former: Vec<String>,
}

/// What is due. One at a time; each leaves everything trusted that serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Rest,
    /// Make the next authority.
    Prepare,
    /// Let it sign.
    Promote,
    /// Trust those no more that have ended.
    Forget,
}

impl Authority {
    /// # Errors
    /// As [`make_authority`].
    pub fn make(name: &str, now: jiff::Timestamp) -> Result<Self, CertificateError> {
        Ok(Self { signing: make_authority(name, now)?, next: None, former: Vec::new() })
    }

    /// All that clients trust, in PEM; first the one that signs.
    #[must_use]
    pub fn trusted(&self) -> String {
        let next = self.next.iter().map(|pair| pair.certificate.as_str());
        [self.signing.certificate.as_str()]
            .into_iter()
            .chain(next)
            .chain(self.former.iter().map(String::as_str))
            .collect()
    }

    /// An authority that cannot be read is never replaced by itself.
    #[must_use]
    pub fn step(&self, now: jiff::Timestamp) -> Step {
        let Some(signing) = read(&self.signing.certificate) else { return Step::Rest };
        let left = days_between(now, signing.not_after);
        let known =
            self.next.as_ref().and_then(|next| Some(days_between(read(&next.certificate)?.not_before, now)));
        match known {
            None if self.next.is_none() && left <= PREPARE_DAYS => Step::Prepare,
            Some(days) if days >= SPREAD_DAYS || left <= SIGNING_DAYS_MIN => Step::Promote,
            _ if self.former.iter().any(|pem| has_ended(pem, now)) => Step::Forget,
            _ => Step::Rest,
        }
    }

    /// # Errors
    /// As [`make_authority`].
    pub fn take(self, step: Step, name: &str, now: jiff::Timestamp) -> Result<Self, CertificateError> {
        let Self { signing, next, mut former } = self;
        Ok(match (step, next) {
            (Step::Prepare, None) => Self { signing, next: Some(make_authority(name, now)?), former },
            (Step::Promote, Some(next)) => {
                former.insert(0, signing.certificate);
                Self { signing: next, next: None, former }
            }
            (_, next) => {
                former.retain(|pem| !has_ended(pem, now));
                Self { signing, next, former }
            }
        })
    }
}

/// The certificates of a PEM text, each as it stands there.
#[must_use]
pub fn split(pem: &str) -> Vec<String> {
    pem.split_inclusive(PEM_END).map(str::to_owned).filter(|part| part.ends_with(PEM_END)).collect()
}

fn has_ended(pem: &str, now: jiff::Timestamp) -> bool {
    read(pem).is_none_or(|facts| facts.not_after <= now)
}

fn days_between(from: jiff::Timestamp, to: jiff::Timestamp) -> i64 {
    (to.as_second() - from.as_second()) / DAY_SECONDS
}

#[cfg(test)]
mod tests;
