//! The handle of an agent: connecting, closing, and what it reports.

use std::collections::BTreeMap;
use std::sync::Arc;

use protocol::Did;
#[cfg(feature = "direct")]
use protocol::direct::{DirectEndpoint, DirectRefusal};
use protocol::envelope::MessageId;
use protocol::frame::Outcome;
use protocol::multikey;
use tokio::sync::{mpsc, watch};

use crate::agent_state::AgentState;
use crate::config::Config;
use crate::connection;
use crate::connection_state::ConnectionState;
#[cfg(feature = "direct")]
use crate::direct::{self, DirectPaths};
use crate::error::{Error, ErrorKind};
use crate::inbox::Inbox;
use crate::notice::Notices;
use crate::refusal::{DiscardReason, Refusals};
use crate::rpc::{COMMANDS_MAX, Command, RpcClient};
use crate::sender::Sender;
use crate::state_dir::StateDir;

/// An agent with its connection. Clones share both.
///
/// The program `sdk/examples/connect_and_send.rs` connects and sends.
#[derive(Clone)]
pub struct Agent {
    pub(super) sender: Sender,
}

/// The agent's identity and connection at one moment.
#[derive(Debug, Clone)]
pub struct Whoami {
    pub did: Did,
    /// The relay's URL.
    pub relay: String,
    /// The root key as a Multikey.
    pub root_key: String,
    /// The id of the key that signs new messages.
    pub signing_key_id: Option<String>,
    /// The id of the newest key to which others encrypt.
    pub encryption_key_id: Option<String>,
    pub connection: ConnectionState,
}

impl Agent {
    /// Connects to the relay and registers the agent. From then on the agent reconnects by itself,
    /// with exponential backoff, whenever the connection breaks.
    ///
    /// # Errors
    /// Settings or keys cannot be used, or connecting did not succeed within the settings'
    /// [connect timeout](Config::with_connect_timeout).
    ///
    /// # Examples
    /// ```no_run
    /// # async fn example() -> Result<(), msg2agent::Error> {
    /// use msg2agent::{Agent, Config};
    ///
    /// let agent = Agent::connect(Config::from_dir("/var/run/msg2agent")?).await?;
    /// assert!(agent.connection_state().is_online());
    /// # Ok(()) }
    /// ```
    pub async fn connect(config: Config) -> Result<Self, Error> {
        #[cfg(feature = "direct")]
        let mut config = config;
        #[cfg(feature = "direct")]
        let listener = direct::bind(&mut config).await?;
        let (connection, mut progress) =
            watch::channel(ConnectionState::Connecting { attempt: 0, last_error: None });
        let state_dir = match config.state_dir.as_deref() {
            Some(folder) => Some(StateDir::lock(folder, config.yields).await?),
            None => None,
        };
        let state = Arc::new(AgentState::open(config, connection, state_dir.as_ref())?);
        let (commands, received) = mpsc::channel(COMMANDS_MAX);
        let rpc =
            RpcClient::new(commands, state.config.answer_timeout, state.config.memory_limits.request_kib);
        connection::spawn(Arc::clone(&state), received, rpc.downgrade(), state_dir)?;
        #[cfg(feature = "direct")]
        let sender = {
            let is_on = state.config.direct.is_some();
            let paths = is_on.then(|| DirectPaths::start(&state, rpc.downgrade(), listener));
            Sender::new(rpc, Arc::clone(&state), paths)
        };
        #[cfg(not(feature = "direct"))]
        let sender = Sender::new(rpc, Arc::clone(&state));
        if state.config.may_start_without_relay() {
            #[cfg(feature = "direct")]
            state.signed().await?;
            return Ok(Self { sender });
        }
        let settled = progress.wait_for(|now| !matches!(now, ConnectionState::Connecting { .. })).await;
        match settled.map(|now| now.clone()) {
            Ok(ConnectionState::Ended(error)) => Err(error),
            Ok(_) => Ok(Self { sender }),
            Err(_) => Err(Error::new(ErrorKind::Closed, "the agent ended while connecting")),
        }
    }

    /// This agent's DID.
    #[must_use]
    pub fn did(&self) -> &Did {
        &self.state().config.did
    }

    /// The agent's identity and connection now.
    #[must_use]
    pub fn whoami(&self) -> Whoami {
        let identity = self.state().identity();
        Whoami {
            did: self.did().clone(),
            relay: self.state().config.url().to_owned(),
            root_key: multikey::encode_ed25519(&identity.root_public()),
            signing_key_id: identity.current_signing().map(|key| key.kid.to_string()),
            encryption_key_id: identity.encryption().last().map(|key| key.kid.to_string()),
            connection: self.connection_state(),
        }
    }

