//! Merges the layers of settings into one [`Config`] and validates it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::ConfigError;
use super::{Config, Layer, TlsFiles, environment, unknown_members};

const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8443);
const DEFAULT_ADMIN_LISTEN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8081);
/// Below the 30 s that Kubernetes waits by default before it kills a pod.
const DEFAULT_DRAIN_TIMEOUT_SECONDS: u64 = 20;
/// A drain that takes longer than an hour hangs.
const MAX_DRAIN_TIMEOUT_SECONDS: u64 = 3600;

/// `flags` are the settings of the command line and of the known environment variables, whose names
/// are `known`.
///
/// # Errors
/// A sentence that names the setting and the rule it breaks.
pub fn load(
    flags: Layer,
    file: Option<&Path>,
    environment: &[(String, String)],
    known: &[String],
) -> Result<Config, ConfigError> {
    if let Some(name) = environment::unknown(environment.iter().map(|(name, _)| name.clone()), known) {
        return Err(ConfigError::UnknownVariable(name));
    }
    let file = file.map(read).transpose()?.unwrap_or_default();
    let find =
        |name: &str| environment.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str());
    resolve(flags.over(file), default_data_dir(find("XDG_DATA_HOME"), find("HOME")))
}

fn read(path: &Path) -> Result<Layer, ConfigError> {
    let path = path.to_owned();
    match std::fs::read_to_string(&path) {
        Ok(text) => parse(&text, path),
        Err(source) => Err(ConfigError::Read { path, source }),
    }
}

fn parse(text: &str, path: PathBuf) -> Result<Layer, ConfigError> {
    parse_text(text).map_err(|source| ConfigError::Parse { path, source })
}

fn parse_text(text: &str) -> Result<Layer, toml::de::Error> {
    let mut file: toml::Table = toml::from_str(text)?;
    let ignored = unknown_members::remove(&mut file);
    if ignored.is_empty() {
        // From the text, so that an error shows the line.
        return toml::from_str(text);
    }
    Ok(Layer { ignored, ..file.try_into()? })
}

/// The rule of the XDG base directories: a relative or empty value counts as not set.
fn default_data_dir(xdg: Option<&str>, home: Option<&str>) -> Option<PathBuf> {
    let absolute = |text: &str| Some(PathBuf::from(text)).filter(|path| path.is_absolute());
    let base = xdg.and_then(absolute).or_else(|| Some(home.and_then(absolute)?.join(".local/share")))?;
    Some(base.join("msg2agent/relay"))
}

fn resolve(layer: Layer, default_data_dir: Option<PathBuf>) -> Result<Config, ConfigError> {
    let data_dir = layer.data_dir.or(default_data_dir).ok_or(ConfigError::NoDataFolder)?;
    let config = Config {
        listen: layer.listen.unwrap_or(DEFAULT_LISTEN),
        admin_listen: layer.admin_listen.unwrap_or(DEFAULT_ADMIN_LISTEN),
        health_listen: layer.health_listen,
        domain: layer.domain,
        public_url: layer.public_url,
        tls: tls(layer.tls.cert_file, layer.tls.key_file)?,
        insecure_plaintext: layer.insecure_plaintext.unwrap_or(false),
        insecure_admin_plaintext: layer.insecure_admin_plaintext.unwrap_or(false),
        admin_token_file: layer.admin_token_file.unwrap_or_else(|| data_dir.join("admin-token")),
        data_dir,
        log_format: layer.log_format.unwrap_or_default(),
        log_filter: layer.log_filter.unwrap_or_else(|| "info".to_owned()),
        otlp_endpoint: layer.otlp_endpoint,
        drain_timeout: Duration::from_secs(
            layer.drain_timeout_seconds.unwrap_or(DEFAULT_DRAIN_TIMEOUT_SECONDS),
        ),
        oauth: layer.oauth.decide()?,
        ignored_settings: layer.ignored,
        limits: layer.limits.or_default(),
    };
    check(&config)?;
    Ok(config)
}

fn tls(cert: Option<PathBuf>, key: Option<PathBuf>) -> Result<Option<TlsFiles>, ConfigError> {
    match (cert, key) {
        (Some(cert), Some(key)) => Ok(Some(TlsFiles { cert, key })),
        (None, None) => Ok(None),
        (Some(_), None) => Err(ConfigError::HalfTls("tls.cert_file")),
        (None, Some(_)) => Err(ConfigError::HalfTls("tls.key_file")),
    }
}

