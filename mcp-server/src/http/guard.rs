//! What every request passes before MCP sees it: the key, no foreign session, room. Each refusal is counted.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use protocol::Reason;
use protocol::api_key::KeyHash;
use serde_json::json;
use tokio::sync::Semaphore;

use super::gate::Gate;
use crate::metrics::Metrics;

/// Requests under way at a time. One agent and its clients need a handful; each may wait for a reply for a minute.
const REQUESTS_MAX: usize = 64;

const SESSION_ID: &str = "mcp-session-id";

/// Cheap to clone; clones share the key and the room.
#[derive(Clone)]
pub struct Guard {
    gate: Arc<Mutex<Gate>>,
    room: Arc<Semaphore>,
    metrics: Metrics,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refused {
    KeyMissing,
    KeyUnknown,
    /// No session id is ever given out here, so this one is another server's.
    ForeignSession,
    Overloaded,
}

/// The middleware.
pub async fn admit(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    if let Err(refused) = guard.check(request.headers()) {
        return guard.refuse(refused);
    }
    let Ok(_room) = guard.room.try_acquire() else {
        return guard.refuse(Refused::Overloaded);
    };
    let mut response = next.run(request).await;
    // Answers hold messages of this caller.
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

impl Guard {
    #[must_use]
    pub fn new(key: KeyHash, metrics: Metrics) -> Self {
        let room = Arc::new(Semaphore::new(REQUESTS_MAX));
        Self { gate: Arc::new(Mutex::new(Gate::new(key))), room, metrics }
    }

    /// Takes in what the token file says now; `true` when the key is another one.
    pub fn rotate(&self, key: KeyHash) -> bool {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner).rotate(key, Instant::now())
    }

    fn check(&self, headers: &HeaderMap) -> Result<(), Refused> {
        let presented = bearer(headers).ok_or(Refused::KeyMissing)?;
        if !self.gate.lock().unwrap_or_else(PoisonError::into_inner).admits(presented, Instant::now()) {
            return Err(Refused::KeyUnknown);
        }
        if headers.contains_key(SESSION_ID) {
            return Err(Refused::ForeignSession);
        }
        Ok(())
    }

    fn refuse(&self, refused: Refused) -> Response {
        self.metrics.refused(refused.reason());
        tracing::info!(reason = refused.reason(), "request refused");
        refused.into_response()
    }
}

/// The one bearer token of a request (RFC 6750 section 2.1); two are as bad as none.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("Bearer").then(|| token.trim_start())
}

impl Refused {
    const fn reason(self) -> &'static str {
        match self {
            Self::KeyMissing => Reason::KeyMissing.word(),
            Self::KeyUnknown => Reason::KeyUnknown.word(),
            Self::ForeignSession => "foreign_session",
            Self::Overloaded => Reason::Overloaded.word(),
        }
    }

    const fn status(self) -> StatusCode {
        match self {
            Self::KeyMissing | Self::KeyUnknown => StatusCode::UNAUTHORIZED,
            // MCP 2025-11-25, session management: the client then starts anew without one.
            Self::ForeignSession => StatusCode::NOT_FOUND,
            Self::Overloaded => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    const fn advice(self) -> &'static str {
        match self {
            Self::KeyMissing => Reason::KeyMissing.advice(),
            Self::KeyUnknown => "this is not the API key of this agent; read the current one from its Secret",
            Self::ForeignSession => "this server has no sessions; send the request without mcp-session-id",
            Self::Overloaded => "too many requests are under way; try again in a second",
        }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let problem =
            json!({"status": self.status().as_u16(), "reason": self.reason(), "detail": self.advice()});
        let mut response = (self.status(), Json(problem)).into_response();
        let headers = response.headers_mut();
        // RFC 6750 section 3: no error code for a request that carried no token.
        match self {
            Self::KeyMissing => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(r#"Bearer realm="msg2agent""#));
            }
            Self::KeyUnknown => {
                let challenge = r#"Bearer realm="msg2agent", error="invalid_token""#;
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
            }
            Self::Overloaded => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
            }
            Self::ForeignSession => {}
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn each_refusal_has_its_reason() {
        let metrics = Metrics::register(&prometheus::Registry::new()).unwrap();
        let guard = Guard::new(KeyHash::of("mine"), metrics);
        let mine = ("authorization", "Bearer mine");
        assert_eq!(guard.check(&headers(&[mine])), Ok(()));
        assert_eq!(guard.check(&headers(&[("authorization", "bearer  mine")])), Ok(()));
        for (sent, refused) in [
            (vec![], Refused::KeyMissing),
            (vec![("authorization", "mine")], Refused::KeyMissing),
            (vec![("authorization", "Basic mine")], Refused::KeyMissing),
            (vec![mine, mine], Refused::KeyMissing),
            (vec![("authorization", "Bearer yours")], Refused::KeyUnknown),
            (vec![mine, (SESSION_ID, "1")], Refused::ForeignSession),
        ] {
            assert_eq!(guard.check(&headers(&sent)), Err(refused), "{sent:?}");
        }
    }
}
