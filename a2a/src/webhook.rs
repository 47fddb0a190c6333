//! Calls webhooks that strangers name: https only, no redirects, and every address that the host
//! name resolves to must be public. The connection goes to the addresses that were checked.

use std::net::IpAddr;
use std::time::Duration;

use document_fetcher::{AllowedAddresses, PublicResolver, is_public};
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use url::{Host, Url};

use crate::model::{StreamResponse, TaskPushNotificationConfig};

/// Time for a webhook to take a notification, connecting included.
const CALL_TIMEOUT: Duration = Duration::from_secs(15);
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
#[error("failed to prepare requests to webhooks")]
pub struct WebhookClientError(#[source] reqwest::Error);

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
    const fn allowed_addresses(self) -> AllowedAddresses {
        match self {
            Self::Public => AllowedAddresses::Public,
            Self::InsecureAny => AllowedAddresses::AnyInsecure,
        }
    }

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
    /// Those of the HTTP client.
    pub fn new(policy: WebhookPolicy) -> Result<Self, WebhookClientError> {
        let client = document_fetcher::builder(document_fetcher::public_roots())
            .timeout(CALL_TIMEOUT)
            .dns_resolver(PublicResolver::new(policy.allowed_addresses()));
        let client = client.build().map_err(WebhookClientError)?;
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

#[cfg(test)]
mod tests {
    use reqwest::dns::Resolve as _;

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
        let resolver = PublicResolver::new(WebhookPolicy::Public.allowed_addresses());
        let error = resolver.resolve("localhost".parse().unwrap()).await.err().unwrap();
        assert!(error.to_string().contains("not public"), "{error}");
    }
}
