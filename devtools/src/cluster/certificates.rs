//! Issues the keys and certificates of the built-in cluster: one CA, one server certificate, one
//! client certificate per component.

use std::net::{IpAddr, Ipv4Addr};

use anyhow::Context as _;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, SanType,
};

use super::network::Network;

/// A key and its certificate, both PEM. No `Debug`: the key is a secret.
pub(crate) struct CertifiedKey {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

/// The CA of one cluster. It is deleted with the cluster.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
}

/// Who a client certificate speaks for: `CN` is the user and `O` the group (Kubernetes "X.509
/// client certificates").
#[derive(Debug, Clone, Copy)]
pub(crate) struct Identity {
    pub(crate) user: &'static str,
    pub(crate) group: Option<&'static str>,
}

impl Authority {
    /// A fresh authority.
    pub(crate) fn generate() -> anyhow::Result<Self> {
        let mut parameters = parameters(Identity { user: "msg2agent-test-cluster", group: None });
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let key = KeyPair::generate().context("generate the authority's key")?;
        let certificate = parameters.self_signed(&key).context("sign the authority's certificate")?.pem();
        Ok(Self { issuer: Issuer::new(parameters, key), certificate })
    }

    /// The authority's certificate, PEM.
    pub(crate) fn certificate(&self) -> &str {
        &self.certificate
    }

    /// For the API server and the kubelet: every name and address a client may use for them.
    pub(crate) fn server(&self, network: Network) -> anyhow::Result<CertifiedKey> {
        let mut parameters = parameters(Identity { user: "node", group: None });
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        for name in ["localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"] {
            parameters.subject_alt_names.push(SanType::DnsName(name.try_into()?));
        }
        parameters
            .subject_alt_names
            .push(SanType::DnsName("kubernetes.default.svc.cluster.local".try_into()?));
        for address in [Ipv4Addr::LOCALHOST, network.node(), network.api_service()] {
            parameters.subject_alt_names.push(SanType::IpAddress(IpAddr::V4(address)));
        }
        self.sign(&parameters)
    }

    /// For a client of the API server.
    pub(crate) fn client(&self, identity: Identity) -> anyhow::Result<CertifiedKey> {
        let mut parameters = parameters(identity);
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(&parameters)
    }

    fn sign(&self, parameters: &CertificateParams) -> anyhow::Result<CertifiedKey> {
        let key = KeyPair::generate().context("generate a key")?;
        let certificate = parameters.signed_by(&key, &self.issuer).context("sign a certificate")?;
        Ok(CertifiedKey { certificate: certificate.pem(), key: key.serialize_pem() })
    }
}

/// Key pair that signs service account tokens: (private, public), PEM.
pub(crate) fn token_keys() -> anyhow::Result<(String, String)> {
    let key = KeyPair::generate().context("generate the service account key")?;
    Ok((key.serialize_pem(), key.public_key_pem()))
}

/// rcgen's default validity (1975 to 4096) is kept: such a cluster lives for hours, and clocks of
/// test machines jump.
fn parameters(identity: Identity) -> CertificateParams {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, identity.user);
    if let Some(group) = identity.group {
        name.push(DnType::OrganizationName, group);
    }
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = name;
    parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    parameters
}