fn check(config: &Config) -> Result<(), ConfigError> {
    let value = |name, rule| Err(ConfigError::Value { name, rule });
    if let Some((name, rule)) = config.limits.out_of_range() {
        return value(name, rule);
    }
    if config.drain_timeout.as_secs() > MAX_DRAIN_TIMEOUT_SECONDS {
        return value("drain_timeout_seconds", "must be at most 3600");
    }
    if config.public_url.as_ref().is_some_and(|url| !url.starts_with("wss://") && !url.starts_with("ws://")) {
        return value("public_url", "must start with wss:// or ws://");
    }
    if config.otlp_endpoint.as_ref().is_some_and(|url| !url.starts_with("http")) {
        return value("otlp_endpoint", "must start with http:// or https://");
    }
    let loopback = config.listen.ip().is_loopback();
    if !loopback && config.tls.is_none() && !config.insecure_plaintext {
        return Err(ConfigError::Plaintext(config.listen));
    }
    let admin_is_safe = config.admin_listen.ip().is_loopback() || config.has_admin_tls();
    if !admin_is_safe && !config.insecure_admin_plaintext {
        return Err(ConfigError::AdminPlaintext(config.admin_listen));
    }
    if !loopback && config.domain.is_none() {
        return Err(ConfigError::DomainMissing(config.listen));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from_file(text: &str) -> Result<Config, ConfigError> {
        let layer = parse(text, "relay.toml".into())?;
        resolve(layer, Some("/data".into()))
    }

    fn refusal(text: &str) -> String {
        from_file(text).unwrap_err().to_string()
    }

    #[test]
    fn nothing_configured_is_loopback_with_files_in_the_data_folder() {
        let config = from_file("").unwrap();
        assert_eq!(config.listen.to_string(), "127.0.0.1:8443");
        assert_eq!(config.admin_listen.to_string(), "127.0.0.1:8081");
        assert_eq!(config.domain_at(8443).as_str(), "localhost%3A8443");
        assert_eq!(config.admin_token_file, Path::new("/data/admin-token"));
        assert_eq!(config.public_url_of(&config.domain_at(8443)), "ws://localhost:8443/ws");
        assert_eq!(config.issuer_of(&config.domain_at(8443)), "http://localhost:8443");
        assert_eq!(config.issuer_of(&"relay.example".parse().unwrap()), "https://relay.example");
    }

    #[test]
    fn each_layer_overrides_the_one_below() {
        let file = parse("log_filter = \"file\"\ndomain = \"file.example\"", "f".into()).unwrap();
        let flags = Layer { log_filter: Some("flag".into()), ..Layer::default() };
        let config = resolve(flags.over(file), Some("/data".into())).unwrap();
        assert_eq!(config.log_filter, "flag");
        assert_eq!(config.domain.unwrap().as_str(), "file.example");
    }

    #[test]
    fn a_refusal_names_the_setting() {
        for (text, part) in [
            ("listn = \"127.0.0.1:1\"", "unknown field `listn`"),
            ("listen = \"nowhere\"", "invalid socket address"),
            ("[limits]\nmailboxes = 1", "unknown field `mailboxes`"),
            ("[limits]\nagents = 0", "limits.agents must be at least 1"),
            ("[limits]\naddress_share_percent = 101", "limits.address_share_percent must be at most 100"),
            ("[limits]\nmemory_bytes = 1", "limits.memory_bytes must be at least 16777216"),
            ("drain_timeout_seconds = 3601", "drain_timeout_seconds must be at most 3600"),
            ("public_url = \"https://x\"", "public_url must start with wss:// or ws://"),
            ("[tls]\ncert_file = \"a\"", "only tls.cert_file is set"),
            ("listen = \"[::]:8443\"\ndomain = \"example.com\"", "insecure_plaintext"),
            ("admin_listen = \"[::]:8081\"", "insecure_admin_plaintext"),
            ("listen = \"[::]:8443\"\ninsecure_plaintext = true", "set domain"),
        ] {
            assert!(refusal(text).contains(part), "{text}: {}", refusal(text));
        }
    }

    #[test]
    fn a_file_of_a_newer_control_plane_is_read_without_what_is_new_in_it() {
        let config = from_file("ignore_unknown = true\nshards = 4\nlog_filter = \"warn\"").unwrap();
        assert_eq!((config.log_filter.as_str(), config.ignored_settings), ("warn", vec!["shards".into()]));
        assert!(
            refusal("ignore_unknown = true\nshards = 4\nlisten = \"x\"").contains("invalid socket address")
        );
        assert!(refusal("shards = 4").contains("unknown field `shards`"));
    }

    #[test]
    fn the_admin_listener_has_tls_wherever_there_is_a_certificate() {
        let tls = "[tls]\ncert_file = \"a\"\nkey_file = \"b\"";
        let everywhere = "admin_listen = \"[::]:8082\"\nhealth_listen = \"[::]:8081\"\n";
        assert!(!from_file("").unwrap().has_admin_tls());
        assert!(from_file(tls).unwrap().has_admin_tls());
        let config = from_file(&format!("{everywhere}{tls}")).unwrap();
        assert!(config.has_admin_tls());
        assert_eq!(config.health_listen.map(|address| address.port()), Some(8081));
        let insecure = format!("{everywhere}insecure_admin_plaintext = true\n{tls}");
        assert!(!from_file(&insecure).unwrap().has_admin_tls());
        assert!(refusal(everywhere).contains("insecure_admin_plaintext"));
    }

    #[test]
    fn the_data_folder_follows_the_xdg_rule() {
        let dir = |xdg, home| default_data_dir(xdg, home).map(|path| path.display().to_string());
        assert_eq!(dir(Some("/x"), Some("/h")).unwrap(), "/x/msg2agent/relay");
        assert_eq!(dir(Some("relative"), Some("/h")).unwrap(), "/h/.local/share/msg2agent/relay");
        assert_eq!(dir(None, None), None);
    }

    #[test]
    fn every_port_makes_a_domain() {
        let config = from_file("").unwrap();
        for port in 0..=u16::MAX {
            assert!(config.domain_at(port).as_str().starts_with("localhost"));
        }
    }
}
