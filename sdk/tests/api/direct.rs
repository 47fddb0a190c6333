//! Direct connections: two agents that know each other talk without a relay, and nobody else does.

use std::time::Duration;

use msg2agent::config::{DirectPeer, DirectSettings};
use msg2agent::{
    Agent, Config, Content, DirectEndpoint, DirectRefusal, ErrorKind, Identity, Inbox, KeySource, Path,
    PathChoice, RefusalReason, SendOptions, SendStatus, multikey,
};
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};

use crate::identities::{did, now};
use crate::scripted_relay::within;

/// An agent without a relay.
struct LonelyAgent {
    identity: Identity,
}

impl LonelyAgent {
    fn new(name: &str) -> Self {
        Self { identity: Identity::generate(did(name), now(), &mut rand::rng()) }
    }

    fn as_peer(&self, endpoints: Vec<DirectEndpoint>) -> DirectPeer {
        let root_key = multikey::encode_ed25519(&self.identity.root_public());
        DirectPeer { did: self.identity.did().clone(), root_key, endpoints }
    }

    fn config(&self, peers: Vec<DirectPeer>) -> Config {
        let direct = DirectSettings::default().listening_on("127.0.0.1:0".parse().unwrap());
        let direct = direct.with_peers(peers).unwrap();
        let keys = Identity::from_key_file(&self.identity.to_key_file()).unwrap();
        Config::without_relay(self.identity.did().clone(), KeySource::Memory(keys.into()), direct)
            .with_answer_timeout(Duration::from_secs(10))
    }

    async fn connect(&self, peers: Vec<DirectPeer>) -> Agent {
        within("the start", Agent::connect(self.config(peers))).await.unwrap()
    }
}

/// Bob listens, and alice knows where.
async fn pair() -> (Agent, Agent) {
    let (alice, bob) = (LonelyAgent::new("alice"), LonelyAgent::new("bob"));
    let bob_agent = bob.connect(vec![alice.as_peer(Vec::new())]).await;
    let alice_agent = alice.connect(vec![bob.as_peer(bob_agent.direct_endpoints())]).await;
    (alice_agent, bob_agent)
}

async fn echo(agent: Agent) {
    let mut inbox = agent.inbox();
    while let Some(message) = inbox.next().await {
        message.reply(message.content().clone()).await.unwrap();
        message.ack().await.unwrap();
    }
}

async fn next_text(inbox: &mut Inbox) -> String {
    let message = within("a message", inbox.next()).await.unwrap();
    message.ack().await.unwrap();
    message.text().unwrap().to_owned()
}

fn direct_only() -> SendOptions {
    SendOptions { path: PathChoice::DirectOnly, ..SendOptions::default() }
}

#[tokio::test]
async fn two_agents_that_know_each_other_talk_without_a_relay_in_both_directions() {
    let (alice, bob) = pair().await;
    let (mut to_bob, mut to_alice) = (bob.inbox(), alice.inbox());
    let (sent, text) = tokio::join!(alice.send(bob.did(), Content::text("hi")), next_text(&mut to_bob));
    let sent = sent.unwrap();
    assert_eq!((sent.status, sent.path, text.as_str()), (SendStatus::Delivered, Path::Direct, "hi"));
    // Bob knows no address of alice, and uses her connection.
    let (sent, text) = tokio::join!(bob.send(alice.did(), Content::text("hello")), next_text(&mut to_alice));
    assert_eq!((sent.unwrap().path, text.as_str()), (Path::Direct, "hello"));
}

#[tokio::test]
async fn an_agent_that_answers_before_it_acknowledges_does_not_wait_for_itself() {
    let (alice, bob) = pair().await;
    tokio::spawn(echo(bob.clone()));
    let asked = alice.request(bob.did(), Content::text("2+2?"), Duration::from_secs(5));
    assert_eq!(within("the answer", asked).await.unwrap().text(), Some("2+2?"));
}

#[tokio::test]
async fn many_messages_at_once_arrive_once_and_in_order() {
    const COUNT: usize = 2000;
    let (alice, bob) = pair().await;
    let mut inbox = bob.inbox();
    // The first one connects, so that the others are begun in order.
    let (first, _) = tokio::join!(alice.send(bob.did(), Content::text("first")), next_text(&mut inbox));
    first.unwrap();
    let (sender, to) = (alice.clone(), bob.did().clone());
    let sending = tokio::spawn(async move {
        let mut sends: Vec<_> =
            (0..COUNT).map(|n| Box::pin(sender.send(&to, Content::text(n.to_string())))).collect();
        // Each send is begun before the next one, and none waits for the one before.
        for send in &mut sends {
            let _ = tokio::task::unconstrained(async { futures::poll!(send) }).await;
        }
        futures::future::join_all(sends).await
    });
    for n in 0..COUNT {
        assert_eq!(next_text(&mut inbox).await, n.to_string());
    }
    let sent = within("the sends", sending).await.unwrap();
    assert!(sent.into_iter().all(|sent| sent.unwrap().status == SendStatus::Delivered));
    assert!(inbox.is_empty());
}

