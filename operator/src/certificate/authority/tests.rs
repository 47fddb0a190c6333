//! Simulates decades of renewals. A client that read the authorities within the last year trusts
//! every certificate in use.

use std::sync::Arc;
use std::time::Duration;

use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};

use super::super::tests::at;
use super::super::{AUTHORITY_TTL_DAYS, issue_serving, needs_renewal};
use super::*;

const HOST: &str = "main.team.svc";

fn subject() -> AuthoritySubject {
    AuthoritySubject::relay("main")
}

/// Whether a client that read `trusted` accepts `serving` on that day.
fn accepts(trusted: &str, serving: &str, day: i64) -> bool {
    accepts_for(HOST, trusted, serving, day)
}

fn accepts_for(host: &'static str, trusted: &str, serving: &str, day: i64) -> bool {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(CertificateDer::pem_slice_iter(trusted.as_bytes()).map(Result::unwrap));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
    let leaf = CertificateDer::from_pem_slice(serving.as_bytes()).unwrap();
    let now = UnixTime::since_unix_epoch(Duration::from_secs(at(day).as_second().try_into().unwrap()));
    verifier.verify_server_cert(&leaf, &[], &ServerName::try_from(host).unwrap(), &[], now).is_ok()
}

#[test]
fn an_authority_is_replaced_step_by_step_when_two_years_are_left() {
    let mut authority = Authority::create(&subject(), at(0)).unwrap();
    let first = authority.signing.certificate.clone();
    let prepare = AUTHORITY_TTL_DAYS - PREPARE_GRACE_DAYS;
    assert_eq!(authority.step(at(prepare - 1)), RenewalStep::Wait);
    assert_eq!(authority.step(at(prepare)), RenewalStep::Prepare);
    authority = authority.advance(RenewalStep::Prepare, &subject(), at(prepare)).unwrap();
    assert_eq!(authority.signing.certificate, first, "it signs as before");
    assert_eq!(split(&authority.trusted()).len(), 2);
    assert_eq!(authority.step(at(prepare + SPREAD_GRACE_DAYS - 1)), RenewalStep::Wait);
    assert_eq!(authority.step(at(prepare + SPREAD_GRACE_DAYS)), RenewalStep::Promote);
    authority = authority.advance(RenewalStep::Promote, &subject(), at(prepare + SPREAD_GRACE_DAYS)).unwrap();
    assert_ne!(authority.signing.certificate, first);
    assert_eq!(authority.previous, [first]);
    assert_eq!(authority.step(at(AUTHORITY_TTL_DAYS - 1)), RenewalStep::Wait);
    assert_eq!(authority.step(at(AUTHORITY_TTL_DAYS)), RenewalStep::Forget);
    authority = authority.advance(RenewalStep::Forget, &subject(), at(AUTHORITY_TTL_DAYS)).unwrap();
    assert_eq!(authority.trusted(), authority.signing.certificate);
}

#[test]
fn a_client_that_read_the_authorities_within_a_year_trusts_certificates_in_use_for_forty_years() {
    let names = [HOST.to_owned()];
    let mut authority = Authority::create(&subject(), at(0)).unwrap();
    let mut serving = issue_serving(&authority.signing, &names, at(0)).unwrap();
    let mut read = Vec::new();
    for day in (0..40 * 365).step_by(15) {
        authority = authority.advance_at(day);
        if needs_renewal(Some(&serving), &authority.signing.certificate, &names, at(day)) {
            serving = issue_serving(&authority.signing, &names, at(day)).unwrap();
        }
        read.push((day, authority.trusted()));
        read.retain(|(then, _)| day - then < SPREAD_GRACE_DAYS);
        for (then, trusted) in &read {
            assert!(accepts(trusted, &serving.certificate, day), "read on day {then}, now it is day {day}");
        }
    }
    let first = Authority::create(&subject(), at(0)).unwrap();
    assert!(!accepts(&first.trusted(), &serving.certificate, 40 * 365), "the check can fail");
}

#[test]
fn an_operator_that_was_away_for_years_promotes_the_next_authority_at_once() {
    let late = AUTHORITY_TTL_DAYS - MIN_SIGNING_TTL_DAYS;
    let authority = Authority::create(&subject(), at(0)).unwrap();
    assert_eq!(authority.step(at(late)), RenewalStep::Prepare);
    let authority = authority.advance(RenewalStep::Prepare, &subject(), at(late)).unwrap();
    assert_eq!(authority.step(at(late)), RenewalStep::Promote);
}

#[test]
fn an_authority_that_cannot_be_read_is_left_alone() {
    let mut authority = Authority::create(&subject(), at(0)).unwrap();
    authority.signing.certificate = "not PEM".into();
    assert_eq!(authority.step(at(AUTHORITY_TTL_DAYS)), RenewalStep::Wait);
}

impl Authority {
    fn advance_at(self, day: i64) -> Self {
        let step = self.step(at(day));
        self.advance(step, &subject(), at(day)).unwrap()
    }
}

/// Clients honour the name constraints of the endpoints' authority, so that not even a certificate
/// that was issued by mistake passes for the relay.
#[test]
fn a_certificate_of_the_endpoints_authority_never_passes_for_the_relay() {
    let relay_hosts = ["agents.example.com", "main", "main.team", "main.team.svc"].map(str::to_owned);
    let subject = AuthoritySubject::endpoints("main", &relay_hosts);
    let endpoints = Authority::create(&subject, at(0)).unwrap();
    let issue =
        |host: &str| issue_serving(&endpoints.signing, &[host.to_owned()], at(0)).unwrap().certificate;
    let trusted = endpoints.trusted();
    for host in ["alice-mcp.team.svc", "alice-mcp.main"] {
        assert!(accepts_for(host, &trusted, &issue(host), 1), "{host}");
    }
    for host in [HOST, "main.team", "agents.example.com", "sub.agents.example.com"] {
        assert!(!accepts_for(host, &trusted, &issue(host), 1), "{host}");
    }
    let relay = Authority::create(&AuthoritySubject::relay("main"), at(0)).unwrap();
    assert!(!accepts_for("alice-mcp.team.svc", &relay.trusted(), &issue("alice-mcp.team.svc"), 1));
}
