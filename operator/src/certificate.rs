//! Creates and parses X.509 certificates: the private authority of a relay, and the serving
//! certificates that it signs. Pure; the time is an argument.
//!
//! Keys are ECDSA P-256, the smallest ones that every TLS client accepts.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, GeneralSubtree,
    IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints, SanType, SerialNumber,
};
use sha2::{Digest as _, Sha256};
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::{FromDer as _, X509Certificate};
use zeroize::Zeroizing;

pub mod authority;
mod renewal;

pub use renewal::{needs_renewal, until_renewal};

/// Validity of an authority. Every client has to know its successor before it expires: see
/// [`authority`].
const AUTHORITY_TTL_DAYS: i64 = 3650;
/// Validity of a serving certificate.
pub const SERVING_TTL_DAYS: i64 = 90;
/// Remaining validity at which a serving certificate is renewed. It leaves a month to notice
/// failing renewals.
pub const RENEWAL_GRACE_DAYS: i64 = 30;
/// How far the start of the validity is in the past, for clients whose clocks are slow.
const BACKDATE_GRACE_SECONDS: i64 = 300;
const _: () = assert!(SERVING_TTL_DAYS > 2 * RENEWAL_GRACE_DAYS && AUTHORITY_TTL_DAYS > 4 * SERVING_TTL_DAYS);

/// Why a certificate could not be created.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    #[error("failed to generate or sign a key")]
    Create(#[source] rcgen::Error),
    #[error("failed to read the certificate authority")]
    ReadAuthority(#[source] rcgen::Error),
    #[error("the time is outside the range of a certificate")]
    Time,
}

const fn seconds(days: i64) -> i64 {
    days * 24 * 3600
}

/// A certificate and its private key, both in PEM.
pub struct CertifiedKey {
    pub certificate: String,
    pub key: Zeroizing<String>,
}

impl CertifiedKey {
    /// Whether the private key is that of the certificate.
    #[must_use]
    pub fn is_pair(&self) -> bool {
        let Ok(key) = KeyPair::from_pem(&self.key) else { return false };
        let Ok((_, pem)) = x509_parser::pem::parse_x509_pem(self.certificate.as_bytes()) else {
            return false;
        };
        let Ok((_, certificate)) = X509Certificate::from_der(&pem.contents) else { return false };
        *certificate.public_key().subject_public_key.data == *key.public_key_raw()
    }
}

/// Shows no key.
impl fmt::Debug for CertifiedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertifiedKey").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

/// What a new authority is for.
#[derive(Debug, Clone, Default)]
pub struct AuthoritySubject {
    /// The name that people see.
    pub name: String,
    /// Host names that no certificate of it may have. Clients check that (RFC 5280, 4.2.1.10).
    pub excluded_hosts: Vec<String>,
}

impl AuthoritySubject {
    #[must_use]
    pub fn relay(name: &str) -> Self {
        Self { name: format!("msg2agent relay {name}"), excluded_hosts: Vec::new() }
    }

    /// The authority of a relay's MCP endpoints, which must not pass for the relay. A name of one
    /// label is not excluded, because it would exclude every host in a namespace of that name.
    #[must_use]
    pub fn endpoints(name: &str, relay_hosts: &[String]) -> Self {
        let excluded_hosts = relay_hosts.iter().filter(|host| host.contains('.')).cloned().collect();
        Self { name: format!("msg2agent endpoints of {name}"), excluded_hosts }
    }
}

/// Creates a self-signed authority.
///
/// # Errors
/// [`CertificateError`] without randomness, or for a time outside the range of X.509.
pub fn create_authority(
    subject: &AuthoritySubject,
    now: jiff::Timestamp,
) -> Result<CertifiedKey, CertificateError> {
    let mut params = params(&subject.name, now, AUTHORITY_TTL_DAYS)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages =
        vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
    params.name_constraints = (!subject.excluded_hosts.is_empty()).then(|| NameConstraints {
        permitted_subtrees: Vec::new(),
        excluded_subtrees: subject.excluded_hosts.iter().cloned().map(GeneralSubtree::DnsName).collect(),
    });
    let key = KeyPair::generate().map_err(CertificateError::Create)?;
    let certificate = params.self_signed(&key).map_err(CertificateError::Create)?;
    Ok(CertifiedKey { certificate: certificate.pem(), key: Zeroizing::new(key.serialize_pem()) })
}

/// Creates a serving certificate for `hosts`, signed by `authority`. The PEM contains the authority
/// too.
///
/// # Errors
/// [`CertificateError::ReadAuthority`] for an unreadable authority; otherwise as
/// [`create_authority`].
pub fn issue_serving(
    authority: &CertifiedKey,
    hosts: &[String],
    now: jiff::Timestamp,
) -> Result<CertifiedKey, CertificateError> {
    let signer = KeyPair::from_pem(&authority.key).map_err(CertificateError::ReadAuthority)?;
    let issuer =
        Issuer::from_ca_cert_pem(&authority.certificate, signer).map_err(CertificateError::ReadAuthority)?;
    let mut params = params("msg2agent", now, SERVING_TTL_DAYS)?;
    params.subject_alt_names = hosts.iter().filter_map(|host| san(host)).collect();
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let key = KeyPair::generate().map_err(CertificateError::Create)?;
    let certificate = params.signed_by(&key, &issuer).map_err(CertificateError::Create)?;
    let chain = format!("{}{}", certificate.pem(), authority.certificate);
    Ok(CertifiedKey { certificate: chain, key: Zeroizing::new(key.serialize_pem()) })
}

fn san(host: &str) -> Option<SanType> {
    match host.parse::<IpAddr>() {
        Ok(address) => Some(SanType::IpAddress(address)),
        Err(_) => host.try_into().ok().map(SanType::DnsName),
    }
}

fn params(name: &str, now: jiff::Timestamp, days: i64) -> Result<CertificateParams, CertificateError> {
    let mut params = CertificateParams::default();
    let mut subject = DistinguishedName::new();
    // A common name has at most 64 characters (RFC 5280).
    subject.push(DnType::CommonName, name.chars().take(64).collect::<String>());
    params.distinguished_name = subject;
    let (year, month, day, within) = date(now.as_second().saturating_sub(BACKDATE_GRACE_SECONDS))?;
    params.not_before = rcgen::date_time_ymd(year, month, day) + within;
    let (year, month, day, within) = date(now.as_second().saturating_add(seconds(days)))?;
    params.not_after = rcgen::date_time_ymd(year, month, day) + within;
    params.serial_number = Some(SerialNumber::from_slice(uuid::Uuid::new_v4().as_bytes()));
    Ok(params)
}

/// Converts Unix seconds into year, month, day and the time within that day, as rcgen takes them.
fn date(second: i64) -> Result<(i32, u8, u8, std::time::Duration), CertificateError> {
    let timestamp = jiff::Timestamp::from_second(second).map_err(|_| CertificateError::Time)?;
    let date = timestamp.to_zoned(jiff::tz::TimeZone::UTC);
    let small = |number: i8| u8::try_from(number).map_err(|_| CertificateError::Time);
    let within = u64::try_from(second.rem_euclid(seconds(1))).map_err(|_| CertificateError::Time)?;
    Ok((date.year().into(), small(date.month())?, small(date.day())?, std::time::Duration::from_secs(within)))
}

/// The parts of a certificate that the operator decides by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateInfo {
    pub not_before: jiff::Timestamp,
    pub not_after: jiff::Timestamp,
    pub hosts: BTreeSet<String>,
}

