//! An HTTP client for a relay's admin API.

use std::path::Path;
use std::time::Duration;

use protocol::admin::{Page, Problem};
use protocol::url::Transport;
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use crate::failure::{ExitKind, Failure};

/// How long one answer may take. A write waits for an fsync.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// Pages of one list. More mean that the relay repeats itself.
const PAGES_MAX: usize = 1000;

pub(crate) struct AdminClient {
    http: Client,
    base: Url,
    token: Zeroizing<String>,
}

impl AdminClient {
    /// Refuses plaintext HTTP to another machine, which would expose the admin token, unless the
    /// user opts in.
    pub(crate) fn new(base: &str, token_file: &Path) -> Result<Self, Failure> {
        let base: Url = base.parse().map_err(|e| {
            Failure::usage(format!("{base:?} is not a URL"), "give a URL such as http://127.0.0.1:8081")
                .caused_by(&url_error(e))
        })?;
        let insecure = std::env::var("MSG2AGENT_INSECURE_PLAINTEXT").is_ok_and(|v| v == "true");
        if !insecure && !is_secure(&base) {
            return Err(Failure::usage(
                format!("the admin token would be sent in clear to {base}"),
                "forward the admin port to this machine (kubectl port-forward), or set MSG2AGENT_INSECURE_PLAINTEXT=true",
            ));
        }
        let token = std::fs::read_to_string(token_file).map(Zeroizing::new).map_err(|e| {
            Failure::io(format!("cannot read the admin token in {}", token_file.display()), e)
        })?;
        let token = Zeroizing::new(token.trim().to_owned());
        let http = http_client(ANSWER_TIMEOUT)?;
        Ok(Self { http, base, token })
    }

    pub(crate) async fn get<R: DeserializeOwned>(&self, path: &str) -> Result<R, Failure> {
        self.call(self.request(Method::GET, path)?, path).await
    }

    /// `None` if the object does not exist.
    pub(crate) async fn find<R: DeserializeOwned>(&self, path: &str) -> Result<Option<R>, Failure> {
        let response = self.send(self.request(Method::GET, path)?, path).await?;
        if response.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        self.read(response, path).await.map(Some)
    }

    pub(crate) async fn put<R: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<R, Failure> {
        self.call(self.request(Method::PUT, path)?.json(body), path).await
    }

    pub(crate) async fn post<R: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<R, Failure> {
        self.call(self.request(Method::POST, path)?.json(body), path).await
    }

    pub(crate) async fn delete<R: DeserializeOwned>(&self, path: &str) -> Result<R, Failure> {
        self.call(self.request(Method::DELETE, path)?, path).await
    }

    /// Reads all pages of a list.
    pub(crate) async fn list<R: DeserializeOwned>(&self, path: &str) -> Result<Vec<R>, Failure> {
        let (mut items, mut after) = (Vec::new(), None::<String>);
        for _ in 0..PAGES_MAX {
            let query = after.iter().map(|after| ("after", after.as_str())).collect::<Vec<_>>();
            let mut url = self.url(path)?;
            url.query_pairs_mut().extend_pairs(query);
            let page: Page<R> = self.call(self.request_url(Method::GET, url), path).await?;
            items.extend(page.items);
            match page.next {
                None => return Ok(items),
                next => after = next,
            }
        }
        Err(Failure::new(ExitKind::Failed, format!("the list {path} has too many pages")))
    }

    fn request(&self, method: Method, path: &str) -> Result<RequestBuilder, Failure> {
        Ok(self.request_url(method, self.url(path)?))
    }

    fn request_url(&self, method: Method, url: Url) -> RequestBuilder {
        self.http.request(method, url).bearer_auth(self.token.as_str())
    }

    fn url(&self, path: &str) -> Result<Url, Failure> {
        self.base.join(path).map_err(|e| {
            Failure::new(ExitKind::Failed, format!("cannot build the URL of {path}")).caused_by(&url_error(e))
        })
    }

    async fn call<R: DeserializeOwned>(&self, request: RequestBuilder, path: &str) -> Result<R, Failure> {
        let response = self.send(request, path).await?;
        self.read(response, path).await
    }

    async fn send(&self, request: RequestBuilder, path: &str) -> Result<Response, Failure> {
        request.send().await.map_err(|e| {
            Failure::new(ExitKind::TryAgain, format!("cannot reach the relay's admin API for {path}"))
                .caused_by(&e.without_url())
                .advising(format!(
                    "check that the relay runs and that {} is the URL of its admin listener",
                    self.base
                ))
        })
    }

    async fn read<R: DeserializeOwned>(&self, response: Response, path: &str) -> Result<R, Failure> {
        let status = response.status();
        let failed = || {
            Failure::new(ExitKind::Refused, format!("the relay refused {path} (HTTP {})", status.as_u16()))
        };
        let body = response.bytes().await.map_err(|e| failed().caused_by(&e.without_url()))?;
        if status.is_success() {
            return serde_json::from_slice(&body).map_err(|e| {
                Failure::new(ExitKind::Failed, format!("cannot read the relay's answer to {path}"))
                    .caused_by(&e)
            });
        }
        let Ok(problem) = serde_json::from_slice::<Problem>(&body) else {
            return Err(failed());
        };
        let mut failure = failed().advising(problem.reason.advice());
        failure.reason = Some(problem.reason.as_str());
        failure.causes.extend(problem.detail);
        Err(failure)
    }
}

/// An HTTP client with the public certificate authorities compiled in, because a container image
/// without an operating system has none.
pub(crate) fn http_client(timeout: Duration) -> Result<Client, Failure> {
    let roots: rustls::RootCertStore = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
    let tls = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let client = Client::builder().tls_backend_preconfigured(tls).timeout(timeout).build();
    client.map_err(|e| Failure::new(ExitKind::Failed, "cannot build the HTTP client").caused_by(&e))
}

fn is_secure(url: &Url) -> bool {
    let is_http = matches!(url.scheme(), "http" | "https");
    let transport = url.host_str().and_then(|host| Transport::from_scheme_and_host(url.scheme(), host));
    is_http && transport.is_some_and(Transport::is_secure)
}

/// The parse error as an I/O error, because reqwest does not export its type.
fn url_error(error: impl std::error::Error + Send + Sync + 'static) -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::InvalidInput, error)
}
