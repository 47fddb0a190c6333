//! Tests of messages that their recipients refuse: the sender learns the reason and never reads
//! `delivered`.

use protocol::Reason;
use protocol::frame::{Outcome, SendStatus, feature};
use protocol::refusal::RefusalReason;

use crate::agent::{Agent, did, identity};
use crate::harness::start;

const REASON: RefusalReason = RefusalReason::Undecryptable;

/// The reason of the refusal, which the sender gets as its answer, or with a notice if the message
/// was stored before.
async fn refusal(sender: &mut Agent, request: u64) -> Option<RefusalReason> {
    match sender.answer(request).await {
        Err(error) => {
            assert_eq!(error.data.reason, Reason::Refused);
            error.data.refusal
        }
        Ok(stored) => {
            assert!(stored.contains(r#""stored""#), "{stored}");
            let notice = sender.notice().await;
            assert_eq!(notice.outcome, Outcome::Refused);
            notice.reason
        }
    }
}

#[tokio::test]
async fn the_sender_of_a_message_that_cannot_be_opened_learns_why() {
    let relay = start().await;
    let (mut alice, _) = Agent::join(&relay, "alice").await;
    let (mut bob, _) = Agent::join(&relay, "bob").await;
    assert!(bob.registered.supports(feature::REFUSE));
    let envelope = alice.envelope(&bob.did);
    let request = alice.submit(&envelope).await;
    let delivery = bob.delivery().await;
    bob.refuse(delivery.seq, REASON).await;
    assert_eq!(refusal(&mut alice, request).await, Some(REASON));

    let again = alice.submit(&envelope).await;
    let ended = alice.answer(again).await.unwrap_err();
    assert_eq!((ended.data.reason, ended.data.outcome), (Reason::Ended, Some(Outcome::Refused)));
}

#[tokio::test]
async fn a_stored_message_that_was_refused_has_ended_after_a_restart_too() {
    let relay = start().await;
    let (mut alice, alices_key) = Agent::join(&relay, "alice").await;
    let bobs_key = relay.agent_with_key("bob").await;
    let envelope = alice.envelope(&did("bob"));
    assert_eq!(alice.send(&envelope).await, Ok(SendStatus::Stored));
    let mut bob = Agent::open(&relay, &bobs_key, identity(&did("bob"))).await.unwrap();
    let delivery = bob.delivery().await;
    bob.refuse(delivery.seq, REASON).await;
    let notice = alice.notice().await;
    assert_eq!((notice.outcome, notice.reason, notice.id), (Outcome::Refused, Some(REASON), envelope.id));

    let relay = relay.restart().await;
    let mut alice = Agent::open(&relay, &alices_key, alice.identity).await.unwrap();
    let notice = alice.notice().await;
    assert_eq!((notice.outcome, notice.reason), (Outcome::Refused, Some(REASON)), "it was not acknowledged");
    let again = alice.submit(&envelope).await;
    let ended = alice.answer(again).await.unwrap_err();
    assert_eq!((ended.data.reason, ended.data.outcome), (Reason::Ended, Some(Outcome::Refused)));
    let bob = Agent::open(&relay, &bobs_key, bob.identity).await.unwrap();
    assert_eq!(bob.registered.pending, 0);
}
