//! Writes the proof of one message from alice to bob.

use std::time::{SystemTime, UNIX_EPOCH};

use msg2agent::{Content, Did, Identity, MessageId, MessageType};
use protocol::envelope::{Class, Draft, seal};
use protocol::multikey::encode_ed25519;
use protocol::proof::{self, ProvenMessage};
use protocol::record::{Card, VerifiedRecord, build};

pub(crate) struct Sample {
    pub(crate) file: Vec<u8>,
    /// `DID=MULTIKEY` of Alice, who sent the message and wrote the file.
    pub(crate) root: String,
    /// Alice's DID document.
    pub(crate) document: Vec<u8>,
}

/// Each call makes agents of the same names with new keys, as anybody can.
pub(crate) fn sample() -> Sample {
    sample_at("localhost")
}

/// The same with agents at this domain.
pub(crate) fn sample_at(domain: &str) -> Sample {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let (alice, alice_record) = agent(domain, "alice", now);
    let (_, bob_record) = agent(domain, "bob", now);
    let draft = Draft {
        to: bob_record.did.clone(),
        id: MessageId::new(now, rand::random()),
        class: Class::Reliable,
        r#type: MessageType::Event,
        thread: None,
        re: None,
        ttl: Some(3600),
        content: Content::text("hello"),
    };
    let key = bob_record.keys.current_encryption().unwrap();
    let sealed = seal(draft, &alice, key, now, &mut rand::rng()).unwrap();
    let message = ProvenMessage { envelope: sealed.envelope, prk: sealed.prk.disclose() };
    let document = serde_json::to_vec(&alice_record.document).unwrap();
    let documents = vec![alice_record.document, bob_record.document];
    let file = proof::write(vec![message], documents, &alice, now).unwrap();
    Sample { file, root: format!("{}={}", alice.did(), encode_ed25519(&alice.root_public())), document }
}

fn agent(domain: &str, name: &str, now: u64) -> (Identity, VerifiedRecord) {
    let did: Did = format!("did:wba:{domain}:agent:acme:{name}").parse().unwrap();
    let identity = Identity::generate(did.clone(), now, &mut rand::rng());
    let bytes = build(&identity, Card::default(), None, now).unwrap();
    let record = VerifiedRecord::parse(&bytes, &did).unwrap();
    (identity, record)
}
