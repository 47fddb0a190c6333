//! Decides whether a serving certificate is replaced. Pure; the time is an argument.

use std::time::Duration;

use rustls::RootCertStore;
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::ParsedCertificate;

use super::{CertificateInfo, CertifiedKey, RENEWAL_GRACE_DAYS, authority, parse, seconds};

/// Whether a serving certificate must be replaced: a part of it is malformed or was changed, it is
/// for other hosts, another authority signed it, or it is about to expire. The first one of
/// `authorities` signs.
#[must_use]
pub fn needs_renewal(
    held: Option<&CertifiedKey>,
    authorities: &str,
    hosts: &[String],
    now: jiff::Timestamp,
) -> bool {
    let Some(held) = held else { return true };
    let Some(info) = parse(&held.certificate) else { return true };
    let Some(signing) = authority::split(authorities).into_iter().next() else { return true };
    let left = info.not_after.as_second().saturating_sub(now.as_second());
    let same_hosts = info.hosts == hosts.iter().cloned().collect();
    let is_intact = held.is_pair() && is_chain(&held.certificate, &signing);
    !same_hosts || left <= seconds(RENEWAL_GRACE_DAYS) || !is_intact || !is_signed(held, &info, &signing)
}

/// Whether `chain` consists of one certificate and that of `authority`.
fn is_chain(chain: &str, authority: &str) -> bool {
    let certificates = authority::split(chain);
    matches!(certificates.as_slice(), [_, last] if last == authority) && certificates.concat() == chain
}

/// Whether `authority` signed the certificate. The time of the check is one at which both are
/// valid, because the clock may have been set back since.
fn is_signed(held: &CertifiedKey, info: &CertificateInfo, authority: &str) -> bool {
    let Some(issuer) = parse(authority) else { return false };
    let since = info.not_before.max(issuer.not_before).as_second();
    let at = UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(since).unwrap_or(0)));
    let leaf = CertificateDer::from_pem_slice(held.certificate.as_bytes());
    let root = CertificateDer::from_pem_slice(authority.as_bytes());
    let (Ok(leaf), Ok(root)) = (leaf, root) else { return false };
    let mut roots = RootCertStore::empty();
    let (Ok(()), Ok(leaf)) = (roots.add(root), ParsedCertificate::try_from(&leaf)) else { return false };
    let algorithms = rustls::crypto::ring::default_provider().signature_verification_algorithms;
    verify_server_cert_signed_by_trust_anchor(&leaf, &roots, &[], at, algorithms.all).is_ok()
}

/// The time until a serving certificate is due for renewal, at least a minute and at most half a
/// day.
#[must_use]
pub fn until_renewal(info: &CertificateInfo, now: jiff::Timestamp) -> Duration {
    let left = info.not_after.as_second() - now.as_second() - seconds(RENEWAL_GRACE_DAYS);
    Duration::from_secs(u64::try_from(left).unwrap_or(0).clamp(60, 12 * 3600))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{at, hosts};
    use super::super::{AuthoritySubject, SERVING_TTL_DAYS, create_authority, issue_serving};
    use super::*;

    #[test]
    fn a_serving_certificate_is_kept_until_a_third_of_its_life_is_left() {
        let authority = create_authority(&AuthoritySubject::relay("main"), at(0)).unwrap();
        let names = hosts(&["main.system.svc", "10.0.0.1"]);
        let serving = issue_serving(&authority, &names, at(0)).unwrap();
        let due = |day| needs_renewal(Some(&serving), &authority.certificate, &names, at(day));
        assert!(!due(0));
        assert!(!due(SERVING_TTL_DAYS - RENEWAL_GRACE_DAYS - 1));
        assert!(due(SERVING_TTL_DAYS - RENEWAL_GRACE_DAYS));
    }

    #[test]
    fn another_authority_or_another_host_requires_renewal() {
        let (one, two) = (
            create_authority(&AuthoritySubject::relay("main"), at(0)).unwrap(),
            create_authority(&AuthoritySubject::relay("main"), at(0)).unwrap(),
        );
        let names = hosts(&["main.system.svc"]);
        let serving = issue_serving(&one, &names, at(0)).unwrap();
        assert!(!needs_renewal(Some(&serving), &one.certificate, &names, at(0)));
        assert!(needs_renewal(Some(&serving), &two.certificate, &names, at(0)));
        assert!(needs_renewal(Some(&serving), &one.certificate, &hosts(&["other"]), at(0)));
        assert!(needs_renewal(None, &one.certificate, &names, at(0)));
    }

    /// Somebody edits one part of a Secret.
    #[test]
    fn a_certificate_whose_parts_do_not_fit_each_other_is_replaced() {
        let authority = create_authority(&AuthoritySubject::relay("main"), at(0)).unwrap();
        let other = create_authority(&AuthoritySubject::relay("main"), at(0)).unwrap();
        let names = hosts(&["main.system.svc"]);
        let issue = |authority| issue_serving(authority, &names, at(0)).unwrap();
        let (held, foreign) = (issue(&authority), issue(&other));
        let is_replaced = |certificate: &str, key: &str| {
            let edited = CertifiedKey { certificate: certificate.to_owned(), key: key.to_owned().into() };
            needs_renewal(Some(&edited), &authority.certificate, &names, at(0))
        };
        assert!(!is_replaced(&held.certificate, &held.key));
        assert!(is_replaced(&held.certificate, &issue(&authority).key), "another key");
        assert!(is_replaced(&held.certificate, "edited"));
        assert!(is_replaced("edited", &held.key));
        assert!(is_replaced(&foreign.certificate, &foreign.key), "another authority");
        let [leaf, _] = authority::split(&held.certificate).try_into().unwrap();
        assert!(is_replaced(&leaf, &held.key), "its authority is missing");
        assert!(is_replaced(&format!("{leaf}{}", other.certificate), &held.key));
        assert!(is_replaced(&format!("{}edited", held.certificate), &held.key));
    }

    #[test]
    fn a_certificate_beside_an_authority_that_did_not_sign_it_is_replaced() {
        let authority = create_authority(&AuthoritySubject::relay("main"), at(0)).unwrap();
        let other = create_authority(&AuthoritySubject::relay("main"), at(0)).unwrap();
        let names = hosts(&["main.system.svc"]);
        let held = issue_serving(&other, &names, at(0)).unwrap();
        let [leaf, _] = authority::split(&held.certificate).try_into().unwrap();
        let forged = CertifiedKey { certificate: format!("{leaf}{}", authority.certificate), ..held };
        assert!(needs_renewal(Some(&forged), &authority.certificate, &names, at(0)));
    }

    #[test]
    fn a_clock_that_was_set_back_renews_nothing() {
        let authority = create_authority(&AuthoritySubject::relay("main"), at(10)).unwrap();
        let names = hosts(&["main.system.svc"]);
        let held = issue_serving(&authority, &names, at(10)).unwrap();
        assert!(!needs_renewal(Some(&held), &authority.certificate, &names, at(0)));
    }
}
