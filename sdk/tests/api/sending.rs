//! Sending with faults: lost answers, refusals, changed keys.

use std::time::Duration;

use msg2agent::{Agent, Content, ErrorKind, Outcome, RefusalReason, SendStatus, Trust};
use protocol::Reason;
use protocol::frame::{NoticeParams, RpcError, SendResult, method};

use crate::connected_agent::{ConnectedAgent, first_send, say_hi};
use crate::identities::{Alice, TestAgent, now};
use crate::scripted_relay::{ScriptedRelay, id_of, within};

#[tokio::test]
async fn a_send_whose_answer_was_lost_is_sent_again_with_the_same_bytes() {
    let ConnectedAgent { relay, mut line, agent, bob, _alice, .. } = ConnectedAgent::new().await;
    let relay = async {
        let first = first_send(&mut line, &bob).await;
        // The relay accepted it, and the connection broke before the answer.
        drop(line);
        let (mut line, _) = relay.registered(2).await;
        let second = line.asked(method::SEND).await;
        assert_eq!(first.params, second.params);
        line.answer(&second, &SendResult { status: SendStatus::Delivered }).await;
        (line, id_of(&first))
    };
    let ((_line, id), sent) = tokio::join!(relay, say_hi(&agent, &bob));
    let sent = sent.unwrap();
    assert_eq!((sent.id, sent.status), (id, SendStatus::Delivered));
}

#[tokio::test]
async fn a_refusal_has_its_reason_and_the_time_of_the_next_attempt() {
    let ConnectedAgent { mut line, agent, bob, _alice, .. } = ConnectedAgent::new().await;
    let relay = async {
        let asked = first_send(&mut line, &bob).await;
        line.refuse(&asked, Reason::MailboxFull, Some(2500)).await;
        id_of(&asked)
    };
    let (id, refused) = tokio::join!(relay, say_hi(&agent, &bob));
    let error = refused.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected(Reason::MailboxFull));
    assert_eq!(error.retry_after(), Some(Duration::from_millis(2500)));
    assert_eq!(error.message_id(), Some(id));
    assert!(error.is_temporary());
}

#[tokio::test]
async fn a_draining_relay_gets_the_send_again_after_its_restart() {
    let ConnectedAgent { relay, mut line, agent, bob, _alice, .. } = ConnectedAgent::new().await;
    let relay = async {
        let asked = first_send(&mut line, &bob).await;
        line.refuse(&asked, Reason::Draining, Some(10)).await;
        line.close(1012).await;
        let (mut line, _) = relay.registered(2).await;
        assert_eq!(line.answer_send().await.id, id_of(&asked));
        line
    };
    let (_line, sent) = tokio::join!(relay, say_hi(&agent, &bob));
    assert_eq!(sent.unwrap().status, SendStatus::Stored);
}

#[tokio::test]
async fn nothing_is_sent_to_an_agent_whose_root_key_changed() {
    let ConnectedAgent { mut line, agent, bob, _alice, .. } = ConnectedAgent::new().await;
    let impostor = TestAgent::new("bob");
    let relay = async {
        line.answer_lookup(&bob.record).await;
        line.answer_lookup(&impostor.record).await;
        // After `forget`, the new key is looked up and used.
        line.answer_lookup(&impostor.record).await;
        line.answer_send().await;
    };
    let client = async {
        agent.lookup(bob.did()).await.unwrap();
        let error = agent.lookup(bob.did()).await.unwrap_err();
        assert!(error.is_key_changed(), "{error:?}");
        assert!(agent.forget(bob.did()).unwrap());
        say_hi(&agent, &bob).await.unwrap();
    };
    tokio::join!(relay, client);
}

#[tokio::test]
async fn a_content_beyond_the_limit_is_refused_before_it_is_sent() {
    let ConnectedAgent { mut line, agent, bob, _alice, .. } = ConnectedAgent::new().await;
    let too_long = agent.send(bob.did(), Content::text("x".repeat(1 << 20)));
    let ((), refused) = tokio::join!(line.answer_lookup(&bob.record), too_long);
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Message);
}

#[tokio::test]
async fn the_outcome_of_a_stored_message_is_reported_and_acknowledged() {
    let ConnectedAgent { mut line, agent, bob, _alice, .. } = ConnectedAgent::new().await;
    let id = msg2agent::MessageId::new(now(), [1; 10]);
    let (to, outcome) = (bob.did().clone(), Outcome::Expired);
    let notice = NoticeParams { epoch: 1, seq: 1, id, to, outcome, at: 7, reason: None, missed: 0 };
    let mut notices = agent.notices();
    line.notify(method::NOTICE, &notice).await;
    let told = within("the notice", notices.next()).await.unwrap();
    assert_eq!((told.id, told.outcome, told.at), (id, Outcome::Expired, 7));
    assert_eq!(agent.outcome(&id), Some(Outcome::Expired));
    assert_eq!(line.acked().await, (1, 1));
}

