//! Runs clients against the relay as a process: in Python and Node, written from `docs/protocol.md`
//! alone, and of the SDK, to a recipient whose clock or keys are wrong.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot set itself up should fail on the spot"
)]

use devtools::relay_process::RelayProcess;
use devtools::repository;
use msg2agent_tests::protocol_clients::{Language, ProtocolClients};
use protocol::admin::{AgentKey, AgentSpec, TenantSpec};
use protocol::api_key::ApiKey;
use serde_json::{Value, json};

mod recipient;
mod recipient_clocks;
mod recipient_keys;

const TENANT: &str = "acme";
/// Requests of one conversation. The relay is killed in the middle of them.
const COUNT: u64 = 100;

struct Scene {
    relay: RelayProcess,
    clients: ProtocolClients,
}

impl Scene {
    async fn new() -> Self {
        devtools::install_tls_provider();
        let (relay, clients) =
            (RelayProcess::start().await.unwrap(), ProtocolClients::installed().await.unwrap());
        relay.admin().unwrap().put_tenant(TENANT, &TenantSpec::default()).await.unwrap();
        Self { relay, clients }
    }

    /// Declares an agent, and returns the settings of its client.
    async fn settings(&self, name: &str, peer: &str) -> Value {
        let did = |name| self.relay.identity(TENANT, name).unwrap().did().clone();
        // The client makes a root key of its own, which the relay pins.
        let (identity, key) =
            (self.relay.identity(TENANT, name).unwrap(), ApiKey::generate(&mut rand::rng()));
        let keys = vec![AgentKey { sha256: key.hash(), not_after: None }];
        let spec = AgentSpec { keys, ..AgentSpec::default() };
        self.relay.admin().unwrap().put_agent(&identity, &spec).await.unwrap();
        json!({
            "url": self.relay.url(), "key": key.reveal(), "name": name, "did": did(name), "peer": did(peer),
            "count": COUNT,
        })
    }

    /// One asks, the other answers, and the relay is killed meanwhile.
    async fn converse_through_a_crash(&mut self, asking: Language, answering: Language) {
        let (asker, answerer) =
            (self.settings("asker", "answerer").await, self.settings("answerer", "asker").await);
        let mut answerer = self.clients.start(answering, "answer", &answerer).unwrap();
        let limits = answerer.line_with("online").await.unwrap()["limits"].clone();
        assert_eq!((&limits["windowMessages"], &limits["windowBytes"]), (&json!(256), &json!(1 << 20)));
        let mut asker = self.clients.start(asking, "ask", &asker).unwrap();
        while asker.line_with("sent").await.unwrap()["sent"] != 40 {}
        self.relay.kill().await.unwrap();
        self.relay.restart().await.unwrap();

        let asked = asker.line_with("answers").await.unwrap();
        assert_eq!((&asked["answers"], &asked["inOrder"]), (&json!(COUNT), &json!(true)), "{asked}");
        assert!(asked["reconnects"].as_u64().unwrap() > 0, "{asked}");
        let heard = answerer.line_with("heard").await.unwrap();
        assert_eq!((&heard["heard"], &heard["inOrder"]), (&json!(COUNT), &json!(true)), "{heard}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn python_asks_and_node_answers_each_once_and_in_order_although_the_relay_is_killed() {
    Scene::new().await.converse_through_a_crash(Language::Python, Language::Node).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn node_asks_and_python_answers_each_once_and_in_order_although_the_relay_is_killed() {
    Scene::new().await.converse_through_a_crash(Language::Node, Language::Python).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_its_recipient_cannot_open_is_refused_with_its_word_and_never_delivered() {
    let scene = Scene::new().await;
    for (recipient, names) in [(Language::Python, ["alice", "bob"]), (Language::Node, ["carol", "dave"])] {
        let [alice, bob] = names;
        let (alice, bob) = (scene.settings(alice, bob).await, scene.settings(bob, alice).await);
        let mut bob = scene.clients.start(recipient, "answer", &bob).unwrap();
        let online = bob.line_with("online").await.unwrap();
        assert_eq!(online["features"], json!(["refuse"]));
        let mut alice = scene.clients.start(Language::Python, "refuse", &alice).unwrap();
        let said = alice.line_with("answer").await.unwrap();
        assert_eq!((&said["outcome"], &said["word"]), (&json!("refused"), &json!("undecryptable")), "{said}");
        assert!(said["answer"] == "refused" || said["answer"] == "stored", "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_misbehaves_is_refused_by_reason() {
    let scene = Scene::new().await;
    scene.settings("bob", "mallory").await;
    let mallory = scene.settings("mallory", "bob").await;
    let mut mallory = scene.clients.start(Language::Python, "misbehave", &mallory).unwrap();
    let seen = mallory.line_with("seen").await.unwrap()["seen"].clone();
    let expected = json!({
        "a wrong key": "401 key_unknown",
        "no subprotocol": "400 subprotocol_missing",
        "a send before registering": "not_registered",
        "another signature": "bad_signature",
        "a challenge twice": "challenge_unknown",
        "a long name": "bad_record",
        "somebody else": "forbidden",
        "an id that is null": "invalid_request",
        "no JSON": "malformed",
        "a member twice": "malformed",
        "a refusal without a word": "invalid_params",
        "params that are null": "invalid_params",
        "an unknown method": "unknown_method",
        "a ttl of 0": "invalid_ttl",
        "a ttl of 8 days": "invalid_ttl",
        "another sender": "from_mismatch",
        "nobody": "not_found",
        "an ephemeral one to somebody away": "recipient_offline",
        "the first time": "accepted",
        "the same id with another body": "duplicate_id",
        "an acknowledgement of another epoch": "accepted",
        "an acknowledgement of the future": 1008,
        "a binary frame": 4400,
    });
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn the_worked_example_follows_from_the_page_and_its_keys() {
    let clients = ProtocolClients::installed().await.unwrap();
    let example = repository().join("protocol/fixtures/worked-example.json");
    let mut python = clients.start(Language::Python, "example", &json!({"example": example})).unwrap();
    let said = python.line_with("same").await.unwrap();
    assert_eq!(said, json!({"same": 5, "of": 5, "root": true, "said": "hello"}));
}
