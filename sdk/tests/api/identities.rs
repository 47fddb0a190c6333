//! The agents of the tests: alice uses the SDK, and the test acts as the others.

use std::time::{SystemTime, UNIX_EPOCH};

use msg2agent::config::Endpoint;
use msg2agent::{Config, Content, Did, Identity, KeySource, MessageId, MessageType, TokenSource, key_file};
use protocol::envelope::{Class, Draft, seal, seal::Sealed};
use protocol::record::{Card, VerifiedRecord, build};
use tempfile::TempDir;

pub(crate) const TOKEN: &str = "sk_test_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
pub(crate) const OTHER_TOKEN: &str = "sk_test_AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE";

pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

pub(crate) fn did(name: &str) -> Did {
    format!("did:wba:localhost:agent:acme:{name}").parse().unwrap()
}

/// An agent as which the test acts.
pub(crate) struct TestAgent {
    pub(crate) identity: Identity,
    pub(crate) record: VerifiedRecord,
}

impl TestAgent {
    pub(crate) fn new(name: &str) -> Self {
        Self::with(Identity::generate(did(name), now(), &mut rand::rng()))
    }

    pub(crate) fn with(identity: Identity) -> Self {
        let bytes = build(&identity, Card::default(), None, now()).unwrap();
        let record = VerifiedRecord::parse(&bytes, identity.did()).unwrap();
        Self { identity, record }
    }

    pub(crate) fn did(&self) -> &Did {
        self.identity.did()
    }

    /// Seals a message to an agent.
    pub(crate) fn seal(&self, to: &VerifiedRecord, message: TestMessage<'_>) -> Sealed {
        self.seal_at(to, message, now())
    }

    /// Seals a message with this time.
    pub(crate) fn seal_at(&self, to: &VerifiedRecord, message: TestMessage<'_>, time: u64) -> Sealed {
        let draft = Draft {
            to: to.did.clone(),
            id: message.id.unwrap_or_else(|| MessageId::new(now(), rand::random())),
            class: Class::Reliable,
            r#type: message.r#type,
            thread: None,
            re: message.re,
            ttl: Some(3600),
            content: Content::text(message.text),
        };
        let key = to.keys.current_encryption().unwrap();
        seal(draft, &self.identity, key, time, &mut rand::rng()).unwrap()
    }
}

/// A message of a test agent.
#[derive(Clone, Copy)]
pub(crate) struct TestMessage<'a> {
    pub(crate) text: &'a str,
    pub(crate) r#type: MessageType,
    pub(crate) re: Option<MessageId>,
    pub(crate) id: Option<MessageId>,
}

impl<'a> TestMessage<'a> {
    pub(crate) fn event(text: &'a str) -> Self {
        Self { text, r#type: MessageType::Event, re: None, id: None }
    }

    pub(crate) fn response(text: &'a str, re: MessageId) -> Self {
        Self { text, r#type: MessageType::Response, re: Some(re), id: None }
    }
}

/// Alice's files and settings.
pub(crate) struct Alice {
    pub(crate) folder: TempDir,
    pub(crate) config: Config,
}

impl Alice {
    pub(crate) fn new(url: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let identity = Identity::generate(did("alice"), now(), &mut rand::rng());
        let keys = folder.path().join("identity.json");
        key_file::create(&keys, &identity).unwrap();
        let token = folder.path().join("token");
        std::fs::write(&token, TOKEN).unwrap();
        let endpoint = Endpoint::new(url).unwrap();
        let config = Config::new(endpoint, did("alice"), TokenSource::File(token), KeySource::File(keys));
        Self { folder, config }
    }
}
