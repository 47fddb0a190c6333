//! The start of most tests: alice is connected to a scripted relay and has not looked up bob.

use msg2agent::{Agent, Content, Error, Sent};
use protocol::frame::method;
use protocol::record::VerifiedRecord;

use crate::identities::{Alice, TestAgent};
use crate::scripted_relay::{ReceivedFrame, RelayConnection, ScriptedRelay, within};

pub(crate) struct ConnectedAgent {
    pub(crate) relay: ScriptedRelay,
    pub(crate) line: RelayConnection,
    pub(crate) alice_record: VerifiedRecord,
    pub(crate) agent: Agent,
    pub(crate) bob: TestAgent,
    /// Alice's files, which the agent needs during the test.
    pub(crate) _alice: Alice,
}

impl ConnectedAgent {
    pub(crate) async fn new() -> Self {
        let (relay, bob) = (ScriptedRelay::new().await, TestAgent::new("bob"));
        let alice = Alice::new(&relay.url());
        let ((line, alice_record), agent) =
            tokio::join!(relay.registered(1), Agent::connect(alice.config.clone()));
        Self { relay, line, alice_record, agent: agent.unwrap(), bob, _alice: alice }
    }
}

/// Sends "hi" and waits for the result.
pub(crate) async fn say_hi(agent: &Agent, to: &TestAgent) -> Result<Sent, Error> {
    within("the send", agent.send(to.did(), Content::text("hi"))).await
}

/// Answers the lookup before the first send to a recipient, and returns the send.
pub(crate) async fn first_send(line: &mut RelayConnection, to: &TestAgent) -> ReceivedFrame {
    line.answer_lookup(&to.record).await;
    line.asked(method::SEND).await
}
