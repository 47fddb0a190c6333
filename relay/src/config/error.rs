//! The errors of loading the settings. Each names the setting and the rule it breaks.

use std::net::SocketAddr;
use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("failed to read the configuration file {}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("failed to parse the configuration file {}: {}", path.display(), source.message())]
    Parse { path: PathBuf, source: toml::de::Error },
    #[error("the environment variable {0} is not a setting of the relay")]
    UnknownVariable(String),
    #[error("{name} {rule}")]
    Value { name: &'static str, rule: &'static str },
    #[error("tls.cert_file and tls.key_file belong together; only {0} is set")]
    HalfTls(&'static str),
    #[error(
        "listen is {0}, which is not loopback, and there is no TLS: set tls.cert_file and tls.key_file, or insecure_plaintext \
         if a proxy in front of the relay terminates TLS"
    )]
    Plaintext(SocketAddr),
    #[error(
        "admin_listen is {0}, which is not loopback, and there is no TLS: set tls.cert_file and tls.key_file, or \
         insecure_admin_plaintext if a proxy in front of the admin listener terminates TLS"
    )]
    AdminPlaintext(SocketAddr),
    #[error(
        "listen is {0}, which is not loopback: set domain to the host name by which agents reach the relay"
    )]
    DomainMissing(SocketAddr),
    #[error(
        "oauth.provider_issuer, oauth.provider_client_id and oauth.provider_client_secret_file belong together; {0} is \
         missing"
    )]
    HalfProvider(&'static str),
    #[error("oauth.gateway_url and oauth.gateway_token_file belong together; only {0} is set")]
    HalfGateway(&'static str),
    #[error("there is no home folder for the data: set data_dir")]
    NoDataFolder,
}
