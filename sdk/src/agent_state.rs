//! The state that an agent's handles share with its connection task.

use std::sync::{Arc, PoisonError, RwLock};

use protocol::Identity;
use protocol::document::DidDocument;
use tokio::sync::watch;

use crate::config::Config;
use crate::connection_state::ConnectionState;
use crate::contacts::Contacts;
use crate::delivery::acknowledgements::Acknowledgements;
use crate::delivery::queue::InboxQueue;
use crate::error::Error;
use crate::notice::NoticeLog;
use crate::pending_requests::PendingRequests;
use crate::refusal::RefusalLog;
use crate::state_dir::StateDir;

pub(crate) struct AgentState {
    pub(crate) config: Config,
    pub(crate) acknowledgements: Acknowledgements,
    pub(crate) contacts: Contacts,
    pub(crate) queue: InboxQueue,
    pub(crate) pending_requests: PendingRequests,
    pub(crate) notices: NoticeLog,
    pub(crate) refusals: RefusalLog,
    pub(crate) connection: watch::Sender<ConnectionState>,
    registered: RwLock<Registered>,
    _state_dir: Option<StateDir>,
}

/// The keys registered at the relay, and the DID document that lists them.
#[derive(Clone)]
struct Registered {
    identity: Arc<Identity>,
    document: Option<Arc<DidDocument>>,
}

impl AgentState {
    /// # Errors
    /// The keys cannot be loaded, or the state folder cannot be read.
    pub(crate) fn open(config: Config, connection: watch::Sender<ConnectionState>) -> Result<Self, Error> {
        let identity = config.load_identity()?;
        let state_dir = config.state_dir.as_deref().map(StateDir::open).transpose()?;
        Ok(Self {
            acknowledgements: Acknowledgements::open(state_dir.as_ref().map(StateDir::dedup_file))?,
            contacts: Contacts::open(state_dir.as_ref().map(StateDir::pins))?,
            queue: InboxQueue::default(),
            pending_requests: PendingRequests::default(),
            notices: NoticeLog::new(),
            refusals: RefusalLog::new(),
            connection,
            registered: RwLock::new(Registered { identity, document: None }),
            _state_dir: state_dir,
            config,
        })
    }

    /// The keys of the last registration; before the first one, those of the key file.
    pub(crate) fn identity(&self) -> Arc<Identity> {
        Arc::clone(&self.registered.read().unwrap_or_else(PoisonError::into_inner).identity)
    }

    pub(crate) fn document(&self) -> Option<Arc<DidDocument>> {
        self.registered.read().unwrap_or_else(PoisonError::into_inner).document.clone()
    }

    /// Uses these keys from now on, because the relay has accepted their record.
    pub(crate) fn set_registered(&self, identity: Arc<Identity>, document: Arc<DidDocument>) {
        let registered = Registered { identity, document: Some(document) };
        *self.registered.write().unwrap_or_else(PoisonError::into_inner) = registered;
    }

    /// Ends every wait of the application with this error.
    pub(crate) fn end(&self, error: Error) {
        self.queue.end();
        self.pending_requests.end();
        self.connection.send_replace(ConnectionState::Ended(error));
    }
}
