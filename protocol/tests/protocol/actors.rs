//! Makes fixed agents and a fixed stream of random bytes, so that every fixture is reproducible.

use std::convert::Infallible;

use msg2agent_protocol::document::{self, PublicKeys};
use msg2agent_protocol::envelope::seal::Sealed;
use msg2agent_protocol::envelope::{Class, Content, Draft, MessageId, MessageType, seal};
use msg2agent_protocol::record::{self, Capability, Card};
use msg2agent_protocol::{Identity, UnixSeconds};
use rand_core::{TryCryptoRng, TryRng};
use sha2::{Digest as _, Sha256};

/// 2026-09-21T14:13:20Z.
pub(crate) const NOW: UnixSeconds = 1_790_000_000;
pub(crate) const RELAY: &str = "wss://example.com/ws";

/// SHA-256 of a label and a counter, block after block. It looks random and is the same in every
/// run and language.
pub(crate) struct Stream {
    label: &'static str,
    blocks: u64,
}

impl Stream {
    pub(crate) fn new(label: &'static str) -> Self {
        Self { label, blocks: 0 }
    }

    fn block(&mut self) -> [u8; 32] {
        self.blocks += 1;
        Sha256::new_with_prefix(self.label).chain_update(self.blocks.to_be_bytes()).finalize().into()
    }
}

impl TryRng for Stream {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let [a, b, c, d, ..] = self.block();
        Ok(u32::from_be_bytes([a, b, c, d]))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let [a, b, c, d, e, f, g, h, ..] = self.block();
        Ok(u64::from_be_bytes([a, b, c, d, e, f, g, h]))
    }

    fn try_fill_bytes(&mut self, to: &mut [u8]) -> Result<(), Infallible> {
        for chunk in to.chunks_mut(32) {
            chunk.copy_from_slice(&self.block()[..chunk.len()]);
        }
        Ok(())
    }
}

impl TryCryptoRng for Stream {}

pub(crate) fn alice() -> Identity {
    identity("alice")
}

pub(crate) fn bob() -> Identity {
    identity("bob")
}

pub(crate) fn mallory() -> Identity {
    identity("mallory")
}

fn identity(name: &'static str) -> Identity {
    let did = format!("did:wba:example.com:agent:acme:{name}").parse().unwrap();
    Identity::generate(did, NOW - 1_000, &mut Stream::new(name))
}

/// The keys in an agent's verified document.
pub(crate) fn keys(of: &Identity) -> PublicKeys {
    let (document, _) = document::build(of, Some(RELAY), NOW - 500);
    document::verify(&document, of.did().as_str()).unwrap()
}

pub(crate) fn record(of: &Identity) -> Vec<u8> {
    let card = Card {
        name: "Alice".into(),
        capabilities: vec![Capability { id: "plan.create".into(), name: "Create plan".into() }],
        ..Card::default()
    };
    record::build(of, card, Some(RELAY), NOW - 500).unwrap()
}

pub(crate) fn request(content: Content) -> Draft {
    Draft {
        to: bob().did().clone(),
        id: MessageId::new(NOW, [7; 10]),
        class: Class::Reliable,
        r#type: MessageType::Request,
        thread: Some("plan-1".into()),
        re: None,
        ttl: Some(3_600),
        content,
    }
}

/// A message from Alice to Bob.
pub(crate) fn sealed(draft: Draft) -> Sealed {
    let keys = keys(&bob());
    seal(draft, &alice(), keys.current_encryption().unwrap(), NOW, &mut Stream::new("ephemeral")).unwrap()
}
