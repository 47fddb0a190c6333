//! Connections: credentials, goodbyes, replacement, key rotation, closing.

use std::time::{Duration, Instant};

use msg2agent::{Agent, ConnectionState, Content, ErrorKind, TokenSource};
use protocol::Reason;
use protocol::frame::{GoodbyeParams, method};

use crate::identities::{Alice, OTHER_TOKEN, TOKEN, TestAgent};
use crate::scripted_relay::{ReceivedFrame, ScriptedRelay, within};

#[tokio::test]
async fn a_revoked_key_is_replaced_by_the_one_in_the_file() {
    let relay = ScriptedRelay::new().await;
    let alice = Alice::new(&relay.url());
    let (line, agent) = tokio::join!(relay.registered(1), Agent::connect(alice.config.clone()));
    let (line, _agent) = (line.0, agent.unwrap());
    assert_eq!(line.bearer, format!("Bearer {TOKEN}"));
    std::fs::write(alice.folder.path().join("token"), OTHER_TOKEN).unwrap();
    line.close(4401).await;
    // Another replica may not have the new key yet.
    relay.refuse_key().await;
    let (line, _) = relay.registered(2).await;
    assert_eq!(line.bearer, format!("Bearer {OTHER_TOKEN}"));
}

#[tokio::test]
async fn a_key_that_cannot_change_is_refused_at_once() {
    let relay = ScriptedRelay::new().await;
    let alice = Alice::new(&relay.url());
    let TokenSource::Value(key) = TokenSource::Value(TOKEN.parse().unwrap()) else { unreachable!() };
    let keys = msg2agent::KeySource::File(alice.folder.path().join("identity.json"));
    let endpoint = msg2agent::config::Endpoint::new(&relay.url()).unwrap();
    let config = msg2agent::Config::new(endpoint, alice.config.did().clone(), TokenSource::Value(key), keys);
    let ((), refused) = tokio::join!(relay.refuse_key(), within("the refusal", Agent::connect(config)));
    let error = refused.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Unauthorized);
    assert_eq!(error.advice(), Some(Reason::KeyUnknown.advice()));
    assert_eq!(error.reason(), Some(Reason::KeyUnknown));
    assert!(!error.chain().contains("sk_test"), "{error:?}");
}

#[tokio::test]
async fn a_rejected_key_is_reported_while_the_file_is_read_again() {
    let relay = ScriptedRelay::new().await;
    let alice = Alice::new(&relay.url());
    let (line, agent) = tokio::join!(relay.registered(1), Agent::connect(alice.config.clone()));
    let agent = agent.unwrap();
    line.0.close(4401).await;
    relay.refuse_upgrade(Reason::KeyExpired).await;
    let mut connection = agent.watch_connection();
    let reported = |state: &ConnectionState| match state {
        ConnectionState::Connecting { last_error: Some(error), .. } => {
            error.reason() == Some(Reason::KeyExpired)
        }
        _ => false,
    };
    within("the reason", connection.wait_for(reported)).await.unwrap();
}

#[tokio::test]
async fn a_suspension_is_reported_at_the_upgrade_and_when_the_session_ends() {
    let relay = ScriptedRelay::new().await;
    let alice = Alice::new(&relay.url());
    let ((), refused) = tokio::join!(
        relay.refuse_upgrade(Reason::Suspended),
        within("the refusal", Agent::connect(alice.config.clone()))
    );
    let error = refused.err().unwrap();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Suspended, Some(Reason::Suspended)));
    assert_eq!(error.advice(), Some(Reason::Suspended.advice()));

    let (line, agent) = tokio::join!(relay.registered(1), Agent::connect(alice.config.clone()));
    let agent = agent.unwrap();
    line.0.close(4403).await;
    let error = within("the end", agent.ended()).await;
    assert_eq!(error.kind(), ErrorKind::Suspended);
    let bob = TestAgent::new("bob");
    let refused = agent.send(bob.did(), Content::text("hi")).await.unwrap_err();
    assert!(error.is_closed() && refused.is_closed(), "{refused:?}");
}

#[tokio::test]
async fn connecting_to_an_unreachable_relay_fails_after_the_timeout() {
    let relay = ScriptedRelay::new().await;
    let url = relay.url();
    drop(relay);
    let alice = Alice::new(&url);
    let config = alice.config.clone().with_connect_timeout(Duration::from_millis(300));
    let error = within("giving up", Agent::connect(config)).await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Connect);
    assert!(error.to_string().contains(&url), "{error:?}");
}

