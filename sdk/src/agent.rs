//! The agent: a handle that is cheap to clone, over one connection that lives until the last handle is dropped or closed.

use std::collections::BTreeMap;
use std::sync::Arc;

use protocol::Did;
use protocol::envelope::MessageId;
use protocol::frame::Outcome;
use protocol::multikey;
use tokio::sync::{mpsc, watch};

use crate::call::{COMMANDS_MAX, Caller, Command};
use crate::connection::{self, Link};
use crate::shared::Shared;
use crate::{Config, Error, ErrorKind, Inbox, Notices, RefusalReason, Refusals};

mod find;
mod prove;
mod send;

pub use find::Contact;
pub use send::{Asked, Exchange, SendOptions};

/// An agent with its connection. Clones share everything.
#[derive(Clone)]
pub struct Agent {
    caller: Caller,
    shared: Arc<Shared>,
}

/// Who this agent is, and how it is connected.
#[derive(Debug, Clone)]
pub struct Whoami {
    pub did: Did,
    /// The relay's URL.
    pub relay: String,
    /// Multikey.
    pub root_key: String,
    /// Key ids in use.
    pub signing: Option<String>,
    pub encryption: Option<String>,
    pub link: Link,
}

impl Agent {
    /// Connects and registers. From then on the connection is kept: it is made again, with growing random delays, whenever
    /// it breaks.
    ///
    /// # Errors
    /// Settings or keys that cannot be used; a relay that cannot be reached, or refuses, for longer than the settings' patience.
    pub async fn connect(config: Config) -> Result<Self, Error> {
        let (link, mut progress) = watch::channel(Link::Connecting { attempt: 0, last_error: None });
        let shared = Arc::new(Shared::open(config, link)?);
        let (commands, received) = mpsc::channel(COMMANDS_MAX);
        let caller = Caller::new(commands, shared.config.answer_timeout);
        connection::spawn(Arc::clone(&shared), received, caller.downgrade())?;
        let settled = progress.wait_for(|link| !matches!(link, Link::Connecting { .. })).await;
        match settled.map(|link| link.clone()) {
            Ok(Link::Ended(error)) => Err(error),
            Ok(_) => Ok(Self { caller, shared }),
            Err(_) => Err(Error::new(ErrorKind::Closed, "the agent ended while connecting")),
        }
    }

    #[must_use]
    pub fn did(&self) -> &Did {
        &self.shared.config.did
    }

    #[must_use]
    pub fn whoami(&self) -> Whoami {
        let identity = self.shared.identity();
        Whoami {
            did: self.did().clone(),
            relay: self.shared.config.url().to_owned(),
            root_key: multikey::encode_ed25519(&identity.root_public()),
            signing: identity.current_signing().map(|key| key.kid.to_string()),
            encryption: identity.encryption().last().map(|key| key.kid.to_string()),
            link: self.link(),
        }
    }

    /// How the connection is now.
    #[must_use]
    pub fn link(&self) -> Link {
        self.shared.link.borrow().clone()
    }

    /// Follows the connection, for readiness probes.
    #[must_use]
    pub fn watch_link(&self) -> watch::Receiver<Link> {
        self.shared.link.subscribe()
    }

    /// Messages for the application. Nothing is acknowledged by being taken.
    #[must_use]
    pub fn inbox(&self) -> Inbox {
        Inbox::new(self.clone())
    }

    /// What becomes of messages that were answered `stored`, from now on.
    #[must_use]
    pub fn notices(&self) -> Notices {
        self.shared.notices.subscribe()
    }

    /// The fate of a message that was answered `stored`, when a notice of it came since this agent connected.
    #[must_use]
    pub fn outcome(&self, id: &MessageId) -> Option<Outcome> {
        self.shared.notices.outcome(id)
    }

    /// Messages that were not let in, from now on.
    #[must_use]
    pub fn refusals(&self) -> Refusals {
        self.shared.refusals.subscribe()
    }

    /// How many messages were refused since the start, by reason; every reason is listed.
    #[must_use]
    pub fn refusal_counts(&self) -> BTreeMap<RefusalReason, u64> {
        self.shared.refusals.counts()
    }

    /// Makes new signing and encryption keys, keeps them in the key file, and registers them. Messages to the old
    /// encryption key stay readable for 7 days. Needs a key file that can be written.
    ///
    /// # Errors
    /// [`ErrorKind::KeyFile`]; the old keys then stay in use.
    pub async fn rotate(&self) -> Result<(), Error> {
        connection::rotation::rotate(&self.shared.config)?;
        self.caller.tell(Command::Reregister).await;
        Ok(())
    }

    /// Forgets the root key of an agent, so that another one is accepted at next sight. Says whether it was known.
    ///
    /// # Errors
    /// [`ErrorKind::State`] when the state folder cannot be written.
    pub fn forget(&self, did: &Did) -> Result<bool, Error> {
        self.shared.contacts.forget(did)
    }

    /// Sends what is due and ends the connection. Later calls on any clone fail with [`ErrorKind::Closed`].
    pub async fn close(&self) {
        let mut progress = self.shared.link.subscribe();
        self.caller.tell(Command::Close).await;
        // The sender of this watch lives in `shared`, which we hold: waiting cannot fail.
        let _ = progress.wait_for(|link| matches!(link, Link::Ended(_))).await;
    }

    /// Waits until the agent has ended by itself, and says why.
    pub async fn ended(&self) -> Error {
        let mut progress = self.shared.link.subscribe();
        match progress.wait_for(|link| matches!(link, Link::Ended(_))).await.map(|link| link.clone()) {
            Ok(Link::Ended(error)) => error,
            _ => Error::new(ErrorKind::Closed, "the agent is closed"),
        }
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }
}
