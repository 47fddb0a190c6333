//! `--print-config`: the effective settings as a configuration file, without secrets.

use std::path::Path;

use daemon::telemetry::Format;
use serde::Serialize;

use super::oauth::OauthLayer;
use super::{Config, Limits};

#[derive(Serialize)]
struct Printed<'a> {
    listen: String,
    admin_listen: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    health_listen: Option<String>,
    domain: String,
    public_url: String,
    data_dir: &'a Path,
    insecure_plaintext: bool,
    insecure_admin_plaintext: bool,
    admin_token_file: &'a Path,
    log_format: Format,
    log_filter: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    otlp_endpoint: Option<String>,
    drain_timeout_seconds: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    tls: Option<PrintedTls<'a>>,
    oauth: OauthLayer,
    limits: Limits,
}

#[derive(Serialize)]
struct PrintedTls<'a> {
    cert_file: &'a Path,
    key_file: &'a Path,
}

impl Config {
    /// The settings as TOML. It contains the paths of files with secrets, not their content, and no
    /// credentials of URLs.
    ///
    /// # Errors
    /// A path that is not UTF-8.
    pub fn show(&self) -> Result<String, toml::ser::Error> {
        let domain = self.domain_at(self.listen.port());
        toml::to_string(&Printed {
            listen: self.listen.to_string(),
            admin_listen: self.admin_listen.to_string(),
            health_listen: self.health_listen.map(|address| address.to_string()),
            public_url: without_credentials(&self.public_url_of(&domain)),
            domain: domain.to_string(),
            data_dir: &self.data_dir,
            insecure_plaintext: self.insecure_plaintext,
            insecure_admin_plaintext: self.insecure_admin_plaintext,
            admin_token_file: &self.admin_token_file,
            log_format: self.log_format,
            log_filter: &self.log_filter,
            otlp_endpoint: self.otlp_endpoint.as_deref().map(without_credentials),
            drain_timeout_seconds: self.drain_timeout.as_secs(),
            tls: self.tls.as_ref().map(|tls| PrintedTls { cert_file: &tls.cert, key_file: &tls.key }),
            oauth: OauthLayer::in_effect(&self.oauth, self.issuer_of(&domain)),
            limits: self.limits,
        })
    }
}

/// The URL without `user:password@` and without query, which may contain tokens.
fn without_credentials(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (authority, path) = rest.split_once('/').map_or((rest, None), |(a, p)| (a, Some(p)));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    path.map_or_else(|| format!("{scheme}://{host}"), |path| format!("{scheme}://{host}/{path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_in_a_url_are_left_out() {
        for (url, shown) in [
            ("http://user:secret@collector:4318/base?token=secret", "http://collector:4318/base"),
            ("http://collector:4318", "http://collector:4318"),
            ("http://a@b@collector", "http://collector"),
        ] {
            assert_eq!(without_credentials(url), shown);
        }
    }
}
