//! HTTPS client of a relay's admin API ([`protocol::admin`]).
//!
//! The relay shows a certificate of its own authority for its Service. Only then does it get the
//! bearer token, so that whoever has the address of a pod that is gone learns nothing.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use protocol::admin::{
    self, AgentBatch, AgentView, Applied, BatchApplied, DeletionPolicy, FORMER_OWNER_HEADER, IF_OWNED_HEADER,
    OWNER_HEADER, Page, Problem, TERM_HEADER, TenantView, Term, Version,
};
use protocol::did::TenantId;
use reqwest::{Certificate, Method, RequestBuilder};
use serde::de::DeserializeOwned;

use crate::relay_api::{RelayApi, RelayError, Target, Writer};

/// Bounds one request. A relay answers from memory and one fsync, so a slower one is not ready.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// Bounds connecting to a pod of the same cluster.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Connections that are kept, in pods of relays. More pods only connect more often.
const CLIENTS_MAX: usize = 1024;

/// A client that connects to one pod and trusts the authorities of its relay.
#[derive(Debug)]
struct PodClient {
    authorities: String,
    server_name: String,
    client: reqwest::Client,
}

/// Cheap to clone. Clones share connections.
#[derive(Debug, Clone, Default)]
pub struct RelayClient(Arc<Mutex<HashMap<SocketAddr, PodClient>>>);

impl RelayClient {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The client for this pod. Another one is built when the relay's authorities have changed.
    fn client(&self, target: &Target) -> Result<reqwest::Client, RelayError> {
        let access = &target.access;
        let is_current = |found: &&PodClient| {
            found.authorities == access.authorities && found.server_name == access.server_name
        };
        let mut clients = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = clients.get(&target.address).filter(is_current) {
            return Ok(found.client.clone());
        }
        if clients.len() >= CLIENTS_MAX {
            clients.clear();
        }
        let client = build(target).map_err(|error| RelayError::Build(error.into()))?;
        let (authorities, server_name) = (access.authorities.clone(), access.server_name.clone());
        let pod_client = PodClient { authorities, server_name, client: client.clone() };
        clients.insert(target.address, pod_client);
        Ok(client)
    }

    fn request(&self, target: &Target, method: Method, path: &str) -> Result<RequestBuilder, RelayError> {
        let url = format!("https://{}:{}{path}", target.access.server_name, target.address.port());
        Ok(self.client(target)?.request(method, url).bearer_auth(target.access.token.as_str()))
    }
}

fn build(target: &Target) -> reqwest::Result<reqwest::Client> {
    let authorities = Certificate::from_pem_bundle(target.access.authorities.as_bytes())?;
    reqwest::Client::builder()
        .tls_certs_only(authorities)
        .https_only(true)
        .resolve(&target.access.server_name, target.address)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .timeout(REQUEST_TIMEOUT)
        .connect_timeout(CONNECT_TIMEOUT)
        .build()
}

/// Sends a request and reads its answer.
async fn call<A: DeserializeOwned>(
    target: &Target,
    request: Result<RequestBuilder, RelayError>,
) -> Result<A, RelayError> {
    let (address, request) = (target.address, request?);
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
        let request = self.request(target, Method::PUT, path);
        call(target, request.map(|request| with_writer(request, writer).json(&body))).boxed()
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
        let request = self.request(target, Method::DELETE, &path);
        call(target, request.map(|request| with_writer(request, writer))).boxed()
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
        let request = self.request(target, Method::PUT, admin::AGENTS_PATH);
        call(target, request.map(|request| with_term(request, term).json(batch))).boxed()
    }
}
