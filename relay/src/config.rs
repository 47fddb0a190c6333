//! The settings of a relay. A flag overrides an environment variable, which overrides the file,
//! which overrides the default. An unknown or malformed setting stops the start with a sentence
//! that names it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use authorization::Settings;
use daemon::telemetry::Format;
use protocol::did::Domain;

use protocol::url::Issuer;

mod environment;
mod error;
mod layer;
mod limits;
mod load;
mod mailbox_budgets;
mod memory_plan;
mod oauth;
mod show;
mod unknown_members;

pub use daemon::https::TlsFiles;
pub use error::ConfigError;
pub use layer::Layer;
pub use limits::Limits;
pub use load::load;
pub use memory_plan::MemoryPlan;

/// The settings of a running relay: complete, consistent, and fixed until the next start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    pub listen: SocketAddr,
    pub admin_listen: SocketAddr,
    /// Probes and metrics. `None`: the admin listener serves them too.
    pub health_listen: Option<SocketAddr>,
    /// `None` means `localhost%3A<port>` with the port of the public listener, known once it is
    /// bound.
    pub domain: Option<Domain>,
    /// The URL by which agents reach this relay, if it does not follow from the domain.
    pub public_url: Option<String>,
    /// Created with mode 0700 if it does not exist.
    pub data_dir: PathBuf,
    /// Read again when they change on disk.
    pub tls: Option<TlsFiles>,
    pub insecure_plaintext: bool,
    pub insecure_admin_plaintext: bool,
    /// Created with a new token and mode 0600 if it does not exist.
    pub admin_token_file: PathBuf,
    pub log_format: Format,
    pub log_filter: String,
    pub otlp_endpoint: Option<String>,
    pub drain_timeout: Duration,
    pub oauth: Settings,
    pub limits: Limits,
    /// Members of the file that this version does not know and may ignore.
    pub ignored_settings: Vec<String>,
}

impl Config {
    /// The domain, given the port that the public listener got.
    #[must_use]
    pub fn domain_at(&self, port: u16) -> Domain {
        self.domain.clone().unwrap_or_else(|| localhost(port))
    }

    /// The URL of the WebSocket endpoint, for the relay's DID document.
    #[must_use]
    pub fn public_url_of(&self, domain: &Domain) -> String {
        let scheme = if self.is_plain_loopback() { "ws" } else { "wss" };
        self.public_url.clone().unwrap_or_else(|| format!("{scheme}://{}/ws", domain.authority()))
    }

    /// The issuer of access tokens: the origin by which people and clients reach this relay. A
    /// relay on loopback whose domain is another host is behind a proxy that terminates TLS.
    #[must_use]
    pub fn issuer_of(&self, domain: &Domain) -> String {
        let own = || {
            let plain = format!("http://{}", domain.authority());
            let is_local = self.is_plain_loopback() && plain.parse::<Issuer>().is_ok();
            if is_local { plain } else { format!("https://{}", domain.authority()) }
        };
        self.oauth.issuer.as_ref().map_or_else(own, ToString::to_string)
    }

    /// Whether the admin listener serves TLS, with the certificate of the public listener.
    #[must_use]
    pub const fn has_admin_tls(&self) -> bool {
        self.tls.is_some() && !self.insecure_admin_plaintext
    }

    fn is_plain_loopback(&self) -> bool {
        self.tls.is_none() && self.listen.ip().is_loopback()
    }
}

fn localhost(port: u16) -> Domain {
    let text = if port == 0 { "localhost".to_owned() } else { format!("localhost%3A{port}") };
    // Both forms are valid domains; a test checks every port.
    text.parse().unwrap_or_else(|_| unreachable!("{text} is a domain"))
}
