//! One layer of settings: the command line with the environment, or the file. The doc comments are
//! the help text of the flags and the documentation of the file.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{ArgAction, Args};
use daemon::telemetry::Format;
use protocol::did::Domain;
use serde::Deserialize;

use super::limits::LimitsLayer;
use super::oauth::OauthLayer;

#[derive(Debug, Clone, Default, Args, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Layer {
    /// Address of the public listener, for WebSocket, DID documents and sign-in [default:
    /// 127.0.0.1:8443].
    #[arg(long, env = "MSG2AGENT_RELAY_LISTEN", value_name = "ADDRESS:PORT")]
    pub listen: Option<SocketAddr>,
    /// Address of the admin listener, for the admin API. It serves TLS if the relay has a
    /// certificate [default: 127.0.0.1:8081].
    #[arg(long, env = "MSG2AGENT_RELAY_ADMIN_LISTEN", value_name = "ADDRESS:PORT")]
    pub admin_listen: Option<SocketAddr>,
    /// Address of the listener for probes and metrics, which serves plain HTTP and no secrets
    /// [default: the admin listener serves them].
    #[arg(long, env = "MSG2AGENT_RELAY_HEALTH_LISTEN", value_name = "ADDRESS:PORT")]
    pub health_listen: Option<SocketAddr>,
    /// Domain of the agents' DIDs, with a port written as %3A8443. It cannot change for an existing
    /// store [default: localhost%3A and the port of the public listener].
    #[arg(long, env = "MSG2AGENT_RELAY_DOMAIN")]
    pub domain: Option<Domain>,
    /// URL of the WebSocket endpoint in the relay's DID document [default: wss://<domain>/ws, or
    /// ws:// on loopback].
    #[arg(long, env = "MSG2AGENT_RELAY_PUBLIC_URL", value_name = "URL")]
    pub public_url: Option<String>,
    /// Folder of the store and the relay's key, created with mode 0700 [default: msg2agent/relay in
    /// the user's data folder].
    #[arg(long, env = "MSG2AGENT_RELAY_DATA_DIR", value_name = "FOLDER")]
    pub data_dir: Option<PathBuf>,
    #[command(flatten)]
    pub tls: TlsLayer,
    /// Serve without TLS on an address that is not loopback. API keys then cross the network in
    /// plain text, so use this only behind a proxy that terminates TLS.
    #[arg(
        long,
        env = "MSG2AGENT_RELAY_INSECURE_PLAINTEXT",
        value_name = "BOOL",
        action = ArgAction::Set,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true"
    )]
    pub insecure_plaintext: Option<bool>,
    /// Serve the admin listener without TLS, also if the relay has a certificate and on an address
    /// that is not loopback. The admin token then crosses the network in plain text, so use this
    /// only behind a proxy that terminates TLS.
    #[arg(
        long,
        env = "MSG2AGENT_RELAY_INSECURE_ADMIN_PLAINTEXT",
        value_name = "BOOL",
        action = ArgAction::Set,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true"
    )]
    pub insecure_admin_plaintext: Option<bool>,
    /// File with the bearer token of the admin API, created if it does not exist [default:
    /// admin-token in the data folder].
    #[arg(long, env = "MSG2AGENT_RELAY_ADMIN_TOKEN_FILE", value_name = "FILE")]
    pub admin_token_file: Option<PathBuf>,
    /// Format of log lines on standard error, text or json [default: text].
    #[arg(long, env = "MSG2AGENT_RELAY_LOG_FORMAT", value_name = "text|json")]
    pub log_format: Option<Format>,
    /// Log filter, as tracing directives [default: info].
    #[arg(long, env = "MSG2AGENT_RELAY_LOG_FILTER", value_name = "DIRECTIVES")]
    pub log_filter: Option<String>,
    /// Base URL of the OTLP/HTTP collector that receives traces.
    #[arg(long, env = "MSG2AGENT_RELAY_OTLP_ENDPOINT", value_name = "URL")]
    pub otlp_endpoint: Option<String>,
    /// Time for sessions to end after SIGTERM [default: 20].
    #[arg(long, env = "MSG2AGENT_RELAY_DRAIN_TIMEOUT_SECONDS", value_name = "SECONDS")]
    pub drain_timeout_seconds: Option<u64>,
    #[command(flatten)]
    pub oauth: OauthLayer,
    #[command(flatten)]
    pub limits: LimitsLayer,
    /// File only: members that this version does not know are ignored and logged, because a newer
    /// control plane has written the file.
    #[arg(skip)]
    pub ignore_unknown: bool,
    /// The members that were ignored.
    #[arg(skip)]
    #[serde(skip)]
    pub ignored: Vec<String>,
}

#[derive(Debug, Clone, Default, Args, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TlsLayer {
    /// PEM file with the certificate chain of the public listener and of the admin listener,
    /// reloaded when it changes.
    #[arg(long = "tls-cert-file", env = "MSG2AGENT_RELAY_TLS_CERT_FILE", value_name = "FILE")]
    pub cert_file: Option<PathBuf>,
    /// PEM file with the private key of the certificate.
    #[arg(long = "tls-key-file", env = "MSG2AGENT_RELAY_TLS_KEY_FILE", value_name = "FILE")]
    pub key_file: Option<PathBuf>,
}

impl Layer {
    /// These settings where they are set, those of `below` elsewhere.
    pub(super) fn over(self, below: Self) -> Self {
        Self {
            listen: self.listen.or(below.listen),
            admin_listen: self.admin_listen.or(below.admin_listen),
            health_listen: self.health_listen.or(below.health_listen),
            domain: self.domain.or(below.domain),
            public_url: self.public_url.or(below.public_url),
            data_dir: self.data_dir.or(below.data_dir),
            tls: TlsLayer {
                cert_file: self.tls.cert_file.or(below.tls.cert_file),
                key_file: self.tls.key_file.or(below.tls.key_file),
            },
            insecure_plaintext: self.insecure_plaintext.or(below.insecure_plaintext),
            insecure_admin_plaintext: self.insecure_admin_plaintext.or(below.insecure_admin_plaintext),
            admin_token_file: self.admin_token_file.or(below.admin_token_file),
            log_format: self.log_format.or(below.log_format),
            log_filter: self.log_filter.or(below.log_filter),
            otlp_endpoint: self.otlp_endpoint.or(below.otlp_endpoint),
            drain_timeout_seconds: self.drain_timeout_seconds.or(below.drain_timeout_seconds),
            oauth: self.oauth.over(below.oauth),
            limits: self.limits.over(below.limits),
            ignore_unknown: below.ignore_unknown,
            ignored: below.ignored,
        }
    }
}
