//! Lookups of an unknown agent: one for all messages that wait for it.

use futures::future::join_all;
use msg2agent::{Agent, Content, Error, ErrorKind, Sent};
use protocol::Reason;
use protocol::frame::method;

use crate::connected_agent::{ConnectedAgent, say_hi};
use crate::identities::TestAgent;
use crate::scripted_relay::within;

const SENDERS: usize = 64;

async fn send_at_once(agent: &Agent, to: &TestAgent) -> Vec<Result<Sent, Error>> {
    let sends = (0..SENDERS).map(|_| agent.send(to.did(), Content::text("hi")));
    within("all sends", join_all(sends)).await
}

#[tokio::test]
async fn sends_at_once_to_an_unknown_agent_look_it_up_once() {
    let ConnectedAgent { mut line, agent, bob, _alice, .. } = ConnectedAgent::new().await;
    let relay = async {
        line.answer_lookup(&bob.record).await;
        // A second lookup would arrive among these.
        for _ in 0..SENDERS {
            line.answer_send().await;
        }
    };
    let ((), sent) = tokio::join!(relay, send_at_once(&agent, &bob));
    assert_eq!(sent.into_iter().filter_map(Result::ok).count(), SENDERS);
}

#[tokio::test]
async fn a_failed_lookup_fails_all_waiting_sends_and_the_next_send_repeats_it() {
    let ConnectedAgent { mut line, agent, bob, _alice, .. } = ConnectedAgent::new().await;
    let refused = async {
        let asked = line.asked(method::LOOKUP).await;
        line.refuse(&asked, Reason::NotFound, None).await;
    };
    let ((), sent) = tokio::join!(refused, send_at_once(&agent, &bob));
    let not_found = ErrorKind::Rejected(Reason::NotFound);
    for error in sent.into_iter().map(|sent| sent.expect_err("nothing was sent")) {
        assert_eq!((error.kind(), error.advice()), (not_found, Some(Reason::NotFound.advice())));
        let text = format!("cannot look up {}: the relay refused it: not_found", bob.did());
        assert_eq!(error.chain(), text);
        assert!(error.message_id().is_some(), "each error has the id of its own message");
    }
    let relay = async {
        line.answer_lookup(&bob.record).await;
        line.answer_send().await
    };
    tokio::join!(relay, say_hi(&agent, &bob)).1.unwrap();
}