#[tokio::test]
async fn a_goodbye_is_followed_by_a_return_after_the_hinted_time() {
    let relay = ScriptedRelay::new().await;
    let alice = Alice::new(&relay.url());
    let (line, agent) = tokio::join!(relay.registered(1), Agent::connect(alice.config.clone()));
    let (mut line, agent) = (line.0, agent.unwrap());
    let goodbye = GoodbyeParams { reason: "restart".into(), reconnect_after_ms: 700 };
    line.notify(method::GOODBYE, &goodbye).await;
    let left = Instant::now();
    line.close(1012).await;
    let (_line, _) = relay.registered(2).await;
    assert!(left.elapsed() >= Duration::from_millis(700), "it came back after {:?}", left.elapsed());
    let mut connection = agent.watch_connection();
    within("the link", connection.wait_for(ConnectionState::is_online)).await.unwrap();
}

#[tokio::test]
async fn a_replaced_session_ends_the_agent_and_does_not_fight_back() {
    let (relay, bob) = (ScriptedRelay::new().await, TestAgent::new("bob"));
    let alice = Alice::new(&relay.url());
    let (line, agent) = tokio::join!(relay.registered(1), Agent::connect(alice.config.clone()));
    let agent = agent.unwrap();
    line.0.close(4409).await;
    let error = within("the end", agent.ended()).await;
    assert_eq!(error.kind(), ErrorKind::Replaced);
    assert!(within("the inbox", agent.inbox().next()).await.is_none());
    let refused = agent.send(bob.did(), Content::text("hi")).await.unwrap_err();
    assert!(refused.is_closed(), "{refused:?}");
    assert_eq!(refused.kind(), ErrorKind::Replaced, "it says why the agent ended");
    assert!(!refused.may_have_been_sent());
}

#[tokio::test]
async fn the_agent_signs_for_the_relay_of_its_own_domain_only() {
    let relay = ScriptedRelay::new().await;
    let alice = Alice::new(&relay.url());
    let relay = async {
        let mut line = relay.accept().await;
        let asked = line.asked(method::CHALLENGE).await;
        let domain = "evil.example".parse().unwrap();
        let challenge = protocol::frame::ChallengeResult { nonce: [1; 32], domain, expires: 30 };
        line.answer(&asked, &challenge).await;
        line
    };
    let (_line, agent) = tokio::join!(relay, within("the refusal", Agent::connect(alice.config.clone())));
    let error = agent.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("evil.example"), "{error:?}");
}

#[tokio::test]
async fn a_did_that_belongs_to_another_key_has_its_own_error_kind() {
    let relay = ScriptedRelay::new().await;
    let alice = Alice::new(&relay.url());
    let relay = async {
        let mut line = relay.accept().await;
        let asked = line.asked(method::CHALLENGE).await;
        line.refuse(&asked, Reason::KeyConflict, None).await;
        line
    };
    let (_line, agent) = tokio::join!(relay, within("the refusal", Agent::connect(alice.config.clone())));
    assert_eq!(agent.err().unwrap().kind(), ErrorKind::Registration(Reason::KeyConflict));
}

#[tokio::test]
async fn rotated_keys_are_registered_and_used_from_then_on() {
    let (relay, bob) = (ScriptedRelay::new().await, TestAgent::new("bob"));
    let alice = Alice::new(&relay.url());
    let (line, agent) = tokio::join!(relay.registered(1), Agent::connect(alice.config.clone()));
    let (_line, agent) = (line.0, agent.unwrap());
    agent.rotate().await.unwrap();
    let (mut line, record) = relay.registered(2).await;
    let kids: Vec<_> = record.keys.signing.keys().map(ToString::to_string).collect();
    assert_eq!(kids, ["sig-1", "sig-2"]);
    let relay = async {
        line.answer_lookup(&bob.record).await;
        line.answer_send().await
    };
    let (envelope, sent) = tokio::join!(relay, agent.send(bob.did(), Content::text("hi")));
    sent.unwrap();
    let header = protocol::envelope::open::authenticate(&envelope, &record.keys).unwrap();
    assert_eq!(header.skid.to_string(), "sig-2");
}

