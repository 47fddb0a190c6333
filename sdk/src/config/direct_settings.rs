//! The settings of direct connections: whether the agent listens, what it tells others of that, and
//! which peers it knows without a relay.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;

use protocol::direct::{DIRECT_ENDPOINTS_MAX, DirectEndpoint, DirectEndpointError};
use protocol::{Did, multikey};

use super::peers_file::{DirectPeer, PEERS_FILE, read_peers};
use super::setting_file::read;
use super::variables::text;
use crate::contacts::RootKey;
use crate::error::{Error, ErrorKind};

/// How an agent talks to others without the relay. The default dials the addresses of others and
/// does not listen.
///
/// ```
/// use msg2agent::config::DirectSettings;
///
/// let settings = DirectSettings::default()
///     .listening_on("[::]:7443".parse()?)
///     .advertising(vec!["tls://192.0.2.7:7443".parse()?])?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct DirectSettings {
    pub(crate) listen: Option<SocketAddr>,
    /// What the record lists. Filled in when the agent listens, unless it is set.
    pub(crate) endpoints: Vec<DirectEndpoint>,
    pub(crate) peers: HashMap<Did, KnownPeer>,
}

/// A peer with its decoded root key.
#[derive(Debug, Clone)]
pub(crate) struct KnownPeer {
    pub(crate) root: RootKey,
    pub(crate) endpoints: Vec<DirectEndpoint>,
}

impl DirectSettings {
    /// Listens at this address. Port 0 takes a free one.
    #[must_use]
    pub fn listening_on(mut self, address: SocketAddr) -> Self {
        self.listen = Some(address);
        self
    }

    /// Sets the addresses that the record lists. Without them it lists the address that the agent
    /// listens at, or the one from which this machine reaches the relay if that is a wildcard.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for more than 4 addresses.
    pub fn advertising(mut self, endpoints: Vec<DirectEndpoint>) -> Result<Self, Error> {
        if endpoints.len() > DIRECT_ENDPOINTS_MAX {
            return Err(unusable("MSG2AGENT_DIRECT_ADVERTISE").caused_by(DirectEndpointError::TooMany));
        }
        self.endpoints = endpoints;
        Ok(self)
    }

    /// Adds agents that can be reached without a relay.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for a root key that is no Multikey of an Ed25519 key.
    pub fn with_peers(mut self, peers: impl IntoIterator<Item = DirectPeer>) -> Result<Self, Error> {
        for DirectPeer { did, root_key, endpoints } in peers {
            let root = multikey::decode_ed25519(&root_key).map_err(|e| {
                Error::new(ErrorKind::Config, format!("cannot use the root key of {did}")).caused_by(e)
            })?;
            self.peers.insert(did, KnownPeer { root: *root.as_bytes(), endpoints });
        }
        Ok(self)
    }

    /// Adds the agents of a file, see `docs/direct.md`.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if it cannot be read, or lists more than 1,024 peers.
    pub fn with_peers_file(self, path: impl AsRef<Path>) -> Result<Self, Error> {
        self.with_peers(read_peers(path.as_ref())?)
    }

    /// What the variables `MSG2AGENT_DIRECT` and `MSG2AGENT_DIRECT_ADVERTISE` say, and for what
    /// they leave out the files `direct` and `direct-advertise` of the folder, with its list of
    /// peers. `None` if direct connections are off.
    pub(super) fn from_variables(folder: Option<&Path>) -> Result<Option<Self>, Error> {
        let setting = |variable: &str, file: &str| -> Result<Option<String>, Error> {
            match (text(variable)?, folder) {
                (Some(text), _) => Ok(Some(text)),
                (None, Some(folder)) => Ok(read(&folder.join(file))?.map(|text| text.trim().to_owned())),
                (None, None) => Ok(None),
            }
        };
        let peers = folder.map(|folder| folder.join(PEERS_FILE)).filter(|path| path.exists());
        let mut settings = match setting("MSG2AGENT_DIRECT", "direct")?.as_deref() {
            None if peers.is_some() => Self::default(),
            None | Some("off" | "") => return Ok(None),
            Some("dial") => Self::default(),
            Some(address) => {
                let address = address.parse().map_err(|e: std::net::AddrParseError| {
                    unusable("MSG2AGENT_DIRECT")
                        .caused_by(e)
                        .advising("give an address to listen at, such as [::]:7443, or `dial`, or `off`")
                })?;
                Self::default().listening_on(address)
            }
        };
        if let Some(endpoints) = setting("MSG2AGENT_DIRECT_ADVERTISE", "direct-advertise")? {
            let endpoints = endpoints.split_whitespace().map(str::parse).collect::<Result<_, _>>();
            let failed = |e: DirectEndpointError| unusable("MSG2AGENT_DIRECT_ADVERTISE").caused_by(e);
            settings = settings.advertising(endpoints.map_err(failed)?)?;
        }
        match peers {
            Some(path) => settings.with_peers_file(path).map(Some),
            None => Ok(Some(settings)),
        }
    }
}

fn unusable(setting: &str) -> Error {
    Error::new(ErrorKind::Config, format!("cannot use {setting}"))
}
