//! The settings themselves, and their defaults.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use protocol::record::Card;
use protocol::{Did, Identity, multikey};

#[cfg(feature = "direct")]
use super::direct_settings::DirectSettings;
use super::endpoint::Endpoint;
use super::memory_limits::MemoryLimits;
use crate::clock::Clock;
use crate::contacts::RootKey;
use crate::error::{Error, ErrorKind};
use crate::key_file;
use crate::token::TokenSource;

/// How long [`Agent::connect`](crate::Agent::connect) tries: longer than a relay's restart takes.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// How long a request waits for the relay's answer, reconnects included: two restarts of a relay.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// How long signing and encryption keys are used before they are rotated.
const KEY_TTL: Duration = Duration::from_secs(30 * 24 * 3600);

/// The settings of one agent. Cheap to clone. Holds keys in memory only if they were given as
/// values.
///
/// ```
/// use std::time::Duration;
///
/// use msg2agent::config::Endpoint;
/// use msg2agent::{Config, Did, KeySource, TokenSource};
///
/// let did: Did = "did:wba:relay.example:agent:acme:alice".parse()?;
/// let token = TokenSource::File("/var/run/msg2agent/token".into());
/// let keys = KeySource::File("/var/run/msg2agent/identity.json".into());
/// let config = Config::new(Endpoint::new("wss://relay.example")?, did, token, keys)
///     .with_state_dir("/var/lib/alice")
///     .with_connect_timeout(Duration::from_secs(60));
/// assert_eq!(config.url(), "wss://relay.example/ws");
/// # Ok::<(), msg2agent::Error>(())
/// ```
#[derive(Clone)]
pub struct Config {
    /// `None` for an agent that talks to its peers alone.
    pub(crate) relay: Option<RelayAccess>,
    pub(crate) did: Did,
    pub(crate) keys: KeySource,
    pub(crate) card: Card,
    pub(crate) state_dir: Option<PathBuf>,
    pub(crate) connect_timeout: Duration,
    pub(crate) answer_timeout: Duration,
    pub(crate) key_ttl: Option<Duration>,
    /// Whether refused credentials are tried again during the first connect, because the operator
    /// may still be registering them.
    pub(crate) awaits_credentials: bool,
    /// Whether another process may take the state folder over.
    pub(crate) yields: bool,
    /// Root keys that are known to be right.
    pub(crate) anchors: HashMap<Did, RootKey>,
    /// Whether the relay's administrator may replace the pinned root key of another agent.
    pub(crate) accepts_announced_root_keys: bool,
    pub(crate) memory_limits: MemoryLimits,
    pub(crate) clock: Clock,
    /// Whether, and how, the agent talks to others without the relay.
    #[cfg(feature = "direct")]
    pub(crate) direct: Option<DirectSettings>,
}

/// The relay and the API key for it.
#[derive(Clone)]
pub(crate) struct RelayAccess {
    pub(crate) endpoint: Endpoint,
    pub(crate) token: TokenSource,
}

/// Where the agent's keys are stored.
#[derive(Clone)]
pub enum KeySource {
    /// A key file. The agent rotates its keys in place if the file is writable.
    File(PathBuf),
    /// Keys that the application stores. The agent never rotates them.
    Memory(Arc<Identity>),
}

impl Config {
    /// Settings from values. The rest has defaults.
    #[must_use]
    pub fn new(endpoint: Endpoint, did: Did, token: TokenSource, keys: KeySource) -> Self {
        Self::with(Some(RelayAccess { endpoint, token }), did, keys)
    }

    /// The settings of an agent without a relay, which talks to the peers of its direct settings
    /// alone.
    #[cfg(feature = "direct")]
    #[must_use]
    pub fn without_relay(did: Did, keys: KeySource, direct: DirectSettings) -> Self {
        Self::with(None, did, keys).with_direct(direct)
    }

    fn with(relay: Option<RelayAccess>, did: Did, keys: KeySource) -> Self {
        Self {
            relay,
            did,
            keys,
            card: Card::default(),
            state_dir: None,
            connect_timeout: CONNECT_TIMEOUT,
            answer_timeout: ANSWER_TIMEOUT,
            key_ttl: Some(KEY_TTL),
            awaits_credentials: false,
            yields: false,
            anchors: HashMap::new(),
            accepts_announced_root_keys: false,
            memory_limits: MemoryLimits::default(),
            clock: Clock::system(),
            #[cfg(feature = "direct")]
            direct: None,
        }
    }

    /// Lets the agent talk to others without the relay. The root keys of the listed peers count as
    /// [anchors](Self::with_anchor).
    #[cfg(feature = "direct")]
    #[must_use]
    pub fn with_direct(mut self, direct: DirectSettings) -> Self {
        self.anchors.extend(direct.peers.iter().map(|(did, peer)| (did.clone(), peer.root)));
        self.direct = Some(direct);
        self
    }

    /// Lets the agent dial others, unless its settings say so already.
    #[cfg(feature = "direct")]
    #[must_use]
    pub fn dialling_directly(mut self) -> Self {
        self.direct.get_or_insert_default();
        self
    }

