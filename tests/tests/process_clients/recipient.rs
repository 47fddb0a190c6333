//! A sender and a recipient of the SDK at a real relay, whose clocks and keys a test can spoil.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use anyhow::ensure;
use devtools::eventually::eventually;
use devtools::relay_process::RelayProcess;
use msg2agent::config::Endpoint;
use msg2agent::{
    Agent, Clock, Config, Content, Did, Error, ErrorKind, Identity, Inbox, KeySource, Message, MessageId,
    Notices, Outcome, Reason, RefusalReason, SendStatus, Sent, TokenSource, key_file, multikey,
};
use protocol::admin::{AgentKey, AgentSpec, TenantSpec};
use protocol::api_key::ApiKey;

use crate::TENANT;

/// Longest wait for something that happens at once on a machine that has nothing else to do.
const EVENT_TIMEOUT: Duration = Duration::from_secs(60);

/// Waits for something that must happen.
pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(EVENT_TIMEOUT, future).await.unwrap_or_else(|_| panic!("{what} did not come"))
}

/// A clock that a test sets: that of this machine, and seconds that it is ahead of it.
#[derive(Clone, Default)]
pub(crate) struct SetClock(Arc<AtomicI64>);

impl SetClock {
    pub(crate) fn set(&self, ahead_seconds: i64) {
        self.0.store(ahead_seconds, Ordering::SeqCst);
    }

    fn clock(&self) -> Clock {
        let (ahead, system) = (Arc::clone(&self.0), Clock::system());
        Clock::from_fn(move || system.now().saturating_add_signed(ahead.load(Ordering::SeqCst)))
    }
}

/// An agent of the test with its credentials and its clock.
pub(crate) struct Party {
    folder: tempfile::TempDir,
    did: Did,
    key: ApiKey,
    pub(crate) clock: SetClock,
}

impl Party {
    async fn declared(relay: &RelayProcess, name: &str) -> Self {
        let identity = relay.identity(TENANT, name).unwrap();
        let key = relay.admin().unwrap().make_agent(&identity).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        key_file::create(&folder.path().join("identity.json"), &identity).unwrap();
        Self { folder, did: identity.did().clone(), key, clock: SetClock::default() }
    }

    fn key_file(&self) -> PathBuf {
        self.folder.path().join("identity.json")
    }

    pub(crate) fn identity(&self) -> Identity {
        key_file::load(&self.key_file()).unwrap()
    }

    /// The settings of its next process.
    pub(crate) fn config(&self, relay: &RelayProcess) -> Config {
        let (endpoint, did) = (Endpoint::new(&relay.url()).unwrap(), self.did.clone());
        let (token, keys) = (TokenSource::Value(self.key.clone()), KeySource::File(self.key_file()));
        Config::new(endpoint, did, token, keys)
            .with_clock(self.clock.clock())
            .with_state_dir(self.folder.path().join("state"))
    }

    /// Connects, or fails after a second.
    pub(crate) async fn connect_now(&self, relay: &RelayProcess) -> Result<Agent, Error> {
        Agent::connect(self.config(relay).with_connect_timeout(Duration::from_secs(1))).await
    }

    /// Connects, however long that takes.
    pub(crate) async fn connect(&self, relay: &RelayProcess) -> Agent {
        let config = self.config(relay).with_connect_timeout(EVENT_TIMEOUT);
        within("the connection", Agent::connect(config)).await.unwrap()
    }

    /// Loses the encryption keys, and makes a new one: under the id of the lost one, or another.
    pub(crate) fn lose_encryption_key(&self, kid: &str) {
        let old = self.identity();
        let other = Identity::generate(self.did.clone(), 0, &mut rand::rng());
        let mut file: serde_json::Value = serde_json::from_str(&old.to_key_file()).unwrap();
        let fresh: serde_json::Value = serde_json::from_str(&other.to_key_file()).unwrap();
        file["encryption"] = fresh["encryption"].clone();
        file["encryption"][0]["kid"] = kid.into();
        let changed = Identity::from_key_file(&file.to_string()).unwrap();
        key_file::replace(&self.key_file(), &changed).unwrap();
    }

    /// Loses every key, and makes new ones; the administrator declares the new root key.
    pub(crate) async fn replace_root_key(&self, relay: &RelayProcess) {
        let new = relay.identity(TENANT, self.did.name()).unwrap();
        let spec = AgentSpec {
            root_key: Some(multikey::encode_ed25519(&new.root_public())),
            keys: vec![AgentKey { sha256: self.key.hash(), not_after: None }],
            ..AgentSpec::default()
        };
        relay.admin().unwrap().put_agent(&new, &spec).await.unwrap();
        key_file::replace(&self.key_file(), &new).unwrap();
    }
}