#[tokio::test]
async fn the_relay_says_how_long_a_client_stays_away_that_it_cannot_serve_now() {
    let relay = ScriptedRelay::new().await;
    let alice = Alice::new(&relay.url());
    let (line, agent) = tokio::join!(relay.registered(1), Agent::connect(alice.config.clone()));
    let agent = agent.unwrap();
    line.0.close(1012).await;
    relay.refuse_upgrade_for(Reason::Overloaded, Some(1)).await;
    let left = Instant::now();
    let mut connection = agent.watch_connection();
    let reported = |state: &ConnectionState| match state {
        ConnectionState::Connecting { last_error: Some(error), .. } => {
            error.reason() == Some(Reason::Overloaded) && error.retry_after().is_some()
        }
        _ => false,
    };
    within("the reason", connection.wait_for(reported)).await.unwrap();
    let (_line, _) = relay.registered(2).await;
    assert!(left.elapsed() >= Duration::from_secs(1), "it came back after {:?}", left.elapsed());
}

#[tokio::test]
async fn an_agent_that_yields_is_replaced_by_the_next_process_of_its_profile() {
    let relay = ScriptedRelay::new().await;
    let alice = Alice::new(&relay.url());
    let config = alice.config.clone().with_state_dir(alice.folder.path().join("state"));
    let (_line, first) = tokio::join!(relay.registered(1), Agent::connect(config.clone().yielding()));
    let first = first.unwrap();
    let (_line, second) = tokio::join!(relay.registered(2), Agent::connect(config));
    assert_eq!(within("the end", first.ended()).await.kind(), ErrorKind::Replaced);
    assert!(second.unwrap().connection_state().is_online());
}

/// The time of the record in a registration.
fn created_of(asked: &ReceivedFrame, did: &msg2agent::Did) -> u64 {
    let bytes = protocol::base64url::decode(asked.params["record"].as_str().unwrap()).unwrap();
    protocol::record::VerifiedRecord::parse(&bytes, did).unwrap().keys.created
}

#[tokio::test]
async fn a_record_that_is_older_than_the_registered_one_is_signed_again() {
    let relay = ScriptedRelay::new().await;
    let alice = Alice::new(&relay.url());
    let (line, agent) = tokio::join!(relay.registered(1), Agent::connect(alice.config.clone()));
    let (line, agent) = (line.0, agent.unwrap());
    line.close(1012).await;
    // Another process with the same keys has registered a newer record meanwhile.
    let mut line = relay.accept().await;
    let asked = line.asked(method::CHALLENGE).await;
    let challenge = protocol::frame::ChallengeResult {
        nonce: [1; 32],
        domain: "localhost".parse().unwrap(),
        expires: 30,
    };
    line.answer(&asked, &challenge).await;
    let old = line.asked(method::REGISTER).await;
    line.refuse(&old, Reason::RecordRollback, None).await;
    let (_line, record) = relay.registered(3).await;
    assert!(record.keys.created >= created_of(&old, &record.did), "it is signed with the time of now");
    let mut connection = agent.watch_connection();
    within("the session", connection.wait_for(ConnectionState::is_online)).await.unwrap();
}

#[tokio::test]
async fn one_state_folder_serves_one_process() {
    let relay = ScriptedRelay::new().await;
    let alice = Alice::new(&relay.url());
    let config = alice.config.clone().with_state_dir(alice.folder.path().join("state"));
    let (_line, agent) = tokio::join!(relay.registered(1), Agent::connect(config.clone()));
    let first = agent.unwrap();
    let error = Agent::connect(config).await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::InUse);
    assert!(first.connection_state().is_online(), "the first agent continues");
}

#[tokio::test]
async fn closing_sends_the_last_acknowledgement() {
    let (relay, bob) = (ScriptedRelay::new().await, TestAgent::new("bob"));
    let alice = Alice::new(&relay.url());
    let (registered, agent) = tokio::join!(relay.registered(1), Agent::connect(alice.config.clone()));
    let ((mut line, record), agent) = (registered, agent.unwrap());
    let said = crate::identities::TestMessage::event("hi");
    line.deliver(1, 1, &bob.seal(&record, said).envelope).await;
    line.answer_lookup(&bob.record).await;
    within("the message", agent.inbox().next()).await.unwrap().ack().await.unwrap();
    agent.close().await;
    assert_eq!(line.acked().await, (1, 1));
}