/// Parses the first certificate of a PEM text. `None` if it is malformed.
#[must_use]
pub fn parse(pem: &str) -> Option<CertificateInfo> {
    let (_, pem) = x509_parser::pem::parse_x509_pem(pem.as_bytes()).ok()?;
    let (_, certificate) = X509Certificate::from_der(&pem.contents).ok()?;
    let mut info = CertificateInfo {
        not_before: jiff::Timestamp::from_second(certificate.validity().not_before.timestamp()).ok()?,
        not_after: jiff::Timestamp::from_second(certificate.validity().not_after.timestamp()).ok()?,
        hosts: BTreeSet::new(),
    };
    for extension in certificate.extensions() {
        if let ParsedExtension::SubjectAlternativeName(names) = extension.parsed_extension() {
            info.hosts.extend(names.general_names.iter().filter_map(host));
        }
    }
    Some(info)
}

/// The SHA-256 of the first certificate of a PEM text, in lower-case hex digits. `None` if it is
/// malformed.
#[must_use]
pub fn fingerprint(pem: &str) -> Option<String> {
    let (_, pem) = x509_parser::pem::parse_x509_pem(pem.as_bytes()).ok()?;
    Some(Sha256::digest(&pem.contents).iter().map(|byte| format!("{byte:02x}")).collect())
}

fn host(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => match <[u8; 4]>::try_from(*bytes) {
            Ok(four) => Some(IpAddr::from(four).to_string()),
            Err(_) => <[u8; 16]>::try_from(*bytes).ok().map(|sixteen| IpAddr::from(sixteen).to_string()),
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn at(day: i64) -> jiff::Timestamp {
        jiff::Timestamp::from_second(1_790_000_000 + seconds(day)).unwrap()
    }

    pub(super) fn hosts(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn the_times_of_certificates_are_what_the_documentation_says() {
        assert_eq!((AUTHORITY_TTL_DAYS, SERVING_TTL_DAYS, RENEWAL_GRACE_DAYS), (3650, 90, 30));
        let authority = create_authority(&AuthoritySubject::relay("main"), at(0)).unwrap();
        let serving = issue_serving(&authority, &hosts(&["main"]), at(0)).unwrap();
        let info = parse(&serving.certificate).unwrap();
        let validity = |since: jiff::Timestamp, until: jiff::Timestamp| until.as_second() - since.as_second();
        assert_eq!(validity(info.not_before, at(0)), 300, "for clients whose clocks are slow");
        assert_eq!(validity(at(0), info.not_after), 90 * 24 * 3600);
        let due = |day| needs_renewal(Some(&serving), &authority.certificate, &hosts(&["main"]), at(day));
        assert_eq!((due(59), due(60)), (false, true));
    }
}
