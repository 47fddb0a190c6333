//! The private certificate authority of a relay and the serving certificates it signs. Time comes in.
//!
//! ECDSA P-256: the smallest kind that every TLS client accepts.

use std::collections::BTreeSet;
use std::net::IpAddr;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, SanType, SerialNumber,
};
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::{FromDer as _, X509Certificate};
use zeroize::Zeroizing;

pub mod authority;

pub use authority::Authority;

/// Life of an authority. Its replacement has to reach every client first: see [`authority`].
const AUTHORITY_DAYS: i64 = 3650;
/// Life of a serving certificate.
pub const SERVING_DAYS: i64 = 90;
/// A serving certificate is renewed when this much of its life is left: a month to notice that renewal fails.
pub const RENEW_DAYS: i64 = 30;
/// Clocks of clients may be this much behind.
const BACKDATE_SECONDS: i64 = 300;
const DAY_SECONDS: i64 = 24 * 3600;

#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    #[error("failed to make or sign a key")]
    Make(#[source] rcgen::Error),
    #[error("failed to read the certificate authority")]
    ReadAuthority(#[source] rcgen::Error),
    #[error("the time is outside what a certificate can hold")]
    Time,
}

/// Certificate and private key, both PEM.
pub struct Pair {
    pub certificate: String,
    pub key: Zeroizing<String>,
}

/// Makes an authority.
///
/// # Errors
/// The machine gives no randomness, or a time beyond what X.509 holds.
pub fn make_authority(name: &str, now: jiff::Timestamp) -> Result<Pair, CertificateError> {
    let mut params = params(&format!("msg2agent relay {name}"), now, AUTHORITY_DAYS)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages =
        vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
    let key = KeyPair::generate().map_err(CertificateError::Make)?;
    let certificate = params.self_signed(&key).map_err(CertificateError::Make)?;
    Ok(Pair { certificate: certificate.pem(), key: Zeroizing::new(key.serialize_pem()) })
}

/// Makes a serving certificate for `hosts`, signed by `authority`. The PEM holds the authority too.
///
/// # Errors
/// An authority that cannot be read; otherwise as [`make_authority`].
pub fn make_serving(
    authority: &Pair,
    hosts: &[String],
    now: jiff::Timestamp,
) -> Result<Pair, CertificateError> {
    let signer = KeyPair::from_pem(&authority.key).map_err(CertificateError::ReadAuthority)?;
    let issuer =
        Issuer::from_ca_cert_pem(&authority.certificate, signer).map_err(CertificateError::ReadAuthority)?;
    let mut params = params("msg2agent", now, SERVING_DAYS)?;
    params.subject_alt_names = hosts.iter().filter_map(|host| san(host)).collect();
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let key = KeyPair::generate().map_err(CertificateError::Make)?;
    let certificate = params.signed_by(&key, &issuer).map_err(CertificateError::Make)?;
    let chain = format!("{}{}", certificate.pem(), authority.certificate);
    Ok(Pair { certificate: chain, key: Zeroizing::new(key.serialize_pem()) })
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
    // X.509 allows 64 characters in a common name.
    subject.push(DnType::CommonName, name.chars().take(64).collect::<String>());
    params.distinguished_name = subject;
    let (year, month, day, within) = date(now.as_second().saturating_sub(BACKDATE_SECONDS))?;
    params.not_before = rcgen::date_time_ymd(year, month, day) + within;
    let (year, month, day, within) = date(now.as_second().saturating_add(days * DAY_SECONDS))?;
    params.not_after = rcgen::date_time_ymd(year, month, day) + within;
    params.serial_number = Some(SerialNumber::from_slice(uuid::Uuid::new_v4().as_bytes()));
    Ok(params)
}

/// A second of the Unix epoch as year, month, day and the time within that day, which is what rcgen takes.
fn date(second: i64) -> Result<(i32, u8, u8, std::time::Duration), CertificateError> {
    let timestamp = jiff::Timestamp::from_second(second).map_err(|_| CertificateError::Time)?;
    let date = timestamp.to_zoned(jiff::tz::TimeZone::UTC);
    let small = |number: i8| u8::try_from(number).map_err(|_| CertificateError::Time);
    let within = u64::try_from(second.rem_euclid(DAY_SECONDS)).map_err(|_| CertificateError::Time)?;
    Ok((date.year().into(), small(date.month())?, small(date.day())?, std::time::Duration::from_secs(within)))
}

/// What a certificate in a Secret says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    pub not_before: jiff::Timestamp,
    pub not_after: jiff::Timestamp,
    pub hosts: BTreeSet<String>,
    /// Key id of the issuer, or the own one of an authority.
    authority: Option<Vec<u8>>,
}

