//! Checks every request before MCP sees it: the caller, the session, the scopes, and how many
//! requests are in progress. Counts each rejection.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::header::CACHE_CONTROL;
use axum::http::{HeaderMap, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::Response;
use protocol::api_key::KeyHash;
use tokio::sync::Semaphore;

use super::bearer::BearerAuth;
use super::required_scopes::required_scopes;
use super::sessions::Sessions;
use crate::caller::Caller;
use crate::http::rejection::HttpRejection;
use crate::http::via;
use crate::metrics::EndpointMetrics;
use crate::scope::{Scope, Scopes};

/// Bytes of one request: the longest content, the call around it, and its escapes in JSON.
pub const REQUEST_BYTES_MAX: usize = 1 << 20;

/// Requests in progress. The clients of one agent need a handful; each may wait for a reply for a
/// minute.
const REQUESTS_MAX: usize = 64;

const SESSION_ID: &str = "mcp-session-id";

/// Cheap to clone; clones share the keys, the sessions and the limit.
#[derive(Clone)]
pub struct Guard {
    bearer: BearerAuth,
    sessions: Sessions,
    requests: Arc<Semaphore>,
    metrics: EndpointMetrics,
}

/// A rejection, with the scopes that a new sign-in should request.
struct Denial {
    rejection: HttpRejection,
    scopes: Vec<Scope>,
}

/// The middleware.
pub async fn check_request(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let via_gateway = via::is_via_gateway(request.headers());
    match guard.check_and_run(request, next).await {
        Ok(response) => response,
        Err(Denial { rejection, scopes }) => {
            let problem = rejection.problem();
            guard.metrics.count_rejection(problem.reason());
            tracing::info!(reason = problem.reason(), "request rejected");
            let scopes: Vec<_> = scopes.into_iter().map(Scope::as_str).collect();
            problem.to_response(guard.bearer.metadata_url(via_gateway), &scopes.join(" "))
        }
    }
}

impl Guard {
    #[must_use]
    pub fn new(bearer: BearerAuth, sessions: Sessions, metrics: EndpointMetrics) -> Self {
        Self { bearer, sessions, requests: Arc::new(Semaphore::new(REQUESTS_MAX)), metrics }
    }

    /// Accepts the key that the token file now contains; `true` when it is a different one.
    pub fn rotate(&self, key: KeyHash) -> bool {
        self.bearer.rotate(key)
    }

    pub(super) const fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    async fn check_and_run(&self, request: Request, next: Next) -> Result<Response, Denial> {
        let caller = self.bearer.authenticate(request.headers()).await?;
        let session = header_text(request.headers(), SESSION_ID);
        if let Some(session) = &session {
            self.sessions.check(session, &caller.principal)?;
        }
        let _permit = self.requests.try_acquire().map_err(|_| HttpRejection::Overloaded)?;
        let mut request = self.check_request_scopes(request, &caller).await?;
        let ends_session = request.method() == Method::DELETE;
        let principal = caller.principal.clone();
        request.extensions_mut().insert(caller);
        let mut response = next.run(request).await;
        match (session, header_text(response.headers(), SESSION_ID)) {
            (Some(session), _) if ends_session && response.status().is_success() => {
                self.sessions.end(&session).await;
            }
            (None, Some(created)) => self.sessions.add(&created, principal).await,
            _ => {}
        }
        // Responses contain messages of this caller.
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Ok(response)
    }

    /// Reads the body only for a caller that does not have every scope.
    async fn check_request_scopes(&self, request: Request, caller: &Caller) -> Result<Request, Denial> {
        if caller.scopes == Scopes::ALL {
            return Ok(request);
        }
        let (parts, body) = request.into_parts();
        let body = axum::body::to_bytes(body, REQUEST_BYTES_MAX).await;
        let body = body.map_err(|_| HttpRejection::TooLarge)?;
        check_scopes(&body, caller.scopes)?;
        Ok(Request::from_parts(parts, Body::from(body)))
    }
}

fn check_scopes(body: &Bytes, granted: Scopes) -> Result<(), Denial> {
    let required = required_scopes(body).ok_or(HttpRejection::TooLarge)?;
    if required.iter().all(|scope| granted.contains(*scope)) {
        return Ok(());
    }
    // Includes the granted scopes, so that a new sign-in does not lose them.
    let scopes = Scope::ALL.into_iter().filter(|scope| granted.contains(*scope) || required.contains(scope));
    Err(Denial { rejection: HttpRejection::InsufficientScope, scopes: scopes.collect() })
}

fn header_text(headers: &HeaderMap, name: &str) -> Option<String> {
    // A value that is not text reads as empty, which is no session id.
    headers.get(name).map(|value| value.to_str().unwrap_or_default().to_owned())
}

impl From<HttpRejection> for Denial {
    fn from(rejection: HttpRejection) -> Self {
        Self { rejection, scopes: Scope::ALL.to_vec() }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(tool: &str, granted: &str) -> Result<(), Vec<Scope>> {
        let body = json!({"method": "tools/call", "params": {"name": tool}}).to_string();
        check_scopes(&Bytes::from(body), Scopes::parse(granted)).map_err(|denial| denial.scopes)
    }

    #[test]
    fn a_call_beyond_the_scopes_names_all_that_are_needed() {
        assert_eq!(check("read_message", "mcp:read"), Ok(()));
        assert_eq!(check("send_message", "mcp:read"), Err(vec![Scope::Read, Scope::Send]));
        assert_eq!(check("submit_task", ""), Err(vec![Scope::Tasks]));
    }
}
