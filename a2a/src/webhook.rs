//! Calls webhooks that strangers name: https only, no redirects, and every address that the host
//! name resolves to must be public. The connection goes to the addresses that were checked.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use rustls::{ClientConfig, RootCertStore};
use url::{Host, Url};

use crate::model::{StreamResponse, TaskPushNotificationConfig};
use crate::public_address::is_public;

/// Time for a webhook to take a notification, connecting included.
const CALL_TIMEOUT: Duration = Duration::from_secs(15);
/// The most addresses of one host name that are checked.
const ADDRESSES_MAX: usize = 16;
const TOKEN_HEADER: &str = "x-a2a-notification-token";

/// Which URLs may be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebhookPolicy {
    /// https to public addresses.
    Public,
    /// Any URL of http or https, also inside: for tests only.
    InsecureAny,
}

/// Why a webhook is not taken.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebhookUrlError {
    #[error("it is not an https URL with a host name")]
    Form,
    #[error("it has a user name or password; use `authentication`")]
    Credentials,
    #[error("its address is not public")]
    Inside,
    #[error("the token or the credentials do not fit a header")]
    Secret,
}

/// The client cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum WebhookClientError {
    #[error("failed to set up TLS to webhooks")]
    Tls(#[source] rustls::Error),
    #[error("failed to prepare requests to webhooks")]
    Prepare(#[source] reqwest::Error),
}

/// Why a webhook did not take a notification.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    #[error("the webhook may not be called")]
    Url(#[source] WebhookUrlError),
    #[error("failed to call the webhook")]
    Call(#[source] reqwest::Error),
    #[error("the webhook answered {0}")]
    Status(u16),
}

impl WebhookPolicy {
    /// Checks a configuration without resolving its host name; that is done at each call.
    ///
    /// # Errors
    /// It may not be called.
    pub fn check(self, config: &TaskPushNotificationConfig) -> Result<Url, WebhookUrlError> {
        headers(config).ok_or(WebhookUrlError::Secret)?;
        let url = Url::parse(&config.url).map_err(|_| WebhookUrlError::Form)?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(WebhookUrlError::Credentials);
        }
        let host = url.host().ok_or(WebhookUrlError::Form)?;
        match (self, url.scheme()) {
            (Self::InsecureAny, "http" | "https") => return Ok(url),
            (Self::Public, "https") => {}
            _ => return Err(WebhookUrlError::Form),
        }
        let is_inside = match host {
            Host::Ipv4(address) => !is_public(IpAddr::V4(address)),
            Host::Ipv6(address) => !is_public(IpAddr::V6(address)),
            Host::Domain(name) => name.trim_end_matches('.').eq_ignore_ascii_case("localhost"),
        };
        if is_inside { Err(WebhookUrlError::Inside) } else { Ok(url) }
    }
}

/// Cheap to clone.
#[derive(Debug, Clone)]
pub struct WebhookClient {
    client: reqwest::Client,
    policy: WebhookPolicy,
}

impl WebhookClient {
    /// # Errors
    /// TLS cannot be set up.
    pub fn new(policy: WebhookPolicy) -> Result<Self, WebhookClientError> {
        let roots: RootCertStore = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(WebhookClientError::Tls)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .no_proxy()
            .timeout(CALL_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .dns_resolver(PublicResolver(policy));
        let client = client.build().map_err(WebhookClientError::Prepare)?;
        Ok(Self { client, policy })
    }

    /// Posts an event. The answer's body is not read.
    ///
    /// # Errors
    /// The webhook may not be called, cannot be reached in time, or answers no success.
    pub async fn post(
        &self,
        config: &TaskPushNotificationConfig,
        event: &StreamResponse,
    ) -> Result<(), WebhookError> {
        // Again, because the policy may be stricter than when it was stored.
        let url = self.policy.check(config).map_err(WebhookError::Url)?;
        let mut request = self.client.post(url).json(event);
        for (name, value) in headers(config).unwrap_or_default() {
            request = request.header(name, value);
        }
        let request = request.header(CONTENT_TYPE, "application/a2a+json");
        let answer = request.send().await.map_err(|error| WebhookError::Call(error.without_url()))?;
        if answer.status().is_success() {
            return Ok(());
        }
        Err(WebhookError::Status(answer.status().as_u16()))
    }
}

/// The headers that carry the secrets. `None`: they do not fit.
fn headers(config: &TaskPushNotificationConfig) -> Option<Vec<(&'static str, HeaderValue)>> {
    let mut headers = Vec::new();
    if !config.token.is_empty() {
        headers.push((TOKEN_HEADER, secret(&config.token)?));
    }
    if let Some(authentication) = &config.authentication {
        let value = format!("{} {}", authentication.scheme, authentication.credentials);
        headers.push((AUTHORIZATION.as_str(), secret(value.trim_end())?));
    }
    Some(headers)
}

fn secret(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Refuses all addresses if one of them is not public: such a host name is an attack.
struct PublicResolver(WebhookPolicy);

impl Resolve for PublicResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let policy = self.0;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str().to_owned(), 0)).await?;
            let found: Vec<SocketAddr> = found.take(ADDRESSES_MAX).collect();
            let is_allowed =
                |address: &SocketAddr| policy == WebhookPolicy::InsecureAny || is_public(address.ip());
            if found.is_empty() || !found.iter().all(is_allowed) {
                let text = "the host name resolves to an address that is not public";
                return Err(io::Error::new(io::ErrorKind::PermissionDenied, text).into());
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::AuthenticationInfo;

    fn config(url: &str) -> TaskPushNotificationConfig {
        TaskPushNotificationConfig {
            id: "w".into(),
            task_id: "t".into(),
            url: url.into(),
            token: "secret".into(),
            authentication: None,
        }
    }

    #[test]
    fn what_leads_inside_is_refused_by_reason() {
        let check = |url: &str| WebhookPolicy::Public.check(&config(url)).map(drop);
        assert_eq!(check("https://example.com/hook"), Ok(()));
        for url in ["http://example.com/", "ftp://example.com", "nonsense", "https://"] {
            assert_eq!(check(url), Err(WebhookUrlError::Form), "{url}");
        }
        for url in [
            "https://127.0.0.1/",
            "https://2130706433/",
            "https://0x7f.1/",
            "https://[::1]/",
            "https://169.254.169.254/",
            "https://localhost./",
        ] {
            assert_eq!(check(url), Err(WebhookUrlError::Inside), "{url}");
        }
        assert_eq!(check("https://a:b@example.com/"), Err(WebhookUrlError::Credentials));
        let authentication =
            Some(AuthenticationInfo { scheme: "Bearer".into(), credentials: "a\r\nb: c".into() });
        let split = TaskPushNotificationConfig { authentication, ..config("https://example.com/") };
        assert_eq!(WebhookPolicy::Public.check(&split), Err(WebhookUrlError::Secret));
        assert!(WebhookPolicy::InsecureAny.check(&config("http://127.0.0.1:1/")).is_ok());
    }

    #[tokio::test]
    async fn a_host_name_that_leads_inside_is_not_connected_to() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let resolver = PublicResolver(WebhookPolicy::Public);
        let error = resolver.resolve("localhost".parse().unwrap()).await.err().unwrap();
        assert!(error.to_string().contains("not public"), "{error}");
        drop(listener);
    }
}