#[tokio::test]
async fn a_stolen_address_gets_nothing_and_is_refused_by_reason() {
    let (alice, bob, thief) = (LonelyAgent::new("alice"), LonelyAgent::new("bob"), LonelyAgent::new("bob"));
    let thief_agent = thief.connect(vec![alice.as_peer(Vec::new())]).await;
    let agent = alice.connect(vec![bob.as_peer(thief_agent.direct_endpoints())]).await;
    let sent =
        within("the send", agent.send_with(bob.identity.did(), Content::text("hi"), direct_only())).await;
    assert!(matches!(sent.unwrap_err().kind(), ErrorKind::Connect | ErrorKind::DirectRefused(_)));
    assert_eq!(agent.direct_refusal_counts()[&DirectRefusal::WrongKey], 1);
    assert!(thief_agent.inbox().is_empty());
}

#[tokio::test]
async fn an_agent_with_the_name_and_record_of_another_is_refused_by_reason() {
    let (alice, bob, thief) = (LonelyAgent::new("alice"), LonelyAgent::new("bob"), LonelyAgent::new("alice"));
    let bob_agent = bob.connect(vec![alice.as_peer(Vec::new())]).await;
    let agent = thief.connect(vec![bob.as_peer(bob_agent.direct_endpoints())]).await;
    within("the send", agent.send_with(bob.identity.did(), Content::text("hi"), direct_only()))
        .await
        .unwrap_err();
    assert_eq!(agent.direct_refusal_counts()[&DirectRefusal::KeyChanged], 1);
    assert_eq!(bob_agent.direct_refusal_counts()[&DirectRefusal::KeyChanged], 1);
    assert!(bob_agent.inbox().is_empty());
}

#[tokio::test]
async fn a_stranger_is_refused_by_reason() {
    let (bob, eve) = (LonelyAgent::new("bob"), LonelyAgent::new("eve"));
    let bob_agent = bob.connect(Vec::new()).await;
    let agent = eve.connect(vec![bob.as_peer(bob_agent.direct_endpoints())]).await;
    within("the send", agent.send_with(bob.identity.did(), Content::text("hi"), direct_only()))
        .await
        .unwrap_err();
    assert_eq!(bob_agent.direct_refusal_counts()[&DirectRefusal::UnknownPeer], 1);
}

#[tokio::test]
async fn a_silent_stranger_is_closed() {
    let bob = LonelyAgent::new("bob").connect(Vec::new()).await;
    let endpoint = bob.direct_endpoints().remove(0);
    let mut stranger = TcpStream::connect((endpoint.host(), endpoint.port())).await.unwrap();
    let mut byte = [0];
    assert!(matches!(within("the close", stranger.read(&mut byte)).await, Ok(0) | Err(_)));
    assert_eq!(bob.direct_refusal_counts()[&DirectRefusal::TooSlow], 1);
}

#[tokio::test]
async fn a_peer_that_rejects_a_message_tells_its_sender() {
    let (alice, bob) = pair().await;
    let rejecting = async { within("a message", bob.inbox().next()).await.unwrap().reject().await.unwrap() };
    let (sent, ()) = tokio::join!(alice.send(bob.did(), Content::text("hi")), rejecting);
    assert_eq!(sent.unwrap_err().refusal(), Some(RefusalReason::Rejected));
}

#[tokio::test]
async fn a_send_to_an_address_where_nobody_listens_fails_and_says_so() {
    let (alice, bob) = (LonelyAgent::new("alice"), LonelyAgent::new("bob"));
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let endpoint = DirectEndpoint::new("127.0.0.1", free.port()).unwrap();
    let agent = alice.connect(vec![bob.as_peer(vec![endpoint])]).await;
    let sent = within("the send", agent.send(bob.identity.did(), Content::text("hi"))).await;
    let error = sent.unwrap_err();
    assert!(error.is_temporary() && !error.may_have_been_sent(), "{error:?}");
}