/// Alice sends to Bob.
pub(crate) struct Scene {
    pub(crate) relay: RelayProcess,
    pub(crate) alice: Party,
    pub(crate) bob: Party,
    pub(crate) sender: Agent,
    notices: Notices,
}

impl Scene {
    pub(crate) async fn new() -> Self {
        Self::with(|config| config).await
    }

    /// A scene whose sender has more settings.
    pub(crate) async fn with(settings: impl FnOnce(Config) -> Config) -> Self {
        devtools::install_tls_provider();
        let relay = RelayProcess::start().await.unwrap();
        relay.admin().unwrap().put_tenant(TENANT, &TenantSpec::default()).await.unwrap();
        let (alice, bob) = (Party::declared(&relay, "alice").await, Party::declared(&relay, "bob").await);
        let sender = Agent::connect(settings(alice.config(&relay))).await.unwrap();
        let notices = sender.notices();
        Self { relay, alice, bob, sender, notices }
    }

    pub(crate) async fn bob_connects(&self) -> Agent {
        self.bob.connect(&self.relay).await
    }

    pub(crate) async fn send(&self, text: &str) -> Result<Sent, Error> {
        self.sender.send(&self.bob.did, Content::text(text)).await
    }

    /// Sends what has to wait for the recipient.
    pub(crate) async fn store(&self, text: &str) -> MessageId {
        let sent = self.send(text).await.unwrap();
        assert_eq!(sent.status, SendStatus::Stored, "{text}");
        sent.id
    }

    /// Waits until one message waits at the relay.
    pub(crate) async fn stored(&self) {
        let one = || async {
            let metrics = self.relay.metrics().await?;
            ensure!(metrics.contains("\nmsg2agent_relay_mailbox_messages 1\n"), "{metrics}");
            Ok(())
        };
        eventually("a message waits", EVENT_TIMEOUT, one).await.unwrap();
    }

    /// The word with which the recipient refused a message, whether the sender was told at once, or
    /// that it was stored and then by a notice.
    pub(crate) async fn refusal(&mut self, sent: Result<Sent, Error>) -> Option<RefusalReason> {
        match sent {
            Ok(sent) => {
                assert_eq!(sent.status, SendStatus::Stored);
                self.refusal_of_stored(sent.id).await
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Rejected(Reason::Refused), "{error:?}");
                error.refusal()
            }
        }
    }

    /// The word with which the recipient refused a message that was answered `stored`.
    pub(crate) async fn refusal_of_stored(&mut self, id: MessageId) -> Option<RefusalReason> {
        let notice = within("the notice", self.notices.next()).await.unwrap();
        assert_eq!((notice.id, notice.outcome), (id, Outcome::Refused));
        notice.ack().await.unwrap();
        notice.reason
    }

    /// Waits until the sender is told that a message which was answered `stored` was delivered.
    pub(crate) async fn told_delivered(&mut self, id: MessageId) {
        let notice = within("the notice", self.notices.next()).await.unwrap();
        assert_eq!((notice.id, notice.outcome), (id, Outcome::Delivered));
        notice.ack().await.unwrap();
    }

    /// Sends what Bob acknowledges, and waits until the sender is told so.
    pub(crate) async fn reach(&mut self, bob: &Agent, text: &str) {
        let sending = self.send(text);
        let reading = async { shown(&mut bob.inbox(), text).await.ack().await.unwrap() };
        let (sent, ()) = tokio::join!(sending, reading);
        let sent = sent.unwrap();
        if sent.status == SendStatus::Stored {
            self.told_delivered(sent.id).await;
        }
    }

    /// Whoever connects as Bob is reached, and reaches Alice.
    pub(crate) async fn traffic_goes_on(&mut self, bob: &Agent) {
        self.reach(bob, "there").await;
        let mut at_alice = self.sender.inbox();
        bob.send(self.sender.did(), Content::text("back")).await.unwrap();
        shown(&mut at_alice, "back").await.ack().await.unwrap();
        bob.close().await;
        self.sender.close().await;
    }
}

/// The next message that an application is shown, which has this text.
pub(crate) async fn shown(inbox: &mut Inbox, text: &str) -> Message {
    let message = within("a message", inbox.next()).await.unwrap();
    assert_eq!(message.text(), Some(text));
    message
}