    /// The state of the connection now.
    #[must_use]
    pub fn connection_state(&self) -> ConnectionState {
        self.state().connection.borrow().clone()
    }

    /// Watches the state of the connection, for example for a readiness probe.
    #[must_use]
    pub fn watch_connection(&self) -> watch::Receiver<ConnectionState> {
        self.state().connection.subscribe()
    }

    /// An inbox for received messages. Taking a message does not acknowledge it; see
    /// [`Message::ack`](crate::Message::ack).
    ///
    /// # Examples
    /// ```no_run
    /// # async fn example(agent: msg2agent::Agent) -> Result<(), msg2agent::Error> {
    /// let mut inbox = agent.inbox();
    /// while let Some(message) = inbox.next().await {
    ///     println!("{}: {:?}", message.from(), message.text());
    ///     message.ack().await?;
    /// }
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn inbox(&self) -> Inbox {
        Inbox::new(self.sender.clone())
    }

    /// Notices about the outcome of stored messages, those of earlier processes first. A notice
    /// that nobody acknowledges is told again by the next process with this state folder.
    #[must_use]
    pub fn notices(&self) -> Notices {
        self.state().notices.reader()
    }

    /// The outcome of a stored message, if its notice has arrived since this agent connected.
    #[must_use]
    pub fn outcome(&self, id: &MessageId) -> Option<Outcome> {
        self.state().notices.outcome(id)
    }

    /// Refused messages, from now on.
    #[must_use]
    pub fn refusals(&self) -> Refusals {
        self.state().refusals.subscribe()
    }

    /// The number of messages that were not shown since the agent connected, for every reason.
    #[must_use]
    pub fn refusal_counts(&self) -> BTreeMap<DiscardReason, u64> {
        self.state().refusals.counts()
    }

    /// The number of direct connections that this agent refused or was refused, for every reason.
    /// Empty if direct connections are switched off.
    #[cfg(feature = "direct")]
    #[must_use]
    pub fn direct_refusal_counts(&self) -> BTreeMap<DirectRefusal, u64> {
        self.sender.direct().map(DirectPaths::refusal_counts).unwrap_or_default()
    }

    /// The addresses that this agent's record lists for direct connections.
    #[cfg(feature = "direct")]
    #[must_use]
    pub fn direct_endpoints(&self) -> Vec<DirectEndpoint> {
        self.state().config.direct.as_ref().map(|direct| direct.endpoints.clone()).unwrap_or_default()
    }

    /// Generates new signing and encryption keys, writes them to the key file, and registers them.
    /// Messages that were encrypted to the old key stay readable for 7 days.
    ///
    /// # Errors
    /// [`ErrorKind::KeyFile`] if the key file cannot be written, or if messages in transit may need
    /// a key that an eighth rotation within 7 days would drop; the old keys then stay in use.
    pub async fn rotate(&self) -> Result<(), Error> {
        connection::key_rotation::rotate(&self.state().config)?;
        self.sender.rpc().send_command(Command::Reregister).await;
        Ok(())
    }

    /// Removes the pinned root key of another agent, so that its next root key is accepted. Returns
    /// whether one was pinned.
    ///
    /// # Errors
    /// [`ErrorKind::State`] if the state folder cannot be written.
    pub fn forget(&self, did: &Did) -> Result<bool, Error> {
        self.state().contacts.forget(did)
    }

    /// Sends pending acknowledgements and ends the connection. Later calls on any clone fail with
    /// [`ErrorKind::Closed`], and so do sends of other tasks that have no answer yet: wait for them
    /// first. [`Error::may_have_been_sent`] says of each whether the relay may have it.
    pub async fn close(&self) {
        #[cfg(feature = "direct")]
        if let Some(direct) = self.sender.direct() {
            direct.close().await;
        }
        let mut progress = self.state().connection.subscribe();
        self.sender.rpc().send_command(Command::Close).await;
        // The connection task ends the wait also when it is gone, and the watch's sender lives in
        // the state that `self` holds.
        let _ = progress.wait_for(|now| matches!(now, ConnectionState::Ended(_))).await;
    }

    /// Waits until the agent has ended, and returns the reason.
    pub async fn ended(&self) -> Error {
        let mut progress = self.state().connection.subscribe();
        match progress.wait_for(|now| matches!(now, ConnectionState::Ended(_))).await.map(|now| now.clone()) {
            Ok(ConnectionState::Ended(error)) => error,
            _ => Error::new(ErrorKind::Closed, "the agent is closed"),
        }
    }

    pub(super) fn state(&self) -> &AgentState {
        self.sender.state()
    }
}
