//! Serves DID documents at the paths of did:wba, byte for byte as registered. They are public: a
//! document contains keys and addresses, never the card.

use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use protocol::did::Domain;
use protocol::{Did, Reason};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::PublicState;
use crate::problem::ProblemResponse;

/// Keys may rotate at any time, so a document is cached for a minute only.
const CACHE: &str = "public, max-age=60";
const CONTENT_TYPE: &str = "application/did+json";

pub(super) async fn domain(State(public): State<PublicState>) -> Response {
    document(public.domain_document.to_string())
}

pub(super) async fn agent(
    State(public): State<PublicState>,
    Path(path): Path<String>,
) -> Result<Response, ProblemResponse> {
    let path = DocumentPath::parse(public.directory.domain(), &path).ok_or(Reason::NotFound)?;
    let agent = public.directory.live_agent(&path.did).ok_or(Reason::NotFound)?;
    let record = agent.record.as_deref().ok_or(Reason::NotFound)?;
    Ok(document(path.select(record).ok_or(Reason::NotFound)?))
}

fn document(json: String) -> Response {
    let headers = [
        (header::CONTENT_TYPE, CONTENT_TYPE),
        (header::CACHE_CONTROL, CACHE),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    ];
    (headers, json).into_response()
}

/// The document that a path refers to.
#[derive(Debug, PartialEq, Eq)]
struct DocumentPath {
    did: Did,
    /// The `e1_…` segment of the self-certifying alias.
    alias: Option<String>,
}

/// The two documents of a record, unparsed.
#[derive(Deserialize)]
struct Documents<'a> {
    #[serde(borrow)]
    document: &'a RawValue,
    #[serde(borrow, rename = "selfCertifying")]
    self_certifying: &'a RawValue,
}

#[derive(Deserialize)]
struct Identified<'a> {
    id: &'a str,
}

impl DocumentPath {
    /// `path` is what follows `/agent/`: `[<tenant>/]<name>/[e1_…/]did.json`.
    fn parse(domain: &Domain, path: &str) -> Option<Self> {
        let segments: Vec<_> = path.strip_suffix("/did.json")?.split('/').collect();
        let (names, alias) = match segments.as_slice() {
            [names @ .., last] if last.starts_with("e1_") => (names, Some((*last).to_owned())),
            names => (names, None),
        };
        let did: Did = format!("{}:agent:{}", domain.did(), names.join(":")).parse().ok()?;
        // One path per document: a `:` inside a segment would be a second spelling.
        let spelled = did.document_path() == format!("/agent/{}/did.json", names.join("/"));
        spelled.then_some(Self { did, alias })
    }

    fn select(&self, record: &[u8]) -> Option<String> {
        let documents: Documents<'_> = serde_json::from_slice(record).ok()?;
        let Some(alias) = &self.alias else { return Some(documents.document.get().to_owned()) };
        let text = documents.self_certifying.get();
        let found: Identified<'_> = serde_json::from_str(text).ok()?;
        (found.id == format!("{}:{alias}", self.did)).then(|| text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_agents_and_their_aliases() {
        let domain: Domain = "example.com%3A8443".parse().unwrap();
        let parse = |path| DocumentPath::parse(&domain, path).map(|a| (a.did.to_string(), a.alias));
        let alice = "did:wba:example.com%3A8443:agent:acme:alice".to_owned();
        assert_eq!(parse("acme/alice/did.json"), Some((alice.clone(), None)));
        assert_eq!(parse("acme/alice/e1_x/did.json"), Some((alice, Some("e1_x".into()))));
        let bob = "did:wba:example.com%3A8443:agent:bob".to_owned();
        assert_eq!(parse("bob/e1_x/did.json"), Some((bob.clone(), Some("e1_x".into()))));
        assert_eq!(parse("bob/did.json"), Some((bob, None)));
        for path in
            ["did.json", "e1_x/did.json", "bob", "default/bob/did.json", "a/b/c/did.json", "a:b/did.json"]
        {
            assert_eq!(parse(path), None, "{path}");
        }
    }

    #[test]
    fn another_alias_than_the_registered_one_is_not_found() {
        let did: Did = "did:wba:example.com:agent:bob".parse().unwrap();
        let record = br#"{"document":{"id":"x"},"selfCertifying":{"id":"did:wba:example.com:agent:bob:e1_y"},"card":{}}"#;
        let select = |alias: Option<&str>| {
            DocumentPath { did: did.clone(), alias: alias.map(str::to_owned) }.select(record)
        };
        assert_eq!(select(None).as_deref(), Some(r#"{"id":"x"}"#));
        assert!(select(Some("e1_y")).is_some());
        assert_eq!(select(Some("e1_z")), None);
    }
}
