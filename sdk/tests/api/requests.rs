//! Requests: the permitted responder, timeouts, and the proof of both messages.

use std::time::Duration;

use msg2agent::multikey::decode_ed25519;
use msg2agent::{
    Agent, Content, Did, DiscardReason, ErrorKind, MessageId, MessageType, Outcome, Reason, RefusalReason,
    SendOptions,
};
use protocol::envelope::open;
use protocol::frame::{NoticeParams, method};
use protocol::proof;

use crate::connected_agent::ConnectedAgent;
use crate::identities::{Alice, TestAgent, TestMessage, now};
use crate::scripted_relay::{ScriptedRelay, TEST_TIMEOUT, within};

#[tokio::test]
async fn only_the_agent_that_was_asked_answers() {
    let (relay, bob, mallory) =
        (ScriptedRelay::new().await, TestAgent::new("bob"), TestAgent::new("mallory"));
    let alice = Alice::new(&relay.url());
    let relay = async {
        let (mut line, alice) = relay.registered(1).await;
        line.answer_lookup(&bob.record).await;
        let request = line.answer_send().await;
        let forged = mallory.seal(&alice, TestMessage::response("5", request.id));
        line.deliver(1, 1, &forged.envelope).await;
        line.answer_lookup(&mallory.record).await;
        assert_eq!(line.refused().await, (1, 1, RefusalReason::WrongResponder));
        assert_eq!(line.acked().await, (1, 1));
        line.deliver(1, 2, &bob.seal(&alice, TestMessage::response("4", request.id)).envelope).await;
        assert_eq!(line.acked().await, (1, 2));
        line
    };
    let client = async {
        let agent = Agent::connect(alice.config.clone()).await.unwrap();
        let answer = agent.request(bob.did(), Content::text("2+2?"), TEST_TIMEOUT).await.unwrap();
        (agent, answer)
    };
    let (_line, (agent, answer)) = tokio::join!(relay, client);
    assert_eq!(answer.text(), Some("4"));
    assert_eq!(answer.from(), bob.did());
    assert_eq!(agent.refusal_counts()[&DiscardReason::Refused(RefusalReason::WrongResponder)], 1);
}

#[tokio::test]
async fn a_late_answer_comes_to_the_inbox() {
    let (relay, bob) = (ScriptedRelay::new().await, TestAgent::new("bob"));
    let alice = Alice::new(&relay.url());
    let relay = async {
        let (mut line, alice) = relay.registered(1).await;
        line.answer_lookup(&bob.record).await;
        (line.answer_send().await.id, line, alice)
    };
    let client = async {
        let agent = Agent::connect(alice.config.clone()).await.unwrap();
        let error =
            agent.request(bob.did(), Content::text("2+2?"), Duration::from_millis(1500)).await.unwrap_err();
        (agent, error)
    };
    let ((id, mut line, alice), (agent, error)) = tokio::join!(relay, client);
    assert_eq!((error.kind(), error.message_id()), (ErrorKind::Timeout, Some(id)));
    line.deliver(1, 1, &bob.seal(&alice, TestMessage::response("4", id)).envelope).await;
    let late = within("the late answer", agent.inbox().next()).await.unwrap();
    assert_eq!((late.text(), late.re()), (Some("4"), Some(id)));
}

#[tokio::test]
async fn a_request_that_is_refused_after_it_was_stored_ends_with_the_reason() {
    let ConnectedAgent { mut line, agent, bob, _alice, .. } = ConnectedAgent::new().await;
    let relay = async {
        for (seq, outcome, reason) in
            [(1, Outcome::Refused, Some(RefusalReason::Undecryptable)), (2, Outcome::Expired, None)]
        {
            // What cannot be opened makes the record old.
            line.answer_lookup(&bob.record).await;
            let id = line.answer_send().await.id;
            let to = bob.did().clone();
            let notice = NoticeParams { epoch: 1, seq, id, to, outcome, at: 7, reason, missed: 0 };
            line.notify(method::NOTICE, &notice).await;
            assert_eq!(line.acked().await, (1, seq));
        }
    };
    let client = async {
        let refused = agent.request(bob.did(), Content::text("2+2?"), TEST_TIMEOUT).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Rejected(Reason::Refused));
        assert_eq!(refused.refusal(), Some(RefusalReason::Undecryptable));
        let expired = agent.request(bob.did(), Content::text("2+2?"), TEST_TIMEOUT).await.unwrap_err();
        assert_eq!((expired.reason(), expired.outcome()), (Some(Reason::Ended), Some(Outcome::Expired)));
    };
    tokio::join!(relay, client);
}

