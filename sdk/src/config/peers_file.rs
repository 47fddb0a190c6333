//! The list of agents that can be reached without a relay: `peers.json` in the folder of the
//! settings.

use std::path::Path;

use protocol::direct::{DIRECT_ENDPOINTS_MAX, DirectEndpoint};
use protocol::{Did, strict_json};
use serde::Deserialize;

use super::setting_file::read;
use crate::error::{Error, ErrorKind};

/// The name of the file.
pub(super) const PEERS_FILE: &str = "peers.json";
/// Peers of one file: a laptop's colleagues. More agents than that need a relay.
const PEERS_MAX: usize = 1024;

/// An agent that can be reached without a relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectPeer {
    pub did: Did,
    /// Its root key as a Multikey.
    pub root_key: String,
    /// Where it listens. A peer without an address may dial this agent.
    pub endpoints: Vec<DirectEndpoint>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PeersFile {
    peers: Vec<ListedPeer>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct ListedPeer {
    did: Did,
    root_key: String,
    #[serde(default)]
    endpoints: Vec<String>,
}

pub(super) fn read_peers(path: &Path) -> Result<Vec<DirectPeer>, Error> {
    let failed =
        || Error::new(ErrorKind::Config, format!("cannot use the list of peers in {}", path.display()));
    let text = read(path)?.ok_or_else(|| failed().caused_by("it does not exist"))?;
    let file: PeersFile = strict_json::from_str(&text).map_err(|e| failed().caused_by(e))?;
    if file.peers.len() > PEERS_MAX {
        return Err(failed().caused_by(format!("it lists more than {PEERS_MAX} peers")));
    }
    file.peers.into_iter().map(|peer| listed(peer).map_err(|cause| failed().caused_by(cause))).collect()
}

fn listed(peer: ListedPeer) -> Result<DirectPeer, String> {
    let ListedPeer { did, root_key, endpoints } = peer;
    if endpoints.len() > DIRECT_ENDPOINTS_MAX {
        return Err(format!("{did} has more than {DIRECT_ENDPOINTS_MAX} addresses"));
    }
    let parsed: Result<Vec<DirectEndpoint>, _> = endpoints.iter().map(|text| text.parse()).collect();
    let endpoints = parsed.map_err(|error| format!("an address of {did}: {error}"))?;
    Ok(DirectPeer { did, root_key, endpoints })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> Result<Vec<DirectPeer>, Error> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(PEERS_FILE);
        std::fs::write(&path, text).unwrap();
        read_peers(&path)
    }

    #[test]
    fn peers_are_read_with_their_keys_and_addresses() {
        let text = r#"{"peers":[{"did":"did:wba:localhost:agent:bob","rootKey":"z6Mk",
            "endpoints":["tls://192.0.2.7:7443"]},{"did":"did:wba:localhost:agent:eve","rootKey":"z6Mk"}]}"#;
        let peers = read_text(text).unwrap();
        assert_eq!(peers[0].endpoints, ["tls://192.0.2.7:7443".parse().unwrap()]);
        assert!(peers[1].endpoints.is_empty());
    }

    #[test]
    fn a_file_that_says_something_else_is_refused_by_what_it_says() {
        let wildcard =
            r#"{"peers":[{"did":"did:wba:localhost:agent:bob","rootKey":"z","endpoints":["tls://[::]:1"]}]}"#;
        assert!(read_text(wildcard).unwrap_err().chain().contains("unspecified"));
        let unknown = r#"{"peers":[{"did":"did:wba:localhost:agent:bob","rootKey":"z","colour":1}]}"#;
        assert!(read_text(unknown).unwrap_err().chain().contains("colour"));
    }
}
