//! Where most tests begin: alice is connected to the relay that the test plays, and does not know bob yet.

use msg2agent::{Agent, Content, Error, Sent};
use protocol::frame::method;

use crate::identities::{Alice, Played};
use crate::peer::{Asked, Line, Peer, within};

pub(crate) struct Scene {
    pub(crate) peer: Peer,
    pub(crate) line: Line,
    pub(crate) agent: Agent,
    pub(crate) bob: Played,
    /// Her files, for as long as the test runs.
    pub(crate) _alice: Alice,
}

impl Scene {
    pub(crate) async fn new() -> Self {
        let (peer, bob) = (Peer::new().await, Played::new("bob"));
        let alice = Alice::new(&peer.url());
        let ((line, _), agent) = tokio::join!(peer.registered(1), Agent::connect(alice.config.clone()));
        Self { peer, line, agent: agent.unwrap(), bob, _alice: alice }
    }
}

/// Sends "hi", which is to end in time.
pub(crate) async fn say_hi(agent: &Agent, to: &Played) -> Result<Sent, Error> {
    within("the send", agent.send(to.did(), Content::text("hi"))).await
}

/// The first send of an agent that has to look up its recipient.
pub(crate) async fn first_send(line: &mut Line, to: &Played) -> Asked {
    line.answer_lookup(&to.record).await;
    line.asked(method::SEND).await
}
