//! Builds the ConfigMap with the relay's settings, a TOML file for `msg2agent-relay --config`.
//! Pure.
//!
//! The file holds no secrets. Keys and tokens are files of mounted Secrets, and the settings name
//! their paths.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crds::{Relay, RelayLimits, label, name};
use daemon::listen::every_address;
use k8s_openapi::api::core::v1::{ConfigMap, ConfigMapVolumeSource, Volume};
use kube::ResourceExt as _;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::path;
use crate::relay::metadata::metadata;
use crate::relay::urls;

/// Data key of the ConfigMap, which is also the name of the file.
const FILE: &str = "relay.toml";
pub(super) const VOLUME: &str = "settings";
/// The default of the resource definition.
const DEFAULT_DRAIN_TIMEOUT_SECONDS: i64 = 20;

/// The settings that the operator sets. The relay refuses to start with a name that it does not
/// know.
#[derive(Serialize)]
struct SettingsFile<'a> {
    domain: &'a str,
    listen: SocketAddr,
    /// With TLS, by the certificate in `tls`. The NetworkPolicy allows only the operator to connect.
    admin_listen: SocketAddr,
    health_listen: SocketAddr,
    admin_token_file: String,
    data_dir: &'a str,
    log_format: &'a str,
    log_filter: &'a str,
    drain_timeout_seconds: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    otlp_endpoint: Option<&'a str>,
    tls: Tls,
    oauth: Oauth<'a>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    limits: BTreeMap<String, i64>,
}

#[derive(Serialize)]
struct Tls {
    cert_file: String,
    key_file: String,
}

#[derive(Serialize)]
struct Oauth<'a> {
    issuer: String,
    keys_dir: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider_issuer: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider_client_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider_client_secret_file: Option<String>,
    trusted_proxies: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    gateway_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gateway_token_file: Option<String>,
}

/// Builds the ConfigMap.
///
/// # Errors
/// A value that TOML cannot represent.
pub fn config_map(relay: &Relay, cluster_domain: &str) -> Result<ConfigMap, toml::ser::Error> {
    Ok(ConfigMap {
        metadata: metadata(relay, name::relay_settings(&relay.name_any())),
        data: Some([(FILE.to_owned(), toml::to_string(&settings(relay, cluster_domain))?)].into()),
        ..ConfigMap::default()
    })
}

fn settings<'a>(relay: &'a Relay, cluster_domain: &str) -> SettingsFile<'a> {
    let spec = &relay.spec;
    SettingsFile {
        domain: &spec.domain,
        listen: every_address(name::RELAY_PORT),
        admin_listen: every_address(name::RELAY_ADMIN_PORT),
        health_listen: every_address(name::RELAY_HEALTH_PORT),
        admin_token_file: format!("{}/token", path::ADMIN),
        data_dir: path::DATA,
        log_format: "json",
        log_filter: spec.log_filter.as_deref().unwrap_or("info"),
        drain_timeout_seconds: drain_timeout_seconds(relay),
        otlp_endpoint: spec.otlp_endpoint.as_deref(),
        tls: Tls { cert_file: format!("{}/tls.crt", path::TLS), key_file: format!("{}/tls.key", path::TLS) },
        oauth: oauth(relay, cluster_domain),
        limits: limits(&spec.limits),
    }
}

fn oauth<'a>(relay: &'a Relay, cluster_domain: &str) -> Oauth<'a> {
    let spec = &relay.spec.oauth;
    let provider = spec.provider.as_ref();
    Oauth {
        issuer: urls::issuer(relay, cluster_domain),
        keys_dir: path::OAUTH_KEYS,
        provider_issuer: provider.map(|provider| provider.issuer.as_str()),
        provider_name: provider.and_then(|provider| provider.name.as_deref()),
        provider_client_id: provider.map(|provider| provider.client_id.as_str()),
        provider_client_secret_file: provider
            .map(|provider| format!("{}/{}", path::PROVIDER, provider.client_secret_ref.key)),
        trusted_proxies: &spec.trusted_proxies,
        gateway_url: urls::gateway_url(relay, cluster_domain),
        gateway_token_file: relay.spec.gateway.enabled.then(|| format!("{}/token", path::GATEWAY)),
    }
}

/// The limits that the spec sets. The relay calls them by the same names in snake case.
fn limits(limits: &RelayLimits) -> BTreeMap<String, i64> {
    let members = serde_json::to_value(limits).unwrap_or_default();
    let members = members.as_object().cloned().unwrap_or_default();
    members.into_iter().filter_map(|(name, value)| Some((snake_case(&name), value.as_i64()?))).collect()
}

fn snake_case(name: &str) -> String {
    let mut text = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            text.push('_');
        }
        text.push(letter.to_ascii_lowercase());
    }
    text
}

/// The drain timeout of the spec. The API server has checked its pattern and range.
pub(super) fn drain_timeout_seconds(relay: &Relay) -> i64 {
    let seconds = relay.spec.drain_timeout.as_secs();
    seconds.and_then(|seconds| i64::try_from(seconds).ok()).unwrap_or(DEFAULT_DRAIN_TIMEOUT_SECONDS)
}

/// The hash of the settings, for the pod template. A relay reads its settings at startup, so a
/// change must restart the pod.
pub(super) fn annotations(file: &ConfigMap) -> BTreeMap<String, String> {
    let mut hash = Sha256::new();
    for text in file.data.iter().flat_map(BTreeMap::values) {
        hash.update(text);
    }
    let hex = hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    [(label::SETTINGS_HASH.to_owned(), hex)].into()
}

pub(super) fn arguments() -> Vec<String> {
    vec![format!("--config={}/{FILE}", path::SETTINGS)]
}

pub(super) fn volume(relay: &Relay) -> Volume {
    Volume {
        name: VOLUME.to_owned(),
        config_map: Some(ConfigMapVolumeSource {
            name: name::relay_settings(&relay.name_any()),
            ..ConfigMapVolumeSource::default()
        }),
        ..Volume::default()
    }
}
