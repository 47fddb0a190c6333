//! What the handles of an agent and its connection share.

use std::sync::{Arc, PoisonError, RwLock};

use protocol::Identity;
use protocol::document::DidDocument;
use tokio::sync::watch;

use crate::connection::link::Link;
use crate::contacts::Contacts;
use crate::inbox::InboxQueue;
use crate::inbox::acks::Acks;
use crate::notice::NoticeBoard;
use crate::refusal::RefusalLog;
use crate::state_dir::StateDir;
use crate::waiters::Waiters;
use crate::{Config, Error};

pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) acks: Acks,
    pub(crate) contacts: Contacts,
    pub(crate) queue: InboxQueue,
    pub(crate) waiters: Waiters,
    pub(crate) notices: NoticeBoard,
    pub(crate) refusals: RefusalLog,
    pub(crate) link: watch::Sender<Link>,
    registered: RwLock<Registered>,
    _state: Option<StateDir>,
}

/// The keys others know of, and the document that names them.
#[derive(Clone)]
struct Registered {
    identity: Arc<Identity>,
    document: Option<Arc<DidDocument>>,
}

impl Shared {
    /// # Errors
    /// Keys that cannot be loaded; a state folder that cannot be read.
    pub(crate) fn open(config: Config, link: watch::Sender<Link>) -> Result<Self, Error> {
        let identity = config.load_identity()?;
        let state = config.state_dir.as_deref().map(StateDir::open).transpose()?;
        Ok(Self {
            acks: Acks::open(state.as_ref().map(StateDir::journal))?,
            contacts: Contacts::open(state.as_ref().map(StateDir::pins))?,
            queue: InboxQueue::default(),
            waiters: Waiters::default(),
            notices: NoticeBoard::new(),
            refusals: RefusalLog::new(),
            link,
            registered: RwLock::new(Registered { identity, document: None }),
            _state: state,
            config,
        })
    }

    /// The keys that others know of.
    pub(crate) fn identity(&self) -> Arc<Identity> {
        Arc::clone(&self.registered.read().unwrap_or_else(PoisonError::into_inner).identity)
    }

    pub(crate) fn document(&self) -> Option<Arc<DidDocument>> {
        self.registered.read().unwrap_or_else(PoisonError::into_inner).document.clone()
    }

    /// The relay has taken a record: from now on its keys are the ones to use.
    pub(crate) fn set_registered(&self, identity: Arc<Identity>, document: Arc<DidDocument>) {
        let registered = Registered { identity, document: Some(document) };
        *self.registered.write().unwrap_or_else(PoisonError::into_inner) = registered;
    }

    /// Ends everything that waits.
    pub(crate) fn end(&self, error: Error) {
        self.queue.end();
        self.waiters.end();
        self.link.send_replace(Link::Ended(error));
    }
}