#[tokio::test]
async fn a_send_without_a_connection_was_not_sent_and_one_without_an_answer_may_have_been() {
    let (relay, bob) = (ScriptedRelay::new().await, TestAgent::new("bob"));
    let alice = Alice::new(&relay.url());
    let config = alice.config.clone().with_answer_timeout(Duration::from_millis(700));
    let (registered, agent) = tokio::join!(relay.registered(1), Agent::connect(config));
    let ((mut line, _), agent) = (registered, agent.unwrap());
    let ((), contact) = tokio::join!(line.answer_lookup(&bob.record), agent.lookup(bob.did()));
    contact.unwrap();
    let unanswered = say_hi(&agent, &bob).await.unwrap_err();
    assert!(unanswered.is_timeout() && unanswered.may_have_been_sent(), "{unanswered:?}");
    drop((line, relay));
    let mut connection = agent.watch_connection();
    within("the loss", connection.wait_for(|now| !now.is_connected())).await.unwrap();
    let unsent = say_hi(&agent, &bob).await.unwrap_err();
    assert!(unsent.is_timeout() && !unsent.may_have_been_sent(), "{unsent:?}");
}

#[tokio::test]
async fn a_refusal_of_the_recipient_has_its_own_word() {
    let ConnectedAgent { mut line, agent, bob, _alice, .. } = ConnectedAgent::new().await;
    let relay = async {
        let asked = first_send(&mut line, &bob).await;
        line.refuse_with(&asked, &RpcError::refused(RefusalReason::Undecryptable)).await;
        // It may have other keys now.
        let asked = first_send(&mut line, &bob).await;
        line.refuse_with(&asked, &RpcError::ended(Outcome::Expired)).await;
    };
    let client = async {
        let refused = say_hi(&agent, &bob).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Rejected(Reason::Refused));
        assert_eq!(refused.refusal(), Some(RefusalReason::Undecryptable));
        let ended = say_hi(&agent, &bob).await.unwrap_err();
        assert_eq!((ended.reason(), ended.outcome()), (Some(Reason::Ended), Some(Outcome::Expired)));
        assert!(!refused.is_temporary() && !ended.is_temporary());
    };
    tokio::join!(relay, client);
}

#[tokio::test]
async fn a_root_key_is_pinned_over_restarts() {
    let (relay, bob, impostor) = (ScriptedRelay::new().await, TestAgent::new("bob"), TestAgent::new("bob"));
    let alice = Alice::new(&relay.url());
    let config = alice.config.clone().with_state_dir(alice.folder.path().join("state"));
    let (registered, agent) = tokio::join!(relay.registered(1), Agent::connect(config.clone()));
    let ((mut line, _), agent) = (registered, agent.unwrap());
    let ((), contact) = tokio::join!(line.answer_lookup(&bob.record), agent.lookup(bob.did()));
    assert_eq!(contact.unwrap().trust, Trust::FirstContact);
    agent.close().await;
    drop(agent);

    let (registered, agent) = tokio::join!(relay.registered(2), Agent::connect(config));
    let ((mut line, _), agent) = (registered, agent.unwrap());
    let ((), error) = tokio::join!(line.answer_lookup(&impostor.record), agent.lookup(bob.did()));
    assert!(error.unwrap_err().is_key_changed());
}

#[tokio::test]
async fn an_anchor_counts_more_than_the_relays_word_at_the_first_contact() {
    let (relay, bob, impostor) = (ScriptedRelay::new().await, TestAgent::new("bob"), TestAgent::new("bob"));
    let alice = Alice::new(&relay.url());
    let root = protocol::multikey::encode_ed25519(&bob.identity.root_public());
    let config = alice.config.clone().with_anchor(bob.did().clone(), &root).unwrap();
    let (registered, agent) = tokio::join!(relay.registered(1), Agent::connect(config));
    let ((mut line, _), agent) = (registered, agent.unwrap());
    let ((), forged) = tokio::join!(line.answer_lookup(&impostor.record), say_hi(&agent, &bob));
    assert!(forged.unwrap_err().is_key_changed(), "nothing was sent");
    let ((), contact) = tokio::join!(line.answer_lookup(&bob.record), agent.lookup(bob.did()));
    assert_eq!(contact.unwrap().trust, Trust::Anchored);
}
