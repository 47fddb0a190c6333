//! Watches the session of an agent at the relay. The SDK reconnects by itself, so that an open
//! connection does not show that it was never closed, and the session's number does.

use anyhow::{Context as _, ensure};
use msg2agent::{Agent, Content, SendStatus};
use msg2agent_tests::namespace::TestNamespace;
use msg2agent_tests::relay_admin;
use protocol::Did;
use protocol::admin::{AgentView, agents_path};

use crate::agent_state::CHANGE_TIMEOUT;

/// An agent on line with a message that it has received and not acknowledged, so that the message
/// is in its mailbox as well.
pub(crate) struct Session {
    agent: Agent,
    epoch: u64,
}

impl Session {
    /// `sender` sends `stored` to `agent`.
    ///
    /// # Errors
    /// The agent is not on line, or the message is not in its mailbox.
    pub(crate) async fn open(agent: Agent, sender: &Agent, stored: &str) -> anyhow::Result<Self> {
        let epoch = epoch(&agent)?;
        let sent = sender.send(agent.did(), Content::text(stored)).await?;
        ensure!(sent.status == SendStatus::Stored, "{stored} was {:?}", sent.status);
        Ok(Self { agent, epoch })
    }

    pub(crate) fn did(&self) -> &Did {
        self.agent.did()
    }

    /// Ends the session after a last look at it: it is the one that was opened, and the message is
    /// in the mailbox. `relay` is the namespace of the relay.
    ///
    /// # Errors
    /// The session was closed meanwhile, or the mailbox is another one.
    pub(crate) async fn close_unharmed(self, relay: &TestNamespace) -> anyhow::Result<()> {
        let now = epoch(&self.agent)?;
        ensure!(now == self.epoch, "session {} was closed, and {now} is open", self.epoch);
        let path = format!("{}/{}", agents_path(&self.did().tenant()), self.did().name());
        let found = relay_admin::succeed(relay, "GET", &path, None).await?;
        let found: AgentView = serde_json::from_value(found)?;
        ensure!(found.online && found.pending == 1, "on line: {}, {} wait", found.online, found.pending);
        self.agent.close().await;
        Ok(())
    }
}

/// Takes and acknowledges exactly these texts.
///
/// # Errors
/// Another message comes, or none.
pub(crate) async fn receives(agent: &Agent, texts: &[&str]) -> anyhow::Result<()> {
    let mut inbox = agent.inbox();
    for wanted in texts {
        let message = tokio::time::timeout(CHANGE_TIMEOUT, inbox.next()).await?;
        let message = message.context("the agent has ended")?;
        ensure!(message.text() == Some(*wanted), "{:?} came in place of {wanted}", message.text());
        message.ack().await?;
    }
    Ok(())
}

/// The number that the relay gave the session. Each later one of the same agent is higher.
fn epoch(agent: &Agent) -> anyhow::Result<u64> {
    let state = agent.connection_state();
    state.session().map(|session| session.epoch).with_context(|| format!("{state:?}"))
}
