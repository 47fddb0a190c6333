//! The relay's settings as the TOML file it reads (`msg2agent-relay --config`), in a ConfigMap. Nothing secret is in it: keys and
//! tokens are files of mounted Secrets, named here. Pure.

use std::collections::BTreeMap;

use crds::{Relay, label, name};
use k8s_openapi::api::core::v1::{ConfigMap, ConfigMapVolumeSource, Volume};
use kube::ResourceExt as _;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::{ADMIN_PATH, DATA_PATH, GATEWAY_PATH, OAUTH_KEYS_PATH, PROVIDER_PATH, TLS_PATH, metadata};
use crate::relay::gateway;

/// Data key of the ConfigMap, and so the name of the file.
const FILE: &str = "relay.toml";
pub(super) const VOLUME: &str = "settings";
pub(super) const FOLDER: &str = "/etc/msg2agent";

/// The members are those of the relay's `config::Layer`; one that it does not know stops its start.
#[derive(Serialize)]
struct File<'a> {
    domain: &'a str,
    listen: String,
    admin_listen: String,
    /// The NetworkPolicy admits the operator alone to it.
    insecure_admin_plaintext: bool,
    admin_token_file: String,
    data_dir: &'a str,
    log_format: &'a str,
    log_filter: &'a str,
    drain_timeout_seconds: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    otlp_endpoint: Option<&'a str>,
    tls: Tls,
    oauth: Oauth<'a>,
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

/// # Errors
/// A value that TOML cannot hold.
pub fn config_map(relay: &Relay, cluster_domain: &str) -> Result<ConfigMap, toml::ser::Error> {
    Ok(ConfigMap {
        metadata: metadata(relay, name::relay_settings(&relay.name_any())),
        data: Some([(FILE.to_owned(), toml::to_string(&content(relay, cluster_domain))?)].into()),
        ..ConfigMap::default()
    })
}

fn content<'a>(relay: &'a Relay, cluster_domain: &str) -> File<'a> {
    let spec = &relay.spec;
    File {
        domain: &spec.domain,
        listen: format!("0.0.0.0:{}", name::RELAY_PORT),
        admin_listen: format!("0.0.0.0:{}", name::RELAY_ADMIN_PORT),
        insecure_admin_plaintext: true,
        admin_token_file: format!("{ADMIN_PATH}/token"),
        data_dir: DATA_PATH,
        log_format: "json",
        log_filter: spec.log_filter.as_deref().unwrap_or("info"),
        drain_timeout_seconds: spec.drain_timeout_seconds,
        otlp_endpoint: spec.otlp_endpoint.as_deref(),
        tls: Tls { cert_file: format!("{TLS_PATH}/tls.crt"), key_file: format!("{TLS_PATH}/tls.key") },
        oauth: oauth(relay, cluster_domain),
    }
}

fn oauth<'a>(relay: &'a Relay, cluster_domain: &str) -> Oauth<'a> {
    let spec = &relay.spec.oauth;
    let provider = spec.provider.as_ref();
    Oauth {
        issuer: super::issuer(relay, cluster_domain),
        keys_dir: OAUTH_KEYS_PATH,
        provider_issuer: provider.map(|provider| provider.issuer.as_str()),
        provider_name: provider.and_then(|provider| provider.name.as_deref()),
        provider_client_id: provider.map(|provider| provider.client_id.as_str()),
        provider_client_secret_file: provider
            .map(|provider| format!("{PROVIDER_PATH}/{}", provider.client_secret_ref.key)),
        trusted_proxies: &spec.trusted_proxies,
        gateway_url: gateway::build::url(relay, cluster_domain),
        gateway_token_file: relay.spec.mcp.enabled.then(|| format!("{GATEWAY_PATH}/token")),
    }
}

/// Goes onto the pod template, because a relay reads its settings once: a change rolls the pod.
pub(super) fn annotations(settings: &ConfigMap) -> BTreeMap<String, String> {
    let mut hash = Sha256::new();
    for text in settings.data.iter().flat_map(BTreeMap::values) {
        hash.update(text);
    }
    let hex = hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    [(label::SETTINGS_HASH.to_owned(), hex)].into()
}

pub(super) fn arguments() -> Vec<String> {
    vec![format!("--config={FOLDER}/{FILE}")]
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
