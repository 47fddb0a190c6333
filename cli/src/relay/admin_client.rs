//! An HTTP client for a relay's admin API.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use protocol::Reason;
use protocol::admin::{FORMER_OWNER_HEADER, OWNER_HEADER, Owner, Page, Problem};
use protocol::url::Transport;
use reqwest::{Client, ClientBuilder, Method, RequestBuilder, Response, StatusCode, Url};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::certificate_file::read_certificates;
use crate::failure::{ExitKind, Failure};

/// How long one answer may take. A write waits for an fsync.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// Pages of one list. More mean that the relay repeats itself.
const PAGES_MAX: usize = 1000;

/// How to reach the admin API of a relay.
pub(crate) struct AdminConnection {
    pub(crate) url: String,
    pub(crate) token_file: PathBuf,
    /// Certificate authorities to trust instead of the public ones.
    pub(crate) ca_file: Option<PathBuf>,
    /// The address to connect to, if it is not the one of the URL's host.
    pub(crate) connect: Option<SocketAddr>,
}

pub(crate) struct AdminClient {
    http: Client,
    base: Url,
    token: Zeroizing<String>,
    /// Whether writes take their entry over from its owner.
    take_over: bool,
}

/// The member of a tenant or agent that matters for a write.
#[derive(Deserialize)]
struct Owned {
    owner: Option<Owner>,
}

impl AdminClient {
    /// Refuses plaintext HTTP to another machine, which would expose the admin token, unless the
    /// user opts in.
    pub(crate) fn new(to: &AdminConnection, take_over: bool) -> Result<Self, Failure> {
        let (text, token_file) = (&to.url, &to.token_file);
        let base: Url = text.parse().map_err(|e| {
            Failure::usage(format!("{text:?} is not a URL"), "give a URL such as http://127.0.0.1:8081")
                .caused_by(&url_error(e))
        })?;
        let insecure = std::env::var("MSG2AGENT_INSECURE_PLAINTEXT").is_ok_and(|v| v == "true");
        if !insecure && !is_secure(&base) {
            return Err(Failure::usage(
                format!("the admin token would be sent in clear to {base}"),
                "use https, forward the admin port to this machine (kubectl port-forward), or set MSG2AGENT_INSECURE_PLAINTEXT=true",
            ));
        }
        let token = std::fs::read_to_string(token_file).map(Zeroizing::new).map_err(|e| {
            Failure::io(format!("cannot read the admin token in {}", token_file.display()), e)
        })?;
        let token = Zeroizing::new(token.trim().to_owned());
        let http = client_of(to, &base)?;
        Ok(Self { http, base, token, take_over })
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
        self.call(self.write_request(Method::PUT, path).await?.json(body), path).await
    }

    pub(crate) async fn post<R: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<R, Failure> {
        self.call(self.write_request(Method::POST, path).await?.json(body), path).await
    }

    pub(crate) async fn delete<R: DeserializeOwned>(&self, path: &str) -> Result<R, Failure> {
        self.call(self.write_request(Method::DELETE, path).await?, path).await
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

    /// A request with the owner that writes, and with the former one if it is taken over.
    async fn write_request(&self, method: Method, path: &str) -> Result<RequestBuilder, Failure> {
        let request = self.request(method, path)?.header(OWNER_HEADER, Owner::CommandLine.to_string());
        if !self.take_over {
            return Ok(request);
        }
        let found: Option<Owned> = self.find(owned_entry(path)).await?;
        let former = found.and_then(|entry| entry.owner);
        Ok(former
            .iter()
            .fold(request, |request, owner| request.header(FORMER_OWNER_HEADER, owner.to_string())))
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
        let advice = match problem.reason {
            Reason::OwnerConflict => "change it where it was made, or take it over with --take-over",
            reason => reason.advice(),
        };
        let mut failure = failed().advising(advice);
        failure.reason = Some(problem.reason.as_str());
        failure.causes.extend(problem.detail);
        Err(failure)
    }
}

/// The tenant or agent to which a path belongs: keys and invitations belong to their tenant, and an
/// MCP endpoint to its agent.
fn owned_entry(path: &str) -> &str {
    let path = path.split_once('?').map_or(path, |(path, _)| path);
    let is_agents = path.split('/').nth(5) == Some("agents");
    let segments = if is_agents { 6 } else { 4 };
    let end = path.match_indices('/').nth(segments).map_or(path.len(), |(index, _)| index);
    path.get(..end).unwrap_or(path)
}

/// A client with the certificate authorities and the address of the connection.
fn client_of(to: &AdminConnection, base: &Url) -> Result<Client, Failure> {
    let mut builder = builder(trusted(to.ca_file.as_deref())?, ANSWER_TIMEOUT);
    if let (Some(address), Some(host)) = (to.connect, base.host_str()) {
        builder = builder.resolve(host, address);
    }
    build(builder)
}

/// An HTTP client with the public certificate authorities compiled in, because a container image
/// without an operating system has none.
pub(crate) fn http_client(timeout: Duration) -> Result<Client, Failure> {
    build(builder(trusted(None)?, timeout))
}

/// The same for https only and without redirects, which would let others answer for a domain.
pub(crate) fn https_client(ca_file: Option<&Path>, timeout: Duration) -> Result<Client, Failure> {
    let never = reqwest::redirect::Policy::none();
    build(builder(trusted(ca_file)?, timeout).https_only(true).redirect(never))
}

fn trusted(ca_file: Option<&Path>) -> Result<rustls::RootCertStore, Failure> {
    let mut roots = rustls::RootCertStore::empty();
    match ca_file {
        Some(file) => drop(roots.add_parsable_certificates(read_certificates(file)?)),
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
    }
    Ok(roots)
}

fn builder(roots: rustls::RootCertStore, timeout: Duration) -> ClientBuilder {
    let tls = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    Client::builder().tls_backend_preconfigured(tls).timeout(timeout)
}

fn build(builder: ClientBuilder) -> Result<Client, Failure> {
    builder.build().map_err(|e| Failure::new(ExitKind::Failed, "cannot build the HTTP client").caused_by(&e))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_an_entry_is_taken_over_with_the_entry() {
        const ALICE: &str = "/admin/v1/tenants/acme/agents/alice";
        const ACME: &str = "/admin/v1/tenants/acme";
        for (path, entry) in [
            (ACME, ACME),
            ("/admin/v1/tenants/acme?policy=purge", ACME),
            ("/admin/v1/tenants/acme/keys/k1", ACME),
            ("/admin/v1/tenants/acme/invitations", ACME),
            (ALICE, ALICE),
            ("/admin/v1/tenants/acme/agents/alice?policy=retain", ALICE),
            ("/admin/v1/tenants/acme/agents/alice/mcp", ALICE),
            ("/admin/v1/tenants/acme/agents/alice/suspension", ALICE),
        ] {
            assert_eq!(owned_entry(path), entry, "{path}");
        }
    }
}
