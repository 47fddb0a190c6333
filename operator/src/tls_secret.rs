//! Secrets of type `kubernetes.io/tls`: a certificate and its private key.

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::certificate::CertifiedKey;
use crate::secret;

const TYPE: &str = "kubernetes.io/tls";
const CERTIFICATE: &str = "tls.crt";
const KEY: &str = "tls.key";

#[must_use]
pub fn build(metadata: ObjectMeta, key: &CertifiedKey) -> Secret {
    Secret {
        metadata,
        type_: Some(TYPE.into()),
        data: Some(secret::data([(CERTIFICATE, key.certificate.as_str()), (KEY, key.key.as_str())])),
        ..Secret::default()
    }
}

/// The certificate and the key in a Secret. `None` if one is missing.
#[must_use]
pub fn parse(held: &Secret) -> Option<CertifiedKey> {
    Some(CertifiedKey { certificate: certificate(held)?, key: secret::text(held, KEY)? })
}

/// The certificate in a Secret, in PEM.
#[must_use]
pub fn certificate(held: &Secret) -> Option<String> {
    secret::text(held, CERTIFICATE).map(|pem| pem.to_string())
}
