//! Where most tests begin: alice is connected to the relay that the test plays, and does not know
//! bob yet.

use msg2agent::{Agent, Content, Error, Sent};
use protocol::frame::method;

use crate::identities::{Alice, TestAgent};
use crate::scripted_relay::{ReceivedFrame, RelayConnection, ScriptedRelay, within};

pub(crate) struct ConnectedAgent {
    pub(crate) relay: ScriptedRelay,
    pub(crate) line: RelayConnection,
    pub(crate) agent: Agent,
    pub(crate) bob: TestAgent,
    /// Her files, for as long as the test runs.
    pub(crate) _alice: Alice,
}

impl ConnectedAgent {
    pub(crate) async fn new() -> Self {
        let (relay, bob) = (ScriptedRelay::new().await, TestAgent::new("bob"));
        let alice = Alice::new(&relay.url());
        let ((line, _), agent) = tokio::join!(relay.registered(1), Agent::connect(alice.config.clone()));
        Self { relay, line, agent: agent.unwrap(), bob, _alice: alice }
    }
}

/// Sends "hi", which is to end in time.
pub(crate) async fn say_hi(agent: &Agent, to: &TestAgent) -> Result<Sent, Error> {
    within("the send", agent.send(to.did(), Content::text("hi"))).await
}

/// The first send of an agent that has to look up its recipient.
pub(crate) async fn first_send(line: &mut RelayConnection, to: &TestAgent) -> ReceivedFrame {
    line.answer_lookup(&to.record).await;
    line.asked(method::SEND).await
}
