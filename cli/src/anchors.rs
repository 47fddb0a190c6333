//! The root keys by which `m2a verify` knows the agents of a proof: those that the user gives,
//! those that a profile has pinned, and those of the DID documents at the agents' domains.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use msg2agent::Did;
use protocol::document::{self, DidDocument};
use protocol::limits::RECORD_BYTES_MAX;
use protocol::{multikey, strict_json};
use reqwest::{Client, StatusCode};
use serde::Serialize;

use crate::connect;
use crate::failure::{ExitKind, Failure};
use crate::relay::admin_client::https_client;

/// How long one DID document may take.
const DOCUMENT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long all DID documents of one proof may take: the file says how many there are.
const DOCUMENTS_TIMEOUT: Duration = Duration::from_secs(60);

#[derive(Args)]
pub(crate) struct AnchorArgs {
    /// The root key of an agent, as its owner or `.status.rootKeyMultibase` of its Agent says it.
    /// Repeat the option for each agent.
    #[arg(long = "root", value_name = "DID=MULTIKEY", value_parser = parse_root)]
    roots: Vec<(Did, String)>,
    /// Use the root keys that the profile has pinned, and its own.
    #[arg(long)]
    pins: bool,
    /// Fetch the DID documents of the agents over https. Whoever controls a domain vouches for its
    /// agents then.
    #[arg(long)]
    online: bool,
    /// File with the certificate authorities of those domains, in PEM, instead of the public ones.
    #[arg(long, value_name = "FILE", requires = "online")]
    ca_file: Option<PathBuf>,
}

/// Where a root key is known from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AnchorSource {
    Given,
    Pinned,
    DidDocument,
}

impl AnchorSource {
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::Given => "the given root key",
            Self::Pinned => "the root key that the profile has pinned",
            Self::DidDocument => "the DID document at its domain",
        }
    }
}

/// Known root keys as Multikeys, each with its source.
#[derive(Debug, Default)]
pub(crate) struct Anchors(BTreeMap<Did, (String, AnchorSource)>);

impl Anchors {
    /// Reads given and pinned root keys, and fetches what is still missing of `needed`.
    pub(crate) async fn collect(
        args: AnchorArgs,
        profile: Option<&str>,
        needed: &[Did],
    ) -> Result<Self, Failure> {
        let mut anchors = Self::default();
        for (did, root) in args.roots {
            anchors.add(did, root, AnchorSource::Given)?;
        }
        if args.pins {
            for (did, root) in connect::config(profile)?.known_root_keys()? {
                anchors.add(did, root, AnchorSource::Pinned)?;
            }
        }
        if args.online {
            let fetched = anchors.fetch(args.ca_file.as_deref(), needed);
            let fetched = tokio::time::timeout(DOCUMENTS_TIMEOUT, fetched).await;
            fetched.unwrap_or_else(|_| Err(documents_late()))?;
        }
        Ok(anchors)
    }

    /// Fetches what is still missing of `needed`.
    async fn fetch(&mut self, ca_file: Option<&Path>, needed: &[Did]) -> Result<(), Failure> {
        let client = https_client(ca_file, DOCUMENT_TIMEOUT)?;
        for did in needed {
            if self.root(did).is_none() {
                let root = fetch_root(&client, did).await?;
                self.add(did.clone(), root, AnchorSource::DidDocument)?;
            }
        }
        Ok(())
    }

    /// The Multikey of an agent's root key.
    pub(crate) fn root(&self, did: &Did) -> Option<&str> {
        self.0.get(did).map(|(root, _)| root.as_str())
    }

    pub(crate) fn source(&self, did: &Did) -> Option<AnchorSource> {
        self.0.get(did).map(|(_, source)| *source)
    }

    fn add(&mut self, did: Did, root: String, source: AnchorSource) -> Result<(), Failure> {
        if self.0.get(&did).is_some_and(|(known, _)| *known != root) {
            let attempt = format!("two different root keys are known for {did}");
            return Err(
                Failure::new(ExitKind::NotVerified, attempt).advising("ask its owner which one is right")
            );
        }
        self.0.entry(did).or_insert((root, source));
        Ok(())
    }
}

