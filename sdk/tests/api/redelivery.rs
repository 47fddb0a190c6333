//! Messages and notices that nobody acknowledged: they are shown again and stop nothing.

use std::time::Duration;

use msg2agent::{Agent, ErrorKind, MessageId, Outcome};
use protocol::frame::{NoticeParams, method};
use protocol::limits::WINDOW_MESSAGES;

use crate::connected_agent::ConnectedAgent;
use crate::identities::{Alice, TestAgent, TestMessage, now};
use crate::inbox::connected;
use crate::scripted_relay::{ScriptedRelay, within};

#[tokio::test]
async fn a_dropped_message_is_shown_again_while_the_others_are_processed() {
    let ConnectedAgent { mut line, alice_record, agent, bob, _alice, .. } = ConnectedAgent::new().await;
    line.deliver(1, 1, &bob.seal(&alice_record, TestMessage::event("first")).envelope).await;
    line.answer_lookup(&bob.record).await;
    let mut inbox = agent.inbox();
    drop(within("the first message", inbox.next()).await.unwrap());
    let again = within("the first message again", inbox.next()).await.unwrap();
    assert_eq!(again.text(), Some("first"));
    drop(again);
    for seq in 2..=WINDOW_MESSAGES {
        line.deliver(1, seq, &bob.seal(&alice_record, TestMessage::event("other")).envelope).await;
    }
    let mut left = WINDOW_MESSAGES - 1;
    let first = loop {
        let message = within("a message", inbox.next()).await.unwrap();
        if message.text() == Some("first") {
            break message;
        }
        message.ack().await.unwrap();
        left -= 1;
    };
    first.ack().await.unwrap();
    for _ in 0..left {
        within("a message", inbox.next()).await.unwrap().ack().await.unwrap();
    }
    while line.acked().await != (1, WINDOW_MESSAGES) {}
}

#[tokio::test]
async fn clones_of_a_message_are_one_message() {
    let ConnectedAgent { mut line, alice_record, agent, bob, _alice, .. } = ConnectedAgent::new().await;
    line.deliver(1, 1, &bob.seal(&alice_record, TestMessage::event("hi")).envelope).await;
    line.answer_lookup(&bob.record).await;
    let mut inbox = agent.inbox();
    let message = within("the message", inbox.next()).await.unwrap();
    drop(message.clone());
    assert!(inbox.try_next().is_none(), "the message is still held");
    drop(message);
    assert_eq!(inbox.try_next().unwrap().text(), Some("hi"));
}

#[tokio::test]
async fn what_the_application_rejects_is_refused() {
    let ConnectedAgent { mut line, alice_record, agent, bob, _alice, .. } = ConnectedAgent::new().await;
    line.deliver(1, 1, &bob.seal(&alice_record, TestMessage::event("hi")).envelope).await;
    line.answer_lookup(&bob.record).await;
    let mut inbox = agent.inbox();
    within("the message", inbox.next()).await.unwrap().reject().await.unwrap();
    assert_eq!(line.refused().await, (1, 1, msg2agent::RefusalReason::Rejected));
    assert_eq!(line.acked().await, (1, 1));
    assert!(inbox.try_next().is_none());
}

fn notice(bob: &TestAgent, epoch: u64, id: MessageId) -> NoticeParams {
    let (to, outcome) = (bob.did().clone(), Outcome::Expired);
    NoticeParams { epoch, seq: 1, id, to, outcome, at: 7, reason: None, missed: 0 }
}

#[tokio::test]
async fn a_notice_that_comes_before_anybody_reads_is_told_to_the_first_reader() {
    let ConnectedAgent { mut line, agent, bob, _alice, .. } = ConnectedAgent::new().await;
    let id = MessageId::new(now(), [1; 10]);
    line.notify(method::NOTICE, &notice(&bob, 1, id)).await;
    assert_eq!(line.acked().await, (1, 1));
    let mut notices = agent.notices();
    assert_eq!(within("the notice", notices.next()).await.unwrap().id, id);
    agent.close().await;
    assert!(within("the end", notices.next()).await.is_none());
}

#[tokio::test]
async fn a_notice_is_told_by_every_process_until_it_is_acknowledged() {
    let (relay, bob) = (ScriptedRelay::new().await, TestAgent::new("bob"));
    let mut alice = Alice::new(&relay.url());
    alice.config = alice.config.clone().with_state_dir(alice.folder.path().join("state"));
    let id = MessageId::new(now(), [1; 10]);
    let (mut line, _, agent) = connected(&relay, &alice, 1).await;
    line.notify(method::NOTICE, &notice(&bob, 1, id)).await;
    assert_eq!(line.acked().await, (1, 1));
    agent.close().await;

    let (_line, _, agent) = connected(&relay, &alice, 2).await;
    let told = within("the notice", agent.notices().next()).await.unwrap();
    assert_eq!((told.id, told.outcome, agent.outcome(&id)), (id, Outcome::Expired, Some(Outcome::Expired)));
    told.ack().await.unwrap();
    agent.close().await;

    let (_line, _, agent) = connected(&relay, &alice, 3).await;
    let none = tokio::time::timeout(Duration::from_millis(100), agent.notices().next()).await;
    assert!(none.is_err(), "it was acknowledged");
}

#[tokio::test]
async fn a_message_that_lives_longer_than_its_agent_keeps_no_other_from_the_folder() {
    let (relay, bob) = (ScriptedRelay::new().await, TestAgent::new("bob"));
    let mut alice = Alice::new(&relay.url());
    alice.config = alice.config.clone().with_state_dir(alice.folder.path().join("state"));
    let (mut line, record, agent) = connected(&relay, &alice, 1).await;
    let envelope = bob.seal(&record, TestMessage::event("hi")).envelope;
    line.deliver(1, 1, &envelope).await;
    line.answer_lookup(&bob.record).await;
    let message = within("the message", agent.inbox().next()).await.unwrap();
    agent.close().await;

    let (mut line, _, agent) = connected(&relay, &alice, 2).await;
    let error = message.ack().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed, "the folder belongs to the next agent");
    line.deliver(2, 1, &envelope).await;
    line.answer_lookup(&bob.record).await;
    assert_eq!(within("the message", agent.inbox().next()).await.unwrap().text(), Some("hi"));
}

#[test]
fn an_agent_whose_runtime_is_gone_ends_every_wait() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (relay, agent, _alice) = runtime.block_on(async {
        let relay = ScriptedRelay::new().await;
        let alice = Alice::new(&relay.url());
        let (line, agent) = tokio::join!(relay.registered(1), Agent::connect(alice.config.clone()));
        ((relay, line), agent.unwrap(), alice)
    });
    drop(relay);
    runtime.shutdown_background();
    let other = tokio::runtime::Runtime::new().unwrap();
    other.block_on(async {
        assert!(within("the inbox", agent.inbox().next()).await.is_none());
        assert!(within("the notices", agent.notices().next()).await.is_none());
        assert_eq!(within("the end", agent.ended()).await.kind(), ErrorKind::Closed);
        within("closing", agent.close()).await;
    });
}

#[tokio::test]
async fn an_agent_may_try_to_connect_for_ever() {
    let relay = ScriptedRelay::new().await;
    let alice = Alice::new(&relay.url());
    let config = alice.config.clone().with_connect_timeout(Duration::MAX);
    let (_line, agent) = tokio::join!(relay.registered(1), Agent::connect(config));
    assert!(agent.unwrap().connection_state().is_online());
}
