//! The settings of the listeners: addresses, certificate, and the hosts and web pages that may
//! call.

use std::marker::PhantomData;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use daemon::https::limits::ADDRESS_SHARE_PERCENT;
use daemon::https::{ListenerLimits, TlsFiles};

use super::error::SettingsError;
use super::variables::Variables;

/// Names of this machine. A page of another site cannot use them without revealing its own host.
const LOOPBACK_HOSTS: [&str; 3] = ["localhost", "127.0.0.1", "::1"];
const LOOPBACK_ORIGINS: [&str; 3] = ["http://localhost:*", "http://127.0.0.1:*", "http://[::1]:*"];

/// The listeners of one role. `V` has the names of its environment variables.
#[derive(Debug, Clone, Args)]
pub struct ListenSettings<V: Variables> {
    /// Address of the MCP server, which serves HTTP at the path /mcp.
    #[arg(long, env = V::LISTEN, value_name = "ADDRESS:PORT", default_value_t = V::DEFAULT_LISTEN)]
    pub listen: SocketAddr,

    /// PEM certificate chain; reloaded when the file changes.
    #[arg(long, env = V::TLS_CERT, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,

    /// PEM private key of the certificate.
    #[arg(long, env = V::TLS_KEY, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,

    /// Serve without TLS on an address that is not loopback: everybody on the network path can read
    /// the credentials and all messages.
    #[arg(long, env = V::INSECURE_PLAINTEXT)]
    pub insecure_plaintext: bool,

    /// Hosts that clients may send in the Host header, with or without port, separated by commas.
    /// The host of the public URL and those of loopback are always allowed.
    #[arg(long, env = V::ALLOWED_HOSTS, value_name = "HOSTS", value_delimiter = ',')]
    pub allowed_hosts: Vec<String>,

    /// Origins of web pages that may call, such as https://app.example.com, separated by commas. By
    /// default there are none.
    #[arg(long, env = V::ALLOWED_ORIGINS, value_name = "ORIGINS", value_delimiter = ',')]
    pub allowed_origins: Vec<String>,

    /// Share of the connections that one client address (IPv6: one /64 network) may hold. Set it to
    /// 100 if one proxy carries all clients.
    #[arg(
        long,
        env = V::ADDRESS_SHARE_PERCENT,
        value_name = "PERCENT",
        default_value_t = ADDRESS_SHARE_PERCENT,
        value_parser = clap::value_parser!(u8).range(1..=100)
    )]
    pub address_share_percent: u8,

    /// Address of /livez, /readyz and /metrics, in plaintext and not for the public. Not served by
    /// default.
    #[arg(long, env = V::ADMIN_LISTEN, value_name = "ADDRESS:PORT")]
    pub admin_listen: Option<SocketAddr>,

    /// How many seconds calls that are in progress may take to finish after SIGTERM.
    #[arg(long, env = V::DRAIN_GRACE_SECONDS, value_name = "SECONDS", default_value_t = 20)]
    pub drain_grace_seconds: u64,

    #[arg(skip)]
    variables: PhantomData<V>,
}

impl<V: Variables> ListenSettings<V> {
    /// The certificate files; `None` for plaintext.
    ///
    /// # Errors
    /// Plaintext is neither limited to loopback nor allowed by the settings.
    pub fn tls(&self) -> Result<Option<TlsFiles>, SettingsError> {
        let files = self.tls_cert.clone().zip(self.tls_key.clone());
        if files.is_none() && !self.listen.ip().is_loopback() && !self.insecure_plaintext {
            return Err(SettingsError::Plaintext {
                address: self.listen,
                tls_cert: V::TLS_CERT,
                tls_key: V::TLS_KEY,
                insecure_plaintext: V::INSECURE_PLAINTEXT,
            });
        }
        Ok(files.map(|(cert, key)| TlsFiles { cert, key }))
    }

    /// The limits of a listener of `connections` connections.
    #[must_use]
    pub const fn limits(&self, connections: usize) -> ListenerLimits {
        ListenerLimits::new(connections).with_address_share(self.address_share_percent)
    }

    /// The allowed values of the Host header.
    #[must_use]
    pub fn hosts(&self, public_url: Option<&str>) -> Vec<String> {
        let public = public_url.and_then(|url| url.parse::<axum::http::Uri>().ok());
        let public = public.as_ref().and_then(axum::http::Uri::host).map(str::to_owned);
        let loopback = LOOPBACK_HOSTS.map(str::to_owned);
        self.allowed_hosts.iter().cloned().chain(public).chain(loopback).collect()
    }

    /// The allowed values of the Origin header. On loopback, pages of this machine may call as
    /// well; they need a credential like everybody else.
    #[must_use]
    pub fn origins(&self) -> Vec<String> {
        let local = LOOPBACK_ORIGINS.into_iter().filter(|_| self.listen.ip().is_loopback());
        self.allowed_origins.iter().cloned().chain(local.map(str::to_owned)).collect()
    }

    #[must_use]
    pub const fn drain_grace(&self) -> Duration {
        Duration::from_secs(self.drain_grace_seconds)
    }
}
