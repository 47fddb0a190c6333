//! What every request passes before MCP sees it: who calls, in whose session, whether that is allowed, and room. Each refusal is
//! counted.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::header::CACHE_CONTROL;
use axum::http::{HeaderMap, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::Response;
use protocol::api_key::KeyHash;
use tokio::sync::Semaphore;

use super::bearer::Bearer;
use super::refused::Refused;
use super::sessions::Sessions;
use super::{REQUEST_BYTES_MAX, demand, via};
use crate::caller::Caller;
use crate::metrics::Metrics;
use crate::scope::{Scope, Scopes};

/// Requests under way at a time. One agent and its clients need a handful; each may wait for a reply for a minute.
const REQUESTS_MAX: usize = 64;

const SESSION_ID: &str = "mcp-session-id";

/// Cheap to clone; clones share the keys, the sessions and the room.
#[derive(Clone)]
pub struct Guard {
    bearer: Bearer,
    sessions: Sessions,
    room: Arc<Semaphore>,
    metrics: Metrics,
}

/// A refusal, and the scopes that would have been needed.
struct Denied {
    refused: Refused,
    scopes: Vec<Scope>,
}

/// The middleware.
pub async fn admit(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let through_gateway = via::is_through_gateway(request.headers());
    match guard.pass(request, next).await {
        Ok(response) => response,
        Err(Denied { refused, scopes }) => {
            guard.metrics.refused(refused.reason());
            tracing::info!(reason = refused.reason(), "request refused");
            let scopes: Vec<_> = scopes.into_iter().map(Scope::word).collect();
            refused.to_response(guard.bearer.metadata_url(through_gateway), &scopes.join(" "))
        }
    }
}

impl Guard {
    #[must_use]
    pub fn new(bearer: Bearer, sessions: Sessions, metrics: Metrics) -> Self {
        Self { bearer, sessions, room: Arc::new(Semaphore::new(REQUESTS_MAX)), metrics }
    }

    /// Takes in what the token file says now; `true` when the key is another one.
    pub fn rotate(&self, key: KeyHash) -> bool {
        self.bearer.rotate(key)
    }

    pub(super) const fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    async fn pass(&self, request: Request, next: Next) -> Result<Response, Denied> {
        let caller = self.bearer.caller(request.headers()).await?;
        let session = text(request.headers(), SESSION_ID);
        if let Some(session) = &session {
            self.sessions.check(session, &caller.principal)?;
        }
        let _room = self.room.try_acquire().map_err(|_| Refused::Overloaded)?;
        let mut request = self.allowed(request, &caller).await?;
        let ends_session = request.method() == Method::DELETE;
        let principal = caller.principal.clone();
        request.extensions_mut().insert(caller);
        let mut response = next.run(request).await;
        match (session, text(response.headers(), SESSION_ID)) {
            (Some(session), _) if ends_session && response.status().is_success() => {
                self.sessions.end(&session).await;
            }
            (None, Some(made)) => self.sessions.made(&made, principal).await,
            _ => {}
        }
        // Answers hold messages of this caller.
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Ok(response)
    }

    /// Reads the body of a caller who may not do everything, and looks what it asks for.
    async fn allowed(&self, request: Request, caller: &Caller) -> Result<Request, Denied> {
        if caller.scopes == Scopes::ALL {
            return Ok(request);
        }
        let (parts, body) = request.into_parts();
        let body = axum::body::to_bytes(body, REQUEST_BYTES_MAX).await.map_err(|_| Refused::TooLarge)?;
        check_scopes(&body, caller.scopes)?;
        Ok(Request::from_parts(parts, Body::from(body)))
    }
}

fn check_scopes(body: &Bytes, granted: Scopes) -> Result<(), Denied> {
    let needed = demand::of(body).ok_or(Refused::TooLarge)?;
    if needed.iter().all(|scope| granted.allow(*scope)) {
        return Ok(());
    }
    // What is granted is named as well, so that a new sign-in does not lose it.
    let scopes = Scope::ALL.into_iter().filter(|scope| granted.allow(*scope) || needed.contains(scope));
    Err(Denied { refused: Refused::InsufficientScope, scopes: scopes.collect() })
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    // A value that is no text is no id of ours.
    headers.get(name).map(|value| value.to_str().unwrap_or_default().to_owned())
}

impl From<Refused> for Denied {
    fn from(refused: Refused) -> Self {
        Self { refused, scopes: Scope::ALL.to_vec() }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(tool: &str, granted: &str) -> Result<(), Vec<Scope>> {
        let body = json!({"method": "tools/call", "params": {"name": tool}}).to_string();
        check_scopes(&Bytes::from(body), Scopes::parse(granted)).map_err(|denied| denied.scopes)
    }

    #[test]
    fn a_call_beyond_the_scopes_names_all_that_are_needed() {
        assert_eq!(check("read_message", "mcp:read"), Ok(()));
        assert_eq!(check("send_message", "mcp:read"), Err(vec![Scope::Read, Scope::Send]));
        assert_eq!(check("submit_task", ""), Err(vec![Scope::Tasks]));
    }
}