    /// Lets the agent listen at this address, with the rest of its direct settings as they are.
    #[cfg(feature = "direct")]
    #[must_use]
    pub fn listening_directly(mut self, address: std::net::SocketAddr) -> Self {
        self.direct.get_or_insert_default().listen = Some(address);
        self
    }

    /// Whether the agent is one of the listed peers, which need no relay.
    #[cfg(feature = "direct")]
    #[must_use]
    pub fn is_direct_peer(&self, did: &Did) -> bool {
        self.direct.as_ref().is_some_and(|direct| direct.peers.contains_key(did))
    }

    /// Whether the agent starts although its relay cannot be reached: it has peers that it can talk
    /// to without it.
    pub(crate) fn may_start_without_relay(&self) -> bool {
        #[cfg(feature = "direct")]
        return self.relay.is_none() || self.direct.as_ref().is_some_and(|direct| !direct.peers.is_empty());
        #[cfg(not(feature = "direct"))]
        false
    }

    /// The agent's DID.
    #[must_use]
    pub fn did(&self) -> &Did {
        &self.did
    }

    /// The relay's URL; empty for an agent without a relay.
    #[must_use]
    pub fn url(&self) -> &str {
        self.relay.as_ref().map_or("", |relay| relay.endpoint.url())
    }

    /// Sets the card that other agents see in discovery.
    #[must_use]
    pub fn with_card(mut self, card: Card) -> Self {
        self.card = card;
        self
    }

    #[must_use]
    pub fn card(&self) -> &Card {
        &self.card
    }

    /// Sets the folder for the state that outlives the process: the ids of processed messages and
    /// the pinned root keys of other agents. Without one, both are in memory only. One process at a
    /// time can use a folder.
    #[must_use]
    pub fn with_state_dir(mut self, folder: impl Into<PathBuf>) -> Self {
        self.state_dir = Some(folder.into());
        self
    }

    #[must_use]
    pub fn state_dir(&self) -> Option<&Path> {
        self.state_dir.as_deref()
    }

    /// Sets how long [`Agent::connect`](crate::Agent::connect) tries before it fails. The default
    /// is 15 s, for a folder ([`from_dir`](Self::from_dir)) 60 s, for a profile 5 s.
    #[must_use]
    pub fn with_connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Sets how long a request waits for the relay's answer, reconnects included. The default is 30
    /// s.
    #[must_use]
    pub fn with_answer_timeout(mut self, timeout: Duration) -> Self {
        self.answer_timeout = timeout;
        self
    }

    /// Sets the age at which signing and encryption keys are rotated; `None` never rotates them.
    /// The default is 30 days.
    #[must_use]
    pub fn with_key_ttl(mut self, ttl: Option<Duration>) -> Self {
        self.key_ttl = ttl;
        self
    }

    /// Lets another process of this machine take the state folder over: this agent then ends with
    /// [`ErrorKind::Replaced`](crate::ErrorKind::Replaced). Without it, the other process fails and
    /// says who has the folder.
    #[must_use]
    pub fn yielding(mut self) -> Self {
        self.yields = true;
        self
    }

    /// Sets the root key (a Multikey) of another agent, which somebody has verified. It counts more
    /// than what the relay says at the first contact.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if it is not the Multikey of an Ed25519 key.
    pub fn with_anchor(mut self, did: Did, root_key: &str) -> Result<Self, Error> {
        let root = multikey::decode_ed25519(root_key).map_err(|e| {
            Error::new(ErrorKind::Config, format!("cannot use the root key of {did}")).caused_by(e)
        })?;
        self.anchors.insert(did, *root.as_bytes());
        Ok(self)
    }

    /// Trusts the administrator of the relay to replace the root keys of other agents: a new one is
    /// accepted if the relay announces that it replaces the pinned one. Without it, the relay and
    /// who runs it cannot put another agent in the place of a known one, and a person accepts the
    /// new key with `m2a agents --forget`. An anchor is never replaced.
    #[must_use]
    pub fn accepting_announced_root_keys(mut self) -> Self {
        self.accepts_announced_root_keys = true;
        self
    }

    /// Sets how much the agent keeps in memory. Limits that are too low for one agent count as the
    /// lowest that it needs.
    #[must_use]
    pub fn with_memory_limits(mut self, limits: MemoryLimits) -> Self {
        self.memory_limits = limits.at_least_needed();
        self
    }

    /// Sets the clock of the agent, for example in a test. The default is that of this machine.
    #[must_use]
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    pub(crate) fn load_identity(&self) -> Result<Arc<Identity>, Error> {
        let identity = match &self.keys {
            KeySource::Memory(identity) => Arc::clone(identity),
            KeySource::File(path) => Arc::new(key_file::load(path).map_err(|e| {
                Error::new(ErrorKind::KeyFile, "cannot load the agent's keys")
                    .caused_by(e)
                    .advising("check the path and mode of the key file, or make one with `m2a init`")
            })?),
        };
        if identity.did() == &self.did {
            return Ok(identity);
        }
        let attempt = format!("the key file belongs to {}, not to {}", identity.did(), self.did);
        Err(Error::new(ErrorKind::Config, attempt).advising("use the key file that belongs to this DID"))
    }
}
