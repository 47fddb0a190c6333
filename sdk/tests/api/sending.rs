//! Sends across faults: lost answers, refusals, changed keys.

use std::time::Duration;

use msg2agent::{Agent, Content, ErrorKind, Outcome, Status};
use protocol::Reason;
use protocol::frame::{NoticeParams, SendResult, method};

use crate::identities::{Alice, Played, did, now};
use crate::peer::{Peer, id_of, within};

#[tokio::test]
async fn a_send_whose_answer_was_lost_is_sent_again_with_the_same_bytes() {
    let (peer, bob) = (Peer::new().await, Played::new("bob"));
    let alice = Alice::new(&peer.url());
    let relay = async {
        let (mut line, _) = peer.registered(1).await;
        line.answer_lookup(&bob.record).await;
        let first = line.asked(method::SEND).await;
        // The relay took it, and the connection broke before the answer.
        drop(line);
        let (mut line, _) = peer.registered(2).await;
        let second = line.asked(method::SEND).await;
        assert_eq!(first.params, second.params);
        line.answer(&second, &SendResult { status: Status::Delivered }).await;
        (line, id_of(&first))
    };
    let client = async {
        let agent = Agent::connect(alice.config.clone()).await.unwrap();
        let sent = within("the send", agent.send(bob.did(), Content::text("hi"))).await.unwrap();
        (agent, sent)
    };
    let ((_line, id), (_agent, sent)) = tokio::join!(relay, client);
    assert_eq!((sent.id, sent.status), (id, Status::Delivered));
}

#[tokio::test]
async fn a_refusal_tells_the_reason_and_when_to_try_again() {
    let (peer, bob) = (Peer::new().await, Played::new("bob"));
    let alice = Alice::new(&peer.url());
    let relay = async {
        let (mut line, _) = peer.registered(1).await;
        line.answer_lookup(&bob.record).await;
        let asked = line.asked(method::SEND).await;
        line.refuse(&asked, Reason::MailboxFull, Some(2500)).await;
        (line, id_of(&asked))
    };
    let client = async {
        let agent = Agent::connect(alice.config.clone()).await.unwrap();
        let error = agent.send(bob.did(), Content::text("hi")).await.unwrap_err();
        (agent, error)
    };
    let ((_line, id), (_agent, error)) = tokio::join!(relay, client);
    assert_eq!(error.kind(), ErrorKind::Rejected(Reason::MailboxFull));
    assert_eq!(error.retry_after(), Some(Duration::from_millis(2500)));
    assert_eq!(error.message_id(), Some(id));
    assert!(error.is_temporary());
}

#[tokio::test]
async fn a_draining_relay_gets_the_send_again_after_its_restart() {
    let (peer, bob) = (Peer::new().await, Played::new("bob"));
    let alice = Alice::new(&peer.url());
    let relay = async {
        let (mut line, _) = peer.registered(1).await;
        line.answer_lookup(&bob.record).await;
        let asked = line.asked(method::SEND).await;
        line.refuse(&asked, Reason::Draining, Some(10)).await;
        line.close(1012).await;
        let (mut line, _) = peer.registered(2).await;
        assert_eq!(line.answer_send().await.id, id_of(&asked));
        line
    };
    let client = async {
        let agent = Agent::connect(alice.config.clone()).await.unwrap();
        let sent = within("the send", agent.send(bob.did(), Content::text("hi"))).await.unwrap();
        (agent, sent)
    };
    let (_line, (_agent, sent)) = tokio::join!(relay, client);
    assert_eq!(sent.status, Status::Stored);
}

#[tokio::test]
async fn nothing_is_sent_to_an_agent_whose_root_key_changed() {
    let (peer, bob, impostor) = (Peer::new().await, Played::new("bob"), Played::new("bob"));
    let alice = Alice::new(&peer.url());
    let relay = async {
        let (mut line, _) = peer.registered(1).await;
        line.answer_lookup(&bob.record).await;
        line.answer_lookup(&impostor.record).await;
        // Forgotten: the new key is looked up again and used.
        line.answer_lookup(&impostor.record).await;
        line.answer_send().await;
        line
    };
    let client = async {
        let agent = Agent::connect(alice.config.clone()).await.unwrap();
        agent.lookup(bob.did()).await.unwrap();
        let error = agent.lookup(bob.did()).await.unwrap_err();
        assert!(error.is_key_changed(), "{error:?}");
        assert!(agent.forget(bob.did()).unwrap());
        agent.send(bob.did(), Content::text("hi")).await.unwrap();
        agent
    };
    tokio::join!(relay, client);
}

#[tokio::test]
async fn a_content_beyond_the_limit_is_refused_before_it_is_sent() {
    let (peer, bob) = (Peer::new().await, Played::new("bob"));
    let alice = Alice::new(&peer.url());
    let relay = async {
        let (mut line, _) = peer.registered(1).await;
        line.answer_lookup(&bob.record).await;
        line
    };
    let client = async {
        let agent = Agent::connect(alice.config.clone()).await.unwrap();
        let error = agent.send(bob.did(), Content::text("x".repeat(1 << 20))).await.unwrap_err();
        (agent, error)
    };
    let (_line, (_agent, error)) = tokio::join!(relay, client);
    assert_eq!(error.kind(), ErrorKind::Message);
}

#[tokio::test]
async fn the_fate_of_a_stored_message_is_told_and_acknowledged() {
    let peer = Peer::new().await;
    let alice = Alice::new(&peer.url());
    let id = msg2agent::MessageId::new(now(), [1; 10]);
    let notice = NoticeParams { epoch: 1, seq: 1, id, to: did("bob"), outcome: Outcome::Expired, at: 7 };
    let connected = tokio::join!(peer.registered(1), Agent::connect(alice.config.clone()));
    let ((mut line, _), agent) = (connected.0, connected.1.unwrap());
    let mut notices = agent.notices();
    line.notify(method::NOTICE, &notice).await;
    let told = within("the notice", notices.next()).await.unwrap();
    assert_eq!((told.id, told.outcome, told.at), (id, Outcome::Expired, 7));
    assert_eq!(agent.outcome(&id), Some(Outcome::Expired));
    assert_eq!(line.acked().await, (1, 1));
}
