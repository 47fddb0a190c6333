//! A relay of another release, for tests of version skew: today's program, whose admin API knows no
//! more than that of the release before, or says more than today's operator knows.
//!
//! The variable `RELEASE` is `previous` or `next`.

use std::process::ExitCode;

use anyhow::{Context as _, anyhow, bail};
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::http::{Method, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::{Json, Router};
use daemon::telemetry::{self, Settings};
use daemon::{BuildInfo, Shutdown};
use protocol::Reason;
use protocol::admin::{
    AGENTS_PATH, FORMER_OWNER_HEADER, IF_OWNED_HEADER, OWNER_HEADER, Problem, TERM_HEADER, VERSION_PATH,
};
use relay::cli::Cli;
use relay::startup::Relay;
use serde_json::{Map, Value, json};

/// Bytes of one body. The largest page of the suites has a few agents.
const BODY_BYTES_MAX: usize = 1 << 20;
/// The members that the release before knew of a tenant and of an agent.
const PREVIOUS_TENANT: [&str; 3] = ["displayName", "suspended", "agentsMax"];
const PREVIOUS_AGENT: [&str; 5] = ["rootKey", "card", "suspended", "keys", "mcp"];
/// The members of answers that the release before did not have.
const ADDED_TO_ANSWERS: [&str; 6] =
    ["capabilities", "owner", "digest", "deletionPolicy", "endpoint", "changed"];

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("skewed_relay: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    let provider = rustls::crypto::ring::default_provider();
    provider.install_default().map_err(|_| anyhow!("another TLS provider is already installed"))?;
    let release = std::env::var("RELEASE").context("read RELEASE")?;
    let (version, wrapper) = match release.as_str() {
        "previous" => ("0.0.9", previous as fn(Router) -> Router),
        "next" => ("9.0.0", next as fn(Router) -> Router),
        other => bail!("RELEASE is {other}"),
    };
    let build = BuildInfo { binary: "msg2agent-relay", version };
    let config = Cli::parse_from_args(std::env::args_os())?.load_config()?;
    let (format, filter) = (config.log_format, config.log_filter.clone());
    let serve = async {
        let _telemetry = telemetry::install(&Settings { build, format, filter, otlp_endpoint: None })?;
        let shutdown = Shutdown::on_signals()?;
        Relay::bind(config, build).await?.with_admin_wrapper(wrapper).run(shutdown).await
    };
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(serve)
}

fn previous(api: Router) -> Router {
    api.layer(middleware::from_fn(as_before))
}

fn next(api: Router) -> Router {
    api.layer(middleware::from_fn(as_later))
}

/// Answers as the release before did: headers are ignored that it did not know, requests are
/// refused with anything else that it did not know, and answers lack what was added since.
async fn as_before(mut request: Request, next: Next) -> Response {
    for header in [OWNER_HEADER, FORMER_OWNER_HEADER, IF_OWNED_HEADER, TERM_HEADER] {
        request.headers_mut().remove(header);
    }
    let (head, body) = request.into_parts();
    let Ok(body) = to_bytes(body, BODY_BYTES_MAX).await else { return refusal("a body of that size") };
    if let Some(unknown) = unknown_part(&head.method, head.uri.path(), head.uri.query(), &body) {
        return refusal(&unknown);
    }
    let answer = next.run(Request::from_parts(head, Body::from(body))).await;
    changed(answer, |answer| {
        for_each_object(answer, &mut |members| {
            members.retain(|name, _| !ADDED_TO_ANSWERS.contains(&name.as_str()));
        });
    })
    .await
}

/// Answers as a later release may: with a capability, with members and with a build that no
/// operator of today knows.
async fn as_later(request: Request, next: Next) -> Response {
    let is_version = request.uri().path() == VERSION_PATH;
    changed(next.run(request).await, |answer| {
        for_each_object(answer, &mut |members| {
            members.insert("addedLater".into(), json!({"is": ["of", 1, "shape"]}));
        });
        if is_version && let Some(Value::Array(words)) = answer.get_mut("capabilities") {
            words.push("teleport".into());
        }
    })
    .await
}

/// What the release before did not know of a request.
fn unknown_part(method: &Method, path: &str, query: Option<&str>, body: &Bytes) -> Option<String> {
    if method == Method::PUT && path == AGENTS_PATH {
        return Some(format!("the path {path}"));
    }
    if query.is_some_and(|query| query.contains("policy")) {
        return Some(format!("the query {}", query.unwrap_or_default()));
    }
    let known: &[&str] = match path.split('/').skip(3).collect::<Vec<_>>().as_slice() {
        ["tenants", _] => &PREVIOUS_TENANT,
        ["tenants", _, "agents", _] => &PREVIOUS_AGENT,
        _ => return None,
    };
    let body = serde_json::from_slice(body).unwrap_or(Value::Null);
    let unknown = body.as_object()?.keys().find(|name| !known.contains(&name.as_str()))?;
    Some(format!("the member {unknown}"))
}

/// The test reads the line.
fn refusal(unknown: &str) -> Response {
    tracing::error!("this release does not know {unknown}");
    let problem = Problem::new(Reason::InvalidParams, Some(format!("unknown: {unknown}")));
    let status = axum::http::StatusCode::BAD_REQUEST;
    (status, Json(problem)).into_response()
}

async fn changed(answer: Response, change: impl FnOnce(&mut Value)) -> Response {
    let (mut head, body) = answer.into_parts();
    let bytes = to_bytes(body, BODY_BYTES_MAX).await.unwrap_or_default();
    let Ok(mut value) = serde_json::from_slice(&bytes) else {
        return Response::from_parts(head, Body::from(bytes));
    };
    change(&mut value);
    head.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(head, Body::from(value.to_string()))
}

fn for_each_object(value: &mut Value, change: &mut impl FnMut(&mut Map<String, Value>)) {
    match value {
        Value::Object(members) => {
            for inner in members.values_mut() {
                for_each_object(inner, change);
            }
            change(members);
        }
        Value::Array(items) => {
            for inner in items {
                for_each_object(inner, change);
            }
        }
        _ => {}
    }
}
