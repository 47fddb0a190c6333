//! HTTP requests as an MCP client makes them: without redirects, and with bounded answers.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use msg2agent::error::chain;
use reqwest::header::{DATE, HeaderMap};
use reqwest::{Client, RequestBuilder, StatusCode};
use rustls::{ClientConfig, RootCertStore};

use super::finding::{Component, Fault};
use super::target::Target;
use crate::failure::{ExitKind, Failure};

/// How long one answer may take. Hosted clients allow about as much.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of one answer. Metadata and tool lists are far smaller.
const ANSWER_BYTES_MAX: usize = 1 << 20;
/// Clock skew that is reported: tokens and certificates are verified with some leeway, but not
/// more.
const CLOCK_SKEW_GRACE: Duration = Duration::from_secs(60);

/// An HTTP answer with its whole body.
pub(super) struct HttpAnswer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl HttpAnswer {
    pub(super) fn json<T: serde::de::DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_slice(&self.body).ok()
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// A TLS configuration that trusts the target's certificate authorities.
pub(super) fn tls_config(target: &Target) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    match &target.ca {
        Some(certificates) => drop(roots.add_parsable_certificates(certificates.iter().cloned())),
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
    }
    Arc::new(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth())
}

/// An HTTP client. It uses the proxy for every request, if there is one.
pub(super) fn client(tls: &Arc<ClientConfig>, proxy: Option<&str>) -> Result<Client, Failure> {
    let failed =
        |e: &reqwest::Error| Failure::new(ExitKind::Failed, "cannot build the HTTP client").caused_by(e);
    let mut builder = Client::builder()
        .tls_backend_preconfigured(ClientConfig::clone(tls))
        .redirect(reqwest::redirect::Policy::none())
        .timeout(ANSWER_TIMEOUT);
    if let Some(proxy) = proxy {
        builder = builder.proxy(reqwest::Proxy::all(proxy).map_err(|e| failed(&e))?);
    }
    builder.build().map_err(|e| failed(&e))
}

/// Sends a request and reads the answer. A missing answer is a fault of `side`.
pub(super) async fn send(request: RequestBuilder, side: Component) -> Result<HttpAnswer, Fault> {
    let no_answer = |error: &reqwest::Error| {
        let cause = format!("no answer over HTTP: {}", chain(error));
        Fault::new(side, cause, "check that it runs and is ready, and read its log")
    };
    let mut response = request.send().await.map_err(|e| no_answer(&e.without_url()))?;
    let (status, headers, mut body) = (response.status(), response.headers().clone(), Vec::new());
    while let Some(part) = response.chunk().await.map_err(|e| no_answer(&e.without_url()))? {
        body.extend_from_slice(&part);
        if body.len() > ANSWER_BYTES_MAX {
            return Err(Fault::new(side, "the answer is too large", "check that this is the right URL"));
        }
    }
    Ok(HttpAnswer { status, headers, body })
}

/// Compares the clock of the answering component with `now`.
pub(super) fn check_clock_skew(answer: &HttpAnswer, now: SystemTime, side: Component) -> Result<(), Fault> {
    let Some(date) = answer.header(DATE.as_str()).and_then(parse_date) else { return Ok(()) };
    let (skew, behind) = match now.duration_since(date) {
        Ok(skew) => (skew, true),
        Err(error) => (error.duration(), false),
    };
    if skew <= CLOCK_SKEW_GRACE {
        return Ok(());
    }
    let direction = if behind { "behind" } else { "ahead of" };
    let cause = format!("the clock of {side} is {} s {direction} this machine's", skew.as_secs());
    Err(Fault::new(
        Component::Client,
        cause,
        "synchronize both clocks with NTP; tokens and certificates depend on them",
    ))
}

/// Parses the date format of RFC 9110 section 5.6.7 that servers must send.
fn parse_date(text: &str) -> Option<SystemTime> {
    let time = jiff::fmt::rfc2822::parse(&text.replace("GMT", "+0000")).ok()?;
    Some(time.timestamp().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dated(text: &str) -> HttpAnswer {
        let mut headers = HeaderMap::new();
        headers.insert(DATE, text.parse().unwrap());
        HttpAnswer { status: StatusCode::OK, headers, body: Vec::new() }
    }

    #[test]
    fn clock_skew_is_reported_with_its_direction() {
        let answer = dated("Mon, 23 Nov 2026 04:00:00 GMT");
        let sent = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_406_400);
        assert_eq!(check_clock_skew(&answer, sent + Duration::from_secs(59), Component::Endpoint), Ok(()));
        let behind =
            check_clock_skew(&answer, sent + Duration::from_secs(400), Component::Endpoint).unwrap_err();
        assert!(behind.cause.contains("400 s behind"), "{}", behind.cause);
        let ahead =
            check_clock_skew(&answer, sent - Duration::from_secs(400), Component::Endpoint).unwrap_err();
        assert!(ahead.cause.contains("400 s ahead of"), "{}", ahead.cause);
    }
}
