//! Writes the responses of both bindings.

use axum::http::header::{ACCEPT, ALLOW, CONNECTION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde_json::Value;

use super::body::A2A_JSON;
use super::error_body::rest_error;
use super::jsonrpc;
use crate::error::{A2aError, ErrorKind};

const JSON: &str = "application/json";

/// A result of HTTP+JSON.
pub(super) fn rest_success(value: &Value) -> Response {
    ([(CONTENT_TYPE, A2A_JSON)], value.to_string()).into_response()
}

/// An error of HTTP+JSON. Its body is a `google.rpc.Status`; it is called A2A's JSON only to
/// clients that name that type, since others look for plain JSON there.
pub(super) fn rest_failure(headers: &HeaderMap, error: &A2aError) -> Response {
    let names_it = |value: &HeaderValue| value.to_str().is_ok_and(|value| value.contains(A2A_JSON));
    let is_named = headers.get_all(ACCEPT).iter().chain(headers.get_all(CONTENT_TYPE).iter()).any(names_it);
    let media_type = if is_named { A2A_JSON } else { JSON };
    let body = rest_error(error).to_string();
    let status = StatusCode::from_u16(error.kind().rpc_status().http).unwrap_or_default();
    with_facts((status, [(CONTENT_TYPE, media_type)], body).into_response(), error)
}

/// A result of JSON-RPC.
pub(super) fn rpc_success(id: &Value, result: Value) -> Response {
    ([(CONTENT_TYPE, JSON)], jsonrpc::success(id, result).to_string()).into_response()
}

/// An error of JSON-RPC. What JSON-RPC and A2A have no code for shows in the status of HTTP too.
pub(super) fn rpc_failure(id: &Value, error: &A2aError) -> Response {
    let kind = error.kind();
    let status = if kind.is_ours() { kind.rpc_status().http } else { 200 };
    let status = StatusCode::from_u16(status).unwrap_or_default();
    let body = jsonrpc::failure(id, error).to_string();
    with_facts((status, [(CONTENT_TYPE, JSON)], body).into_response(), error)
}

/// Adds how a caller can authenticate.
pub(super) fn with_challenge(mut response: Response, challenge: Option<&str>) -> Response {
    if let Some(challenge) = challenge.and_then(|text| HeaderValue::from_str(text).ok()) {
        response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    }
    response
}

/// Says that the connection is closed, since the body of the request was not read.
pub(super) fn closing(mut response: Response) -> Response {
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

fn with_facts(mut response: Response, error: &A2aError) -> Response {
    let headers = response.headers_mut();
    if let Some(wait) = error.wait_before_retry() {
        headers.insert(RETRY_AFTER, wait.as_secs().max(1).into());
    }
    let allow = error.metadata().get("allow").and_then(|allow| HeaderValue::from_str(allow).ok());
    if let (ErrorKind::HttpMethodNotAllowed, Some(allow)) = (error.kind(), allow) {
        headers.insert(ALLOW, allow);
    }
    response
}
