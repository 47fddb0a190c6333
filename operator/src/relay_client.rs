//! HTTP client of a relay's admin API ([`protocol::admin`]). It authenticates with a bearer token.

use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use protocol::admin::{
    self, AgentBatch, AgentView, Applied, BatchApplied, DeletionPolicy, FORMER_OWNER_HEADER, IF_OWNED_HEADER,
    OWNER_HEADER, Page, Problem, TERM_HEADER, TenantView, Term, Version,
};
use protocol::did::TenantId;
use reqwest::{Method, RequestBuilder};
use serde::de::DeserializeOwned;

use crate::relay_api::{RelayApi, RelayError, Target, Writer};

/// Bounds one request. A relay answers from memory and one fsync, so a slower one is not ready.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// Bounds connecting to a pod of the same cluster.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Cheap to clone. Clones share connections.
#[derive(Debug, Clone)]
pub struct RelayClient(reqwest::Client);

impl RelayClient {
    /// Builds the client.
    ///
    /// # Errors
    /// [`RelayError::Build`] when the TLS library refuses its configuration.
    pub fn new() -> Result<Self, RelayError> {
        let client = reqwest::Client::builder()
            // Admin listeners speak plaintext inside the cluster, and the image has no authorities
            // to load.
            .tls_certs_only([])
            .no_proxy()
            .timeout(REQUEST_TIMEOUT)
            .connect_timeout(CONNECT_TIMEOUT);
        client.build().map(Self).map_err(|error| RelayError::Build(error.into()))
    }

    fn request(&self, target: &Target, method: Method, path: &str) -> RequestBuilder {
        let url = format!("http://{}{path}", target.address);
        self.0.request(method, url).bearer_auth(target.access.token.as_str())
    }
}

/// Sends a request and reads its answer.
async fn call<A: DeserializeOwned>(target: &Target, request: RequestBuilder) -> Result<A, RelayError> {
    let address = target.address;
    let reach = |source: reqwest::Error| RelayError::Reach { address, source: source.without_url().into() };
    let response = request.send().await.map_err(reach)?;
    let status = response.status();
    if status.is_success() {
        return response.json().await.map_err(reach);
    }
    let problem = response.json::<Problem>().await.ok();
    Err(RelayError::Refused {
        address,
        status: status.as_u16(),
        reason: problem.as_ref().map(|problem| problem.reason),
        detail: problem.and_then(|problem| problem.detail).unwrap_or_else(|| status.to_string()),
    })
}

fn with_writer(request: RequestBuilder, writer: &Writer) -> RequestBuilder {
    let mut request = request.header(OWNER_HEADER, writer.owner.to_string());
    if let Some(former) = &writer.former_owner {
        request = request.header(FORMER_OWNER_HEADER, former.to_string());
    }
    if writer.if_owned {
        request = request.header(IF_OWNED_HEADER, "true");
    }
    with_term(request, writer.term)
}

fn with_term(request: RequestBuilder, term: Option<Term>) -> RequestBuilder {
    match term {
        Some(term) => request.header(TERM_HEADER, term.to_string()),
        None => request,
    }
}

/// The path of the page after `after`. Ids of tenants and names of agents need no escaping.
fn page(path: &str, after: Option<&str>) -> String {
    after.map_or_else(|| path.to_owned(), |after| format!("{path}?after={after}"))
}

impl RelayApi for RelayClient {
    fn version<'a>(&'a self, target: &'a Target) -> BoxFuture<'a, Result<Version, RelayError>> {
        call(target, self.request(target, Method::GET, admin::VERSION_PATH)).boxed()
    }

    fn put<'a>(
        &'a self,
        target: &'a Target,
        path: &'a str,
        writer: &'a Writer,
        body: serde_json::Value,
    ) -> BoxFuture<'a, Result<Applied, RelayError>> {
        call(target, with_writer(self.request(target, Method::PUT, path), writer).json(&body)).boxed()
    }

    fn delete<'a>(
        &'a self,
        target: &'a Target,
        path: &'a str,
        writer: &'a Writer,
        policy: Option<DeletionPolicy>,
    ) -> BoxFuture<'a, Result<Applied, RelayError>> {
        let path = match policy {
            Some(policy) => format!("{path}?policy={}", policy.as_query()),
            None => path.to_owned(),
        };
        call(target, with_writer(self.request(target, Method::DELETE, &path), writer)).boxed()
    }

    fn tenants<'a>(
        &'a self,
        target: &'a Target,
        after: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Page<TenantView>, RelayError>> {
        call(target, self.request(target, Method::GET, &page(admin::TENANTS_PATH, after))).boxed()
    }

    fn agents<'a>(
        &'a self,
        target: &'a Target,
        tenant: &'a TenantId,
        after: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Page<AgentView>, RelayError>> {
        let path = page(&admin::agents_path(tenant), after);
        call(target, self.request(target, Method::GET, &path)).boxed()
    }

    fn put_agents<'a>(
        &'a self,
        target: &'a Target,
        term: Option<Term>,
        batch: &'a AgentBatch,
    ) -> BoxFuture<'a, Result<BatchApplied, RelayError>> {
        let request = with_term(self.request(target, Method::PUT, admin::AGENTS_PATH), term);
        call(target, request.json(batch)).boxed()
    }
}
