//! The interface between the gateway and the msg2agent network. [`crate::relay_connection`]
//! implements it with the SDK; tests implement it with scripted agents.

use async_trait::async_trait;
use msg2agent::DiscoveredAgent;
use protocol::Did;
use protocol::record::Card;

use crate::store::UnsentMessage;

/// Why the network did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// There is no such agent, or the gateway may not see it.
    #[error("there is no such agent")]
    NotFound,
    /// Another attempt may succeed. The relay may have the message.
    #[error("the relay cannot be reached, or has no room now")]
    Temporary,
    /// Another attempt fails too. The sentence is for the client.
    #[error("the relay refused it: {0}")]
    Refused(String),
}

#[async_trait]
pub trait Network: Send + Sync + 'static {
    /// The DID of the gateway.
    fn own_did(&self) -> &Did;

    /// Sends a message about a task under its id. One that the relay has already is no error.
    async fn send(&self, message: &UnsentMessage) -> Result<(), NetworkError>;

    /// The verified card of an agent.
    async fn lookup(&self, agent: &Did) -> Result<Card, NetworkError>;

    /// The agents that discovery shows.
    async fn discover(&self) -> Result<Vec<DiscoveredAgent>, NetworkError>;
}
