//! Requests to the model API server, parsed from HTTP.

use std::collections::BTreeMap;

use axum::body::{Body, Bytes};
use axum::http::{Method, Request, header};
use tokio::time::Instant;

use super::api_failure::ApiFailure;
use super::model_kind::ModelKind;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ApiVerb {
    Get,
    List,
    Watch,
    Create,
    Replace,
    MergePatch,
    Apply,
    Delete,
}

impl ApiVerb {
    pub(crate) fn is_write(self) -> bool {
        !matches!(self, Self::Get | Self::List | Self::Watch)
    }
}

/// One parsed request.
#[derive(Debug, Clone)]
pub(crate) struct ApiRequest {
    pub(crate) verb: ApiVerb,
    pub(crate) kind: &'static ModelKind,
    /// Empty for all namespaces, and for kinds without namespaces.
    pub(crate) namespace: String,
    /// Empty in lists and watches.
    pub(crate) name: String,
    pub(crate) is_status: bool,
    /// Whether the answer contains metadata only.
    pub(crate) is_partial: bool,
    pub(crate) query: BTreeMap<String, String>,
    pub(crate) body: Bytes,
    pub(crate) sent: Instant,
}

impl ApiRequest {
    pub(crate) async fn parse(request: Request<kube::client::Body>) -> Result<Self, ApiFailure> {
        let sent = Instant::now();
        let (parts, body) = request.into_parts();
        let body = axum::body::to_bytes(Body::new(body), usize::MAX).await.unwrap();
        let query = query(parts.uri.query().unwrap_or_default());
        let place = Place::parse(parts.uri.path())
            .ok_or_else(|| ApiFailure::not_found(format!("there is no {}", parts.uri.path())))?;
        let text = |name: header::HeaderName| {
            parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
        };
        let is_watch = query.get("watch").is_some_and(|value| value == "true");
        let verb = match (&parts.method, place.name.is_empty()) {
            (&Method::GET, true) if is_watch => ApiVerb::Watch,
            (&Method::GET, true) => ApiVerb::List,
            (&Method::GET, false) => ApiVerb::Get,
            (&Method::POST, true) => ApiVerb::Create,
            (&Method::PUT, false) => ApiVerb::Replace,
            (&Method::DELETE, false) => ApiVerb::Delete,
            (&Method::PATCH, false) => match text(header::CONTENT_TYPE) {
                "application/merge-patch+json" => ApiVerb::MergePatch,
                "application/apply-patch+yaml" => ApiVerb::Apply,
                other => {
                    return Err(ApiFailure::bad_request(format!("patches of type {other} are not modelled")));
                }
            },
            (method, _) => return Err(ApiFailure::bad_request(format!("{method} is not modelled here"))),
        };
        let is_partial = text(header::ACCEPT).contains("as=PartialObjectMetadata");
        let Place { kind, namespace, name, is_status } = place;
        Ok(Self { verb, kind, namespace, name, is_status, is_partial, query, body, sent })
    }

    pub(crate) fn parameter(&self, name: &str) -> &str {
        self.query.get(name).map_or("", String::as_str)
    }

    pub(crate) fn json(&self) -> Result<serde_json::Value, ApiFailure> {
        serde_json::from_slice(&self.body).map_err(|error| ApiFailure::bad_request(error.to_string()))
    }

    /// The request in a few words, for messages.
    pub(crate) fn summary(&self) -> String {
        let status = if self.is_status { "/status" } else { "" };
        format!("{:?} {} {}/{}{status}", self.verb, self.kind.plural, self.namespace, self.name)
    }
}

#[derive(Debug)]
struct Place {
    kind: &'static ModelKind,
    namespace: String,
    name: String,
    is_status: bool,
}

impl Place {
    fn parse(path: &str) -> Option<Self> {
        let words: Vec<&str> = path.split('/').filter(|word| !word.is_empty()).collect();
        let (group, rest) = match words.as_slice() {
            ["api", "v1", rest @ ..] => ("", rest),
            ["apis", group, _version, rest @ ..] => (*group, rest),
            _ => return None,
        };
        let (namespace, rest) = match rest {
            ["namespaces", namespace, plural, tail @ ..] if *plural != "status" => {
                (*namespace, [&[*plural], tail].concat())
            }
            _ => ("", rest.to_vec()),
        };
        let (plural, name, is_status) = match rest.as_slice() {
            [plural] => (*plural, "", false),
            [plural, name] => (*plural, *name, false),
            [plural, name, "status"] => (*plural, *name, true),
            _ => return None,
        };
        let kind = ModelKind::find(group, plural)?;
        Some(Self { kind, namespace: namespace.into(), name: name.into(), is_status })
    }
}

fn query(text: &str) -> BTreeMap<String, String> {
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (decode(name), decode(value))).collect()
}

/// Decodes `application/x-www-form-urlencoded`.
fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut decoded, mut at) = (Vec::new(), 0);
    while let Some(byte) = bytes.get(at) {
        let escaped = (*byte == b'%').then(|| std::str::from_utf8(&bytes[at + 1..at + 3]).unwrap());
        decoded.push(match (byte, escaped) {
            (_, Some(digits)) => u8::from_str_radix(digits, 16).unwrap(),
            (b'+', _) => b' ',
            (other, _) => *other,
        });
        at += if escaped.is_some() { 3 } else { 1 };
    }
    String::from_utf8(decoded).unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_core_kinds_named_groups_and_namespaces_themselves_are_told_apart() {
        let place = |path: &str| {
            let found = Place::parse(path).unwrap();
            (found.kind.plural, found.namespace, found.name, found.is_status)
        };
        assert_eq!(place("/api/v1/namespaces/a"), ("namespaces", String::new(), "a".into(), false));
        assert_eq!(place("/api/v1/namespaces/a/secrets"), ("secrets", "a".into(), String::new(), false));
        assert_eq!(place("/apis/apps/v1/deployments"), ("deployments", String::new(), String::new(), false));
        assert_eq!(
            place("/apis/msg2agent.xyz/v1alpha1/namespaces/a/agents/b/status"),
            ("agents", "a".into(), "b".into(), true)
        );
        assert!(Place::parse("/apis/batch/v1/jobs").is_none());
    }

    #[test]
    fn parameters_are_decoded() {
        let found = query("labelSelector=a.b%2Fc%3Dd+e&watch=true");
        assert_eq!(found["labelSelector"], "a.b/c=d e");
        assert_eq!(found["watch"], "true");
    }
}
