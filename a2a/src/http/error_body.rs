//! Writes errors in the forms of JSON-RPC and of HTTP+JSON, which hold the same facts.

use serde_json::{Value, json};

use crate::error::A2aError;

/// The error object of JSON-RPC (specification 9.5).
pub(crate) fn jsonrpc_error(error: &A2aError) -> Value {
    json!({
        "code": error.kind().jsonrpc_code(),
        "message": error.message(),
        "data": details(error),
    })
}

/// The body of HTTP+JSON (specification 11.6).
pub(crate) fn rest_error(error: &A2aError) -> Value {
    let status = error.kind().rpc_status();
    json!({"error": {
        "code": status.http,
        "status": status.name,
        "message": error.message(),
        "details": details(error),
    }})
}

fn details(error: &A2aError) -> Vec<Value> {
    let mut details = vec![json!({
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": error.kind().reason(),
        "domain": error.kind().domain(),
        "metadata": error.metadata(),
    })];
    let violations: Vec<_> = error
        .violations()
        .iter()
        .map(|violation| json!({"field": violation.field, "description": violation.problem}))
        .collect();
    if !violations.is_empty() {
        let kind = "type.googleapis.com/google.rpc.BadRequest";
        details.push(json!({"@type": kind, "fieldViolations": violations}));
    }
    if let Some(wait) = error.wait_before_retry() {
        let kind = "type.googleapis.com/google.rpc.RetryInfo";
        details.push(json!({"@type": kind, "retryDelay": format!("{}s", wait.as_secs().max(1))}));
    }
    details
}
