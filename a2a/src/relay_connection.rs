//! The connection of the gateway to its relay, made with the SDK. It implements [`Network`], and
//! hands what arrives to the gateway.

use std::time::Duration;

use async_trait::async_trait;
use daemon::readiness::Check;
use msg2agent::{
    Agent, Config, DiscoveredAgent, Error, ErrorKind, MessageType, Notice, Outcome, Reason, SendOptions,
};
use protocol::Did;
use protocol::record::Card;
use tokio::sync::watch;

use crate::gateway::TaskGateway;
use crate::gateway::incoming::{AgentMessage, Taken};
use crate::network::{Network, NetworkError};
use crate::store::UnsentMessage;

/// How long a message waits for the relay's answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(12);
/// Before the next attempt after the SDK gave up.
const RECONNECT_INTERVAL: Duration = Duration::from_secs(5);

pub struct RelayConnection {
    config: Config,
    agent: watch::Sender<Option<Agent>>,
}

impl RelayConnection {
    #[must_use]
    pub fn new(config: Config) -> Self {
        let config = config.with_answer_timeout(ANSWER_TIMEOUT);
        Self { config, agent: watch::Sender::new(None) }
    }

    /// Keeps the gateway connected until the future is dropped, or its settings, keys or state
    /// folder cannot be used.
    pub async fn keep_connected(&self, gateway: &TaskGateway, ready: &Check) -> Error {
        loop {
            let error = match Agent::connect(self.config.clone()).await {
                Ok(agent) => {
                    self.agent.send_replace(Some(agent.clone()));
                    ready.pass();
                    let ended = tokio::select! {
                        error = agent.ended() => error,
                        () = take_messages(&agent, gateway) => agent.ended().await,
                        () = take_notices(&agent, gateway) => agent.ended().await,
                    };
                    self.agent.send_replace(None);
                    ended
                }
                Err(error) => error,
            };
            if matches!(error.kind(), ErrorKind::Config | ErrorKind::KeyFile | ErrorKind::State) {
                return error;
            }
            tracing::warn!(error = error.chain(), "not connected to the relay; retrying");
            tokio::time::sleep(RECONNECT_INTERVAL).await;
        }
    }

    /// Sends pending acknowledgements and closes the connection, if there is one.
    pub async fn close(&self) {
        let agent = self.agent.borrow().clone();
        if let Some(agent) = agent {
            agent.close().await;
        }
    }

    fn connected(&self) -> Result<Agent, NetworkError> {
        self.agent.borrow().clone().ok_or(NetworkError::Temporary)
    }
}

/// Stores what agents say before it is acknowledged; returns when the connection has ended.
async fn take_messages(agent: &Agent, gateway: &TaskGateway) {
    let mut inbox = agent.inbox();
    while let Some(message) = inbox.next().await {
        let is_request = message.message_type() == MessageType::Request;
        let said = AgentMessage {
            from: message.from().clone(),
            id: message.id(),
            kind: message.message_type(),
            re: message.re(),
            content: message.content().clone(),
        };
        let taken = gateway.receive(said).await;
        if taken != Taken::Changed {
            tracing::info!(message.id = %message.id(), from = %message.from(), ?taken, "a message changes nothing");
        }
        // Nobody works here: whoever asks is told.
        let done =
            if is_request && taken == Taken::Foreign { message.reject().await } else { message.ack().await };
        if let Err(error) = done {
            tracing::info!(error = error.chain(), "failed to acknowledge a message");
        }
    }
}

/// Fails the tasks whose first message nobody will process; returns when the connection has ended.
async fn take_notices(agent: &Agent, gateway: &TaskGateway) {
    let mut notices = agent.notices();
    while let Some(notice) = notices.next().await {
        if let Some(why) = ending(&notice) {
            gateway.fail(&notice.to, notice.id, &why).await;
        }
        if let Err(error) = notice.ack().await {
            tracing::info!(error = error.chain(), "failed to acknowledge a notice");
        }
    }
}

/// What a client is told of a message that nobody will process; `None` if it was delivered.
fn ending(notice: &Notice) -> Option<String> {
    match notice.outcome {
        Outcome::Delivered => None,
        Outcome::Expired => Some("the message expired before the agent connected".to_owned()),
        Outcome::Dropped => Some("the agent was removed before it connected".to_owned()),
        Outcome::Refused => {
            let reason = notice.reason.map_or("no reason given", |reason| reason.as_str());
            Some(format!("the agent refused the message: {reason}"))
        }
    }
}

#[async_trait]
impl Network for RelayConnection {
    fn own_did(&self) -> &Did {
        self.config.did()
    }

    async fn send(&self, message: &UnsentMessage) -> Result<(), NetworkError> {
        let agent = self.connected()?;
        let is_submit = message.is_submit();
        let options = SendOptions {
            id: Some(message.message),
            r#type: if is_submit { MessageType::Request } else { MessageType::Event },
            thread: Some(message.task_id.to_string()),
            re: (!is_submit).then_some(message.task_id),
            ..SendOptions::default()
        };
        match agent.send_with(&message.to, message.content.clone(), options).await {
            Ok(_) => Ok(()),
            Err(error) if error.reason() == Some(Reason::DuplicateId) => Ok(()),
            Err(error) => Err(network_error(&error)),
        }
    }

    async fn lookup(&self, agent: &Did) -> Result<Card, NetworkError> {
        let contact = self.connected()?.lookup(agent).await;
        contact.map(|contact| contact.card).map_err(|error| network_error(&error))
    }

    async fn discover(&self) -> Result<Vec<DiscoveredAgent>, NetworkError> {
        self.connected()?.discover(None).await.map_err(|error| network_error(&error))
    }
}

fn network_error(error: &Error) -> NetworkError {
    if error.is_not_found() {
        return NetworkError::NotFound;
    }
    match error.kind() {
        ErrorKind::Rejected(reason) if error.retry_after().is_none() && !error.is_temporary() => {
            NetworkError::Refused(reason.as_str().to_owned())
        }
        ErrorKind::Unverified => NetworkError::Refused("the agent's identity cannot be verified".to_owned()),
        ErrorKind::KeyChanged => NetworkError::Refused("the agent's root key has changed".to_owned()),
        ErrorKind::Message => NetworkError::Refused("the message exceeds a limit".to_owned()),
        _ => NetworkError::Temporary,
    }
}