/// The first certificate of a PEM text; `None` when it cannot be read.
#[must_use]
pub fn read(pem: &str) -> Option<Facts> {
    let (_, pem) = x509_parser::pem::parse_x509_pem(pem.as_bytes()).ok()?;
    let (_, certificate) = X509Certificate::from_der(&pem.contents).ok()?;
    let mut facts = Facts {
        not_before: jiff::Timestamp::from_second(certificate.validity().not_before.timestamp()).ok()?,
        not_after: jiff::Timestamp::from_second(certificate.validity().not_after.timestamp()).ok()?,
        hosts: BTreeSet::new(),
        authority: None,
    };
    for extension in certificate.extensions() {
        match extension.parsed_extension() {
            ParsedExtension::SubjectAlternativeName(names) => {
                facts.hosts.extend(names.general_names.iter().filter_map(host))
            }
            ParsedExtension::AuthorityKeyIdentifier(id) => {
                facts.authority = id.key_identifier.as_ref().map(|id| id.0.to_vec());
            }
            ParsedExtension::SubjectKeyIdentifier(id) if facts.authority.is_none() => {
                facts.authority = Some(id.0.to_vec());
            }
            _ => {}
        }
    }
    Some(facts)
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

/// Whether a serving certificate must be made anew: unreadable, for other hosts, by another authority, or near its end.
#[must_use]
pub fn is_due(serving: Option<&str>, authority: &str, hosts: &[String], now: jiff::Timestamp) -> bool {
    let Some(serving) = serving.and_then(read) else { return true };
    let Some(authority) = read(authority) else { return true };
    let left = serving.not_after.as_second().saturating_sub(now.as_second());
    let same_hosts = serving.hosts == hosts.iter().cloned().collect();
    !same_hosts || serving.authority != authority.authority || left <= RENEW_DAYS * DAY_SECONDS
}

/// When to look at a serving certificate again.
#[must_use]
pub fn renewal_wait(facts: &Facts, now: jiff::Timestamp) -> std::time::Duration {
    let left = facts.not_after.as_second() - now.as_second() - RENEW_DAYS * DAY_SECONDS;
    std::time::Duration::from_secs(u64::try_from(left).unwrap_or(0).clamp(60, 12 * 3600))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(day: i64) -> jiff::Timestamp {
        jiff::Timestamp::from_second(1_790_000_000 + day * DAY_SECONDS).unwrap()
    }

    fn hosts(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_serving_certificate_is_kept_until_a_third_of_its_life_is_left() {
        let authority = make_authority("main", at(0)).unwrap();
        let names = hosts(&["main.system.svc", "10.0.0.1"]);
        let serving = make_serving(&authority, &names, at(0)).unwrap();
        let due = |day| is_due(Some(&serving.certificate), &authority.certificate, &names, at(day));
        assert!(!due(0));
        assert!(!due(SERVING_DAYS - RENEW_DAYS - 1));
        assert!(due(SERVING_DAYS - RENEW_DAYS));
    }

    #[test]
    fn another_authority_or_another_host_makes_it_due() {
        let (one, two) = (make_authority("main", at(0)).unwrap(), make_authority("main", at(0)).unwrap());
        let names = hosts(&["main.system.svc"]);
        let serving = make_serving(&one, &names, at(0)).unwrap();
        assert!(!is_due(Some(&serving.certificate), &one.certificate, &names, at(0)));
        assert!(is_due(Some(&serving.certificate), &two.certificate, &names, at(0)));
        assert!(is_due(Some(&serving.certificate), &one.certificate, &hosts(&["other"]), at(0)));
        assert!(is_due(Some("not PEM"), &one.certificate, &names, at(0)));
        assert!(is_due(None, &one.certificate, &names, at(0)));
    }
}
