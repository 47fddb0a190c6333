//! Serves an MCP endpoint and its authorization server on one loopback port, correct in all but one
//! thing.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use axum::{Json, Router};
use serde_json::{Value, json};

pub(super) const TOKEN: &str = "sk_test_good";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    None,
    IssuerSlash,
    MissingChallenge,
    MetadataOnOnePathOnly,
    BlockedHost,
    AuthorizationServerDown,
    RelayDown,
    RevokedKey,
    SuspendedTenant,
    ClockSkew,
    WrongAudience,
    OtherResource,
    NullInRegistration,
    KeyOnly,
}

struct Script {
    fault: Fault,
    base: String,
}

pub(super) struct Endpoint {
    pub(super) url: String,
    serving: tokio::task::JoinHandle<()>,
}

impl Endpoint {
    pub(super) async fn with(fault: Fault) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let url = format!("{base}/mcp");
        let router = Router::new().fallback(answer).with_state(Arc::new(Script { fault, base }));
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, serving }
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn answer(State(script): State<Arc<Script>>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let mut answer = match uri.path() {
        "/mcp" => script.endpoint(&headers, &body),
        path if path.starts_with("/.well-known/oauth-protected-resource") => script.resource(path),
        _ if script.fault == Fault::AuthorizationServerDown => StatusCode::BAD_GATEWAY.into_response(),
        "/.well-known/oauth-authorization-server" | "/.well-known/openid-configuration" => script.issuer(),
        "/register" => script.registration(),
        "/authorize" => "sign in".into_response(),
        _ => StatusCode::NOT_FOUND.into_response(),
    };
    if script.fault == Fault::ClockSkew {
        answer.headers_mut().insert(header::DATE, "Mon, 23 Nov 2020 04:00:00 GMT".parse().unwrap());
    }
    answer
}

impl Script {
    fn endpoint(&self, headers: &HeaderMap, body: &[u8]) -> Response {
        if self.fault == Fault::BlockedHost {
            return StatusCode::FORBIDDEN.into_response();
        }
        let Some(token) = headers.get(header::AUTHORIZATION) else { return self.challenge() };
        let reason = match self.fault {
            Fault::RevokedKey => Some("key_unknown"),
            Fault::WrongAudience => Some("token_wrong_audience"),
            _ => None,
        };
        assert_eq!(token, &format!("Bearer {TOKEN}"));
        if let Some(reason) = reason {
            let challenge = [(header::WWW_AUTHENTICATE, r#"Bearer error="invalid_token""#)];
            return (StatusCode::UNAUTHORIZED, challenge, Json(json!({"reason": reason}))).into_response();
        }
        let request: Value = serde_json::from_slice(body).unwrap();
        Json(json!({"jsonrpc": "2.0", "id": request["id"], "result": self.result(&request)})).into_response()
    }

    fn challenge(&self) -> Response {
        let challenge = match self.fault {
            Fault::MissingChallenge => return StatusCode::UNAUTHORIZED.into_response(),
            Fault::KeyOnly => r#"Bearer realm="msg2agent""#.to_owned(),
            _ => format!(
                r#"Bearer resource_metadata="{}/.well-known/oauth-protected-resource/mcp""#,
                self.base
            ),
        };
        (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, challenge)]).into_response()
    }

    fn result(&self, request: &Value) -> Value {
        match request["method"].as_str().unwrap() {
            "server/discover" => json!({"supportedVersions": ["2026-07-28"]}),
            "tools/list" => json!({"tools": [{"name": "list_agents"}, {"name": "send_message"}]}),
            _ => self.call(),
        }
    }

    fn call(&self) -> Value {
        let reason = match self.fault {
            Fault::RelayDown => "relay_unreachable",
            Fault::SuspendedTenant => "suspended",
            _ => return json!({"content": [], "structuredContent": {"agents": []}}),
        };
        let text = json!({"error": {"reason": reason, "message": "no"}}).to_string();
        json!({"isError": true, "content": [{"type": "text", "text": text}]})
    }

    fn resource(&self, path: &str) -> Response {
        if self.fault == Fault::MetadataOnOnePathOnly && !path.ends_with("/mcp") {
            return StatusCode::NOT_FOUND.into_response();
        }
        let name = if self.fault == Fault::OtherResource { "mcp/" } else { "mcp" };
        let resource = format!("{}/{name}", self.base);
        Json(json!({"resource": resource, "authorization_servers": [self.base]})).into_response()
    }

    fn issuer(&self) -> Response {
        let slash = if self.fault == Fault::IssuerSlash { "/" } else { "" };
        let at = |path: &str| format!("{}/{path}", self.base);
        Json(json!({
            "issuer": format!("{}{slash}", self.base),
            "authorization_endpoint": at("authorize"),
            "token_endpoint": at("token"),
            "registration_endpoint": at("register"),
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["none"],
        }))
        .into_response()
    }

    fn registration(&self) -> Response {
        let mut body = json!({"client_id": "c1"});
        if self.fault == Fault::NullInRegistration {
            body["client_uri"] = Value::Null;
        }
        (StatusCode::CREATED, Json(body)).into_response()
    }
}