#[tokio::test]
async fn request_and_answer_can_be_proven_to_anybody() {
    let (relay, bob) = (ScriptedRelay::new().await, TestAgent::new("bob"));
    let mut alice = Alice::new(&relay.url());
    alice.config = alice.config.clone().with_state_dir(alice.folder.path().join("state"));
    let relay = async {
        let (mut line, alice) = relay.registered(1).await;
        line.answer_lookup(&bob.record).await;
        let request = line.answer_send().await;
        let opened = open(&request, &alice.keys, &bob.identity, now()).unwrap();
        assert_eq!(opened.content.as_text(), Some("2+2?"));
        line.deliver(1, 1, &bob.seal(&alice, TestMessage::response("4", request.id)).envelope).await;
        line
    };
    let client = async {
        let agent = Agent::connect(alice.config.clone()).await.unwrap();
        let exchange = agent
            .request_with(bob.did(), Content::text("2+2?"), TEST_TIMEOUT, SendOptions::default())
            .await
            .unwrap();
        (agent, exchange)
    };
    let (_line, (agent, exchange)) = tokio::join!(relay, client);
    let proof = agent.prove([exchange.sent.evidence(), exchange.answer.evidence()]).unwrap();
    let roots = alice.config.known_root_keys().unwrap();
    let known =
        |did: &Did| roots.iter().find(|(of, _)| of == did).and_then(|(_, key)| decode_ed25519(key).ok());
    let statements = proof::verify(&proof, &known).unwrap();
    let said: Vec<_> =
        statements.iter().map(|s| (s.header.from.name(), s.content.as_text().unwrap())).collect();
    assert_eq!(said, [("alice", "2+2?"), ("bob", "4")]);
    assert_eq!(agent.prove([]).unwrap_err().kind(), ErrorKind::Proof);
}

#[tokio::test]
async fn an_answer_whose_caller_went_away_comes_to_the_inbox_unacknowledged() {
    let ConnectedAgent { mut line, alice_record, agent, bob, _alice, .. } = ConnectedAgent::new().await;
    let id = MessageId::new(now(), [7; 10]);
    let options = SendOptions { id: Some(id), ..SendOptions::default() };
    {
        let request = agent.request_with(bob.did(), Content::text("2+2?"), TEST_TIMEOUT, options);
        let mut request = std::pin::pin!(request);
        let relay = async {
            line.answer_lookup(&bob.record).await;
            line.answer_send().await;
            let answer = bob.seal(&alice_record, TestMessage::response("4", id));
            line.deliver(1, 1, &answer.envelope).await;
            // The answer has been handed over when the agent answers what comes behind it.
            line.deliver(1, 2, &bob.seal(&alice_record, TestMessage::event("next")).envelope).await;
            let next = within("the next message", agent.inbox().next()).await.unwrap();
            next.ack().await.unwrap();
        };
        tokio::select! {
            biased;
            () = relay => {}
            _ = &mut request => panic!("the relay's part is polled first"),
        }
    }
    let answer = within("the answer", agent.inbox().next()).await.unwrap();
    assert_eq!((answer.text(), answer.re()), (Some("4"), Some(id)));
    answer.ack().await.unwrap();
    assert_eq!(line.acked().await, (1, 2), "it was not acknowledged before");
}

#[tokio::test]
async fn a_second_request_with_the_same_id_is_refused_and_the_first_is_answered() {
    let ConnectedAgent { mut line, alice_record, agent, bob, _alice, .. } = ConnectedAgent::new().await;
    let id = MessageId::new(now(), [7; 10]);
    let request = || {
        let options = SendOptions { id: Some(id), ..SendOptions::default() };
        agent.request_with(bob.did(), Content::text("2+2?"), TEST_TIMEOUT, options)
    };
    let relay = async {
        line.answer_lookup(&bob.record).await;
        line.answer_send().await;
        assert_eq!(request().await.unwrap_err().kind(), ErrorKind::Message);
        line.deliver(1, 1, &bob.seal(&alice_record, TestMessage::response("4", id)).envelope).await;
    };
    let (exchange, ()) = tokio::join!(request(), relay);
    assert_eq!(exchange.unwrap().answer.text(), Some("4"));
}

#[tokio::test]
async fn a_response_that_is_waited_upon_ends_the_wait_of_the_other_side() {
    let ConnectedAgent { mut line, agent, bob, _alice, .. } = ConnectedAgent::new().await;
    let re = Some(MessageId::new(now(), [7; 10]));
    let options = SendOptions { r#type: MessageType::Response, re, ..SendOptions::default() };
    let relay = async {
        line.answer_lookup(&bob.record).await;
        let sent = line.answer_send().await;
        protocol::envelope::Header::parse(&sent.protected).unwrap()
    };
    let asking = agent.try_request_with(bob.did(), Content::text("and?"), Duration::from_millis(10), options);
    let (header, outcome) = tokio::join!(relay, asking);
    assert_eq!((header.r#type, header.re), (MessageType::Response, re));
    assert!(outcome.unwrap().answer.is_none());
}