fn parse_root(text: &str) -> Result<(Did, String), String> {
    let (did, root) = text.split_once('=').ok_or("write DID=MULTIKEY")?;
    let did = did.parse().map_err(|error| format!("{did:?} is not a DID: {error}"))?;
    multikey::decode_ed25519(root).map_err(|error| format!("{root:?} is not a root key: {error}"))?;
    Ok((did, root.to_owned()))
}

/// The address of an agent's DID document (did:wba).
fn document_url(did: &Did) -> String {
    format!("https://{}{}", did.domain().replace("%3A", ":"), did.document_path())
}

/// Why an answer with this status is no DID document. A server that fails says neither yes nor no.
fn judge(status: StatusCode) -> Option<(ExitKind, &'static str)> {
    let later = status.is_server_error()
        || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT);
    match status {
        StatusCode::OK => None,
        _ if later => Some((ExitKind::TryAgain, "try again, or give the root key with --root DID=MULTIKEY")),
        _ if status.is_redirection() => Some((
            ExitKind::NotVerified,
            "redirects are not followed, because the domain itself must vouch for its agents",
        )),
        _ => Some((ExitKind::NotVerified, "the domain does not vouch for this agent")),
    }
}

fn documents_late() -> Failure {
    let seconds = DOCUMENTS_TIMEOUT.as_secs();
    Failure::new(ExitKind::TryAgain, format!("cannot fetch the DID documents within {seconds} s"))
        .advising("give the root keys with --root DID=MULTIKEY")
}

async fn fetch_root(client: &Client, did: &Did) -> Result<String, Failure> {
    let url = document_url(did);
    let failed = || Failure::new(ExitKind::TryAgain, format!("cannot fetch {url}"));
    let mut response = client.get(&url).send().await.map_err(|e| failed().caused_by(&e.without_url()))?;
    if let Some((exit, advice)) = judge(response.status()) {
        let attempt = format!("{url} answers HTTP {}", response.status().as_u16());
        return Err(Failure::new(exit, attempt).advising(advice));
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|e| failed().caused_by(&e.without_url()))? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > RECORD_BYTES_MAX {
            return Err(Failure::new(ExitKind::NotVerified, format!("{url} is too long for a DID document")));
        }
    }
    let unfit = || Failure::new(ExitKind::NotVerified, format!("{url} is not the DID document of {did}"));
    let found: DidDocument = strict_json::from_slice(&bytes).map_err(|e| unfit().caused_by(&e))?;
    let keys = document::verify(&found, did.as_str()).map_err(|e| unfit().caused_by(&e))?;
    Ok(multikey::encode_ed25519(&keys.root))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp";

    #[test]
    fn a_root_key_is_given_with_its_agent() {
        let (did, root) = parse_root(&format!("did:wba:bank.example:agent:cfo={KEY}")).unwrap();
        assert_eq!((did.as_str(), root.as_str()), ("did:wba:bank.example:agent:cfo", KEY));
        assert!(parse_root(KEY).unwrap_err().contains("DID=MULTIKEY"));
        assert!(parse_root(&format!("bob={KEY}")).unwrap_err().contains("is not a DID"));
        assert!(parse_root("did:wba:bank.example:agent:cfo=z6Mk").unwrap_err().contains("is not a root key"));
    }

    #[test]
    fn sources_that_contradict_each_other_anchor_nothing() {
        let did: Did = "did:wba:bank.example:agent:cfo".parse().unwrap();
        let mut anchors = Anchors::default();
        anchors.add(did.clone(), "a".into(), AnchorSource::Given).unwrap();
        anchors.add(did.clone(), "a".into(), AnchorSource::Pinned).unwrap();
        assert_eq!(anchors.source(&did), Some(AnchorSource::Given));
        let refused = anchors.add(did, "b".into(), AnchorSource::Pinned).unwrap_err();
        assert_eq!(refused.exit, ExitKind::NotVerified);
    }

    #[test]
    fn a_document_is_at_the_domain_of_its_did() {
        let url = |did: &str| document_url(&did.parse().unwrap());
        assert_eq!(
            url("did:wba:bank.example%3A8443:agent:acme:cfo"),
            "https://bank.example:8443/agent/acme/cfo/did.json"
        );
        assert_eq!(url("did:wba:bank.example:agent:cfo"), "https://bank.example/agent/cfo/did.json");
    }
}
