//! HTTP as a client of the endpoint does it: no redirects, bounded answers.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use reqwest::header::{DATE, HeaderMap};
use reqwest::{Client, RequestBuilder, StatusCode};
use rustls::{ClientConfig, RootCertStore};

use super::finding::{Fault, Side};
use super::target::Target;
use crate::failure::{Exit, Failure};

/// Time for one answer; hosted clients allow about as much.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of one answer: metadata and tool lists are far smaller.
const ANSWER_BYTES_MAX: usize = 1 << 20;
/// Clocks further apart than this break tokens and certificates sooner or later.
const SKEW_MAX: Duration = Duration::from_secs(60);

/// An answer, read to its end.
pub(super) struct Seen {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Seen {
    pub(super) fn json<T: serde::de::DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_slice(&self.body).ok()
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// What trusts `target`'s authorities.
pub(super) fn tls(target: &Target) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    match &target.ca {
        Some(certificates) => drop(roots.add_parsable_certificates(certificates.iter().cloned())),
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
    }
    Arc::new(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth())
}

/// By way of `proxy` alone, when there is one.
pub(super) fn client(tls: &Arc<ClientConfig>, proxy: Option<&str>) -> Result<Client, Failure> {
    let failed = |e: &reqwest::Error| Failure::new(Exit::Failed, "cannot prepare HTTP").caused_by(e);
    let mut builder = Client::builder()
        .tls_backend_preconfigured(ClientConfig::clone(tls))
        .redirect(reqwest::redirect::Policy::none())
        .timeout(ANSWER_TIMEOUT);
    if let Some(proxy) = proxy {
        builder = builder.proxy(reqwest::Proxy::all(proxy).map_err(|e| failed(&e))?);
    }
    builder.build().map_err(|e| failed(&e))
}

/// Sends and reads; `side` is who is to answer.
pub(super) async fn ask(request: RequestBuilder, side: Side) -> Result<Seen, Fault> {
    let silent = |error: &reqwest::Error| {
        let cause = format!("no answer over HTTP: {}", chain(error));
        Fault::new(side, cause, "see whether it runs and is ready, and what its log says")
    };
    let mut response = request.send().await.map_err(|e| silent(&e.without_url()))?;
    let (status, headers, mut body) = (response.status(), response.headers().clone(), Vec::new());
    while let Some(part) = response.chunk().await.map_err(|e| silent(&e.without_url()))? {
        body.extend_from_slice(&part);
        if body.len() > ANSWER_BYTES_MAX {
            return Err(Fault::new(side, "the answer does not end", "is that the right URL?"));
        }
    }
    Ok(Seen { status, headers, body })
}

/// How far the other side's clock is from `now`, when that matters.
pub(super) fn skew(seen: &Seen, now: SystemTime, side: Side) -> Result<(), Fault> {
    let Some(date) = seen.header(DATE.as_str()).and_then(read_date) else { return Ok(()) };
    let (apart, late) = match now.duration_since(date) {
        Ok(apart) => (apart, true),
        Err(error) => (error.duration(), false),
    };
    if apart <= SKEW_MAX {
        return Ok(());
    }
    let direction = if late { "behind" } else { "ahead of" };
    let cause = format!("the clock of {side} is {} s {direction} this machine's", apart.as_secs());
    Err(Fault::new(Side::Client, cause, "set both clocks by NTP: tokens and certificates are judged by them"))
}

/// RFC 9110 section 5.6.7, the one form that is still written.
fn read_date(text: &str) -> Option<SystemTime> {
    let time = jiff::fmt::rfc2822::parse(&text.replace("GMT", "+0000")).ok()?;
    Some(time.timestamp().into())
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dated(text: &str) -> Seen {
        let mut headers = HeaderMap::new();
        headers.insert(DATE, text.parse().unwrap());
        Seen { status: StatusCode::OK, headers, body: Vec::new() }
    }

    #[test]
    fn a_clock_that_is_off_is_named_with_its_direction() {
        let seen = dated("Mon, 23 Nov 2026 04:00:00 GMT");
        let then = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_406_400);
        assert_eq!(skew(&seen, then + Duration::from_secs(59), Side::Endpoint), Ok(()));
        let behind = skew(&seen, then + Duration::from_secs(400), Side::Endpoint).unwrap_err();
        assert!(behind.cause.contains("400 s behind"), "{}", behind.cause);
        let ahead = skew(&seen, then - Duration::from_secs(400), Side::Endpoint).unwrap_err();
        assert!(ahead.cause.contains("400 s ahead of"), "{}", ahead.cause);
    }
}
