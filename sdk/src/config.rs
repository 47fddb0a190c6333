//! What an agent needs to know before it connects, and the three places it can come from.
//!
//! A folder ([`Config::from_dir`]), the environment ([`Config::from_env`]), or a profile in the user's configuration folder
//! ([`Config::from_profile`]). [`Config::find`] takes the first of them that is there.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use protocol::record::Card;
use protocol::{Did, Identity};

use crate::{Error, ErrorKind, TokenSource, key_file};

mod directory;
mod endpoint;
mod environment;
mod file;
mod profile;

pub(crate) use endpoint::Ca;
pub use endpoint::Endpoint;
pub use profile::{DEFAULT_PROFILE, profile_folder, profiles};

/// How long [`crate::Agent::connect`] tries, and how long a send waits for the relay's answer: longer than a relay restart.
const PATIENCE: Duration = Duration::from_secs(15);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// Age at which signing and encryption keys are replaced when the key file can be written.
const ROTATE_AFTER: Duration = Duration::from_secs(30 * 24 * 3600);

/// The settings of one agent. Cheap to clone; holds no key in clear except where one was given as a value.
#[derive(Clone)]
pub struct Config {
    pub(crate) endpoint: Endpoint,
    pub(crate) did: Did,
    pub(crate) token: TokenSource,
    pub(crate) keys: KeySource,
    pub(crate) card: Card,
    pub(crate) state_dir: Option<PathBuf>,
    pub(crate) patience: Duration,
    pub(crate) answer_timeout: Duration,
    pub(crate) rotate_after: Option<Duration>,
    pub(crate) awaits_credentials: bool,
}

/// Where the agent's keys are.
#[derive(Clone)]
pub enum KeySource {
    /// A key file; rotated in place when it can be written.
    File(PathBuf),
    /// Keys that somebody else keeps; never rotated here.
    Memory(Arc<Identity>),
}

impl Config {
    #[must_use]
    pub fn new(endpoint: Endpoint, did: Did, token: TokenSource, keys: KeySource) -> Self {
        Self {
            endpoint,
            did,
            token,
            keys,
            card: Card::default(),
            state_dir: None,
            patience: PATIENCE,
            answer_timeout: ANSWER_TIMEOUT,
            rotate_after: Some(ROTATE_AFTER),
            awaits_credentials: false,
        }
    }

    /// The first that is there: `MSG2AGENT_DIR` or `MSG2AGENT_URL` in the environment, else the profile named by
    /// `MSG2AGENT_PROFILE`, else the profile `default`.
    ///
    /// # Errors
    /// [`ErrorKind::Config`], naming the setting.
    pub fn find() -> Result<Self, Error> {
        if environment::present() {
            return Self::from_env();
        }
        let name = environment::text("MSG2AGENT_PROFILE")?;
        Self::from_profile(name.as_deref().unwrap_or(DEFAULT_PROFILE))
    }

    #[must_use]
    pub fn did(&self) -> &Did {
        &self.did
    }

    /// The relay's URL.
    #[must_use]
    pub fn url(&self) -> &str {
        self.endpoint.url()
    }

    /// How the agent presents itself in discovery.
    #[must_use]
    pub fn with_card(mut self, card: Card) -> Self {
        self.card = card;
        self
    }

    #[must_use]
    pub fn card(&self) -> &Card {
        &self.card
    }

    /// A folder for what must outlive the process: which messages were processed, and the root keys of known agents.
    /// Without one, both are kept in memory only.
    #[must_use]
    pub fn with_state_dir(mut self, folder: impl Into<PathBuf>) -> Self {
        self.state_dir = Some(folder.into());
        self
    }

    /// How long connecting goes on trying before it gives up.
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// How long a request to the relay waits for its answer, reconnects included.
    #[must_use]
    pub fn with_answer_timeout(mut self, timeout: Duration) -> Self {
        self.answer_timeout = timeout;
        self
    }

    /// Age at which keys are rotated; `None` never does.
    #[must_use]
    pub fn with_rotation(mut self, after: Option<Duration>) -> Self {
        self.rotate_after = after;
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
        let attempt = format!("the keys are those of {}, not of {}", identity.did(), self.did);
        Err(Error::new(ErrorKind::Config, attempt).advising("give the identity that belongs to this DID"))
    }
}
