//! TLS 1.3 whose certificates are raw public keys (RFC 7250): the Ed25519 root keys of two agents.

use std::sync::Arc;

use protocol::Identity;
use rustls::client::AlwaysResolvesClientRawPublicKeys;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls13_signature_with_raw_key};
use rustls::server::AlwaysResolvesServerRawPublicKeys;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::sign::CertifiedKey;
use rustls::version::TLS13;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error, PeerMisbehaved,
    ServerConfig, SignatureScheme,
};
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use zeroize::Zeroizing;

use crate::contacts::RootKey;

/// What comes before the 32 bytes of an Ed25519 key in its SubjectPublicKeyInfo (RFC 8410).
const PUBLIC_KEY_HEAD: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
/// What comes before the 32 bytes of an Ed25519 seed in PKCS #8 (RFC 8410).
const PRIVATE_KEY_HEAD: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// Proves this agent's root key, and demands that the dialler proves some root key. Its greeting
/// then says whose it is.
pub(super) fn server_config(identity: &Identity) -> Result<ServerConfig, Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let key = certified_key(identity, &provider)?;
    let mut config = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&TLS13])?
        .with_client_cert_verifier(Arc::new(AnyRootKey(provider)))
        .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(key)));
    // A resumed session would not prove the key again.
    config.send_tls13_tickets = 0;
    Ok(config)
}

/// Proves this agent's root key to the owner of `expected`, and to nobody else: the dialler's key
/// is sent after the listener has proven its own.
pub(super) fn client_config(identity: &Identity, expected: RootKey) -> Result<ClientConfig, Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let key = certified_key(identity, &provider)?;
    let verifier = OneRootKey { expected, provider: Arc::clone(&provider) };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_client_cert_resolver(Arc::new(AlwaysResolvesClientRawPublicKeys::new(key)));
    config.resumption = rustls::client::Resumption::disabled();
    config.enable_sni = false;
    Ok(config)
}

/// The root key that the other side has proven.
pub(super) fn proven_key(certificates: Option<&[CertificateDer<'_>]>) -> Option<RootKey> {
    match certificates? {
        [key] => root_key(key),
        _ => None,
    }
}

/// Whether a failed handshake means that somebody else listens at the address.
pub(super) fn is_wrong_key(error: &std::io::Error) -> bool {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<Error>());
    let wrong = CertificateError::ApplicationVerificationFailure;
    matches!(cause, Some(Error::InvalidCertificate(found)) if *found == wrong)
}

fn root_key(certificate: &CertificateDer<'_>) -> Option<RootKey> {
    certificate.as_ref().strip_prefix(&PUBLIC_KEY_HEAD)?.try_into().ok()
}

fn certified_key(identity: &Identity, provider: &CryptoProvider) -> Result<Arc<CertifiedKey>, Error> {
    let mut private = Zeroizing::new(PRIVATE_KEY_HEAD.to_vec());
    private.extend_from_slice(Zeroizing::new(identity.root().to_bytes()).as_ref());
    let key = PrivatePkcs8KeyDer::from(private.as_slice()).clone_key();
    let key = provider.key_provider.load_private_key(key.into())?;
    let mut public = PUBLIC_KEY_HEAD.to_vec();
    public.extend_from_slice(identity.root_public().as_bytes());
    Ok(Arc::new(CertifiedKey::new(vec![CertificateDer::from(public)], key)))
}

fn verify_signature(
    provider: &CryptoProvider,
    message: &[u8],
    key: &CertificateDer<'_>,
    signature: &DigitallySignedStruct,
) -> Result<HandshakeSignatureValid, Error> {
    let key = SubjectPublicKeyInfoDer::from(key.as_ref());
    verify_tls13_signature_with_raw_key(message, &key, signature, &provider.signature_verification_algorithms)
}

fn no_tls12() -> Error {
    PeerMisbehaved::SelectedTls12UsingTls13VersionExtension.into()
}

/// Accepts one root key.
#[derive(Debug)]
struct OneRootKey {
    expected: RootKey,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for OneRootKey {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if root_key(end_entity) == Some(self.expected) {
            return Ok(ServerCertVerified::assertion());
        }
        Err(CertificateError::ApplicationVerificationFailure.into())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(no_tls12())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        key: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_signature(&self.provider, message, key, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

/// Accepts every Ed25519 key that is proven.
#[derive(Debug)]
struct AnyRootKey(Arc<CryptoProvider>);

impl ClientCertVerifier for AnyRootKey {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        match root_key(end_entity) {
            Some(_) => Ok(ClientCertVerified::assertion()),
            None => Err(CertificateError::BadEncoding.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(no_tls12())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        key: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_signature(&self.0, message, key, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}
