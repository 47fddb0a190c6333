//! Tries six ways to pass for somebody else at a real relay. Each is refused with its code.
//!
//! | attempt | who refuses | code |
//! |---|---|---|
//! | a second key registers Alice's DID | relay | `key_conflict` |
//! | a registration is replayed | relay | `challenge_unknown`; on a connection of its own `bad_signature` |
//! | an envelope is replayed | relay, recipient | by another agent `from_mismatch`; by its sender or the relay `replayed` |
//! | a ciphertext is swapped | recipient | `bad_signature` |
//! | a key of small order | relay, recipient | in a record `bad_record`, in an envelope `small_order_key` |
//! | a header is edited | recipient | its copy outside `header_mismatch`, itself `bad_signature` |

use devtools::relay_process::RelayProcess;
use msg2agent::{Agent, DiscardReason, Inbox, RefusalReason, Refusals};
use protocol::api_key::ApiKey;
use protocol::envelope::{Class, Content, Draft, Header, MessageId, MessageType, seal};
use protocol::frame::{LookupParams, LookupResult, RegisterResult, SendStatus, method};
use protocol::record::{Card, VerifiedRecord, build};
use protocol::signature::{Context, sign};
use protocol::{Envelope, Identity, Reason, base64url, multikey};

use crate::agents::{TENANT, declare, relay};
use crate::raw_connection::{RawConnection, now};

/// The neutral point of Ed25519 as a Multikey: everybody can sign for it.
const SMALL_ORDER_KEY: &str = "z6MkeXATEjyXENzBXBxgC5EHk2JE5aqd7qMGGtDpLUH1e2Sj";

/// Alice on a bare connection, so that she can forge; Bob with the SDK.
struct Scene {
    relay: RelayProcess,
    identity: Identity,
    key: ApiKey,
    alice: RawConnection,
    bob: Agent,
    record: VerifiedRecord,
    inbox: Inbox,
    refusals: Refusals,
}

impl Scene {
    async fn new() -> Self {
        let relay = relay().await;
        let (declared, bob) = (declare(&relay, TENANT, "alice").await, declare(&relay, TENANT, "bob").await);
        let bob = bob.connect(&relay).await;
        let identity = declared.identity();
        let mut alice = RawConnection::open(&relay, &declared.key).await;
        alice.register(&identity, &record_of(&identity)).await.unwrap();
        let asked = LookupParams { did: bob.did().clone() };
        let found: LookupResult = alice.ask(method::LOOKUP, &asked).await.result().unwrap();
        let record = VerifiedRecord::parse(&base64url::decode(&found.record).unwrap(), bob.did()).unwrap();
        let (inbox, refusals) = (bob.inbox(), bob.refusals());
        Self { relay, identity, key: declared.key, alice, bob, record, inbox, refusals }
    }

    fn sealed(&self, text: &str, class: Class) -> Envelope {
        let draft = Draft {
            to: self.bob.did().clone(),
            id: MessageId::new(now(), rand::random()),
            class,
            r#type: MessageType::Event,
            thread: None,
            re: None,
            ttl: (class == Class::Reliable).then_some(3600),
            content: Content::text(text),
        };
        let recipient = self.record.keys.current_encryption().unwrap();
        seal(draft, &self.identity, recipient, now(), &mut rand::rng()).unwrap().envelope
    }

    /// The relay takes it, for it reads none of it; Bob refuses it with this, and the next honest
    /// message comes through.
    async fn bob_refuses(mut self, forged: Envelope, reason: RefusalReason) {
        // Bob refuses it before the relay has stored it, or afterwards.
        let sent = self.alice.send(&forged).await;
        assert!(matches!(sent, Ok(SendStatus::Stored) | Err(Reason::Refused)), "{sent:?}");
        let refusal = self.refusals.next().await.unwrap();
        assert_eq!((refusal.reason, refusal.id), (DiscardReason::Refused(reason), Some(forged.id)));
        let honest = self.sealed("honest", Class::Reliable);
        self.alice.send(&honest).await.unwrap();
        assert_eq!(self.inbox.next().await.unwrap().text(), Some("honest"));
    }

    /// Signs a header again after it was changed, as its sender could.
    fn signed(&self, envelope: Envelope, protected: String) -> Envelope {
        let signing = &self.identity.current_signing().unwrap().key;
        let input = [protected.as_bytes(), b".", envelope.body.as_bytes()];
        let signature = base64url::encode(&sign(signing, Context::Envelope, &input));
        Envelope { protected, signature, ..envelope }
    }
}

fn record_of(identity: &Identity) -> Vec<u8> {
    build(identity, Card::default(), None, now()).unwrap()
}

fn edited(envelope: &Envelope, edit: impl FnOnce(&mut Header)) -> String {
    let mut header = Header::parse(&envelope.protected).unwrap();
    edit(&mut header);
    base64url::encode(&serde_json::to_vec(&header).unwrap())
}

#[tokio::test]
async fn a_second_key_for_a_did_is_refused() {
    let scene = Scene::new().await;
    let thief = scene.relay.identity(TENANT, "alice").unwrap();
    let mut line = RawConnection::open(&scene.relay, &scene.key).await;
    assert_eq!(line.register(&thief, &record_of(&thief)).await, Err(Reason::KeyConflict));
}

#[tokio::test]
async fn a_replayed_registration_is_refused() {
    let mut scene = Scene::new().await;
    let record = record_of(&scene.identity);
    let registration = scene.alice.registration(&scene.identity, &record).await.unwrap();
    scene.alice.ask(method::REGISTER, &registration).await.result::<RegisterResult>().unwrap();
    let replayed = scene.alice.ask(method::REGISTER, &registration).await;
    assert_eq!(replayed.refusal(), Some(Reason::ChallengeUnknown));

    let mut other = RawConnection::open(&scene.relay, &scene.key).await;
    let replayed = other.ask(method::REGISTER, &registration).await;
    assert_eq!(replayed.refusal(), Some(Reason::ChallengeUnknown), "it asked for none");
    other.registration(&scene.identity, &record).await.unwrap();
    let replayed = other.ask(method::REGISTER, &registration).await;
    assert_eq!(replayed.refusal(), Some(Reason::BadSignature), "it got another nonce");
}

#[tokio::test]
async fn a_replayed_envelope_is_refused() {
    let mut scene = Scene::new().await;
    let envelope = scene.sealed("once", Class::Ephemeral);
    let mallory = declare(&scene.relay, TENANT, "mallory").await;
    let mut line = RawConnection::open(&scene.relay, &mallory.key).await;
    line.register(&mallory.identity(), &record_of(&mallory.identity())).await.unwrap();
    assert_eq!(line.send(&envelope).await, Err(Reason::FromMismatch));

    // An ephemeral message is forwarded as often as it is sent: only the recipient knows that it
    // has it.
    assert_eq!(scene.alice.send(&envelope).await, Ok(SendStatus::Forwarded));
    assert_eq!(scene.inbox.next().await.unwrap().text(), Some("once"));
    assert_eq!(scene.alice.send(&envelope).await, Ok(SendStatus::Forwarded));
    let refusal = scene.refusals.next().await.unwrap();
    assert_eq!((refusal.reason, refusal.id), (DiscardReason::Replayed, Some(envelope.id)));
}

#[tokio::test]
async fn a_swapped_ciphertext_is_refused() {
    let scene = Scene::new().await;
    let (one, other) = (scene.sealed("one", Class::Reliable), scene.sealed("two", Class::Reliable));
    let forged = Envelope { body: other.body, ..one };
    scene.bob_refuses(forged, RefusalReason::BadSignature).await;
}

#[tokio::test]
async fn a_small_order_key_in_a_record_is_refused() {
    let scene = Scene::new().await;
    let identity = &scene.identity;
    let signing = multikey::encode_ed25519(&identity.current_signing().unwrap().key.verifying_key());
    let record = String::from_utf8(record_of(identity)).unwrap();
    assert_eq!(record.matches(&signing).count(), 2, "once in each document");
    let mut line = RawConnection::open(&scene.relay, &scene.key).await;
    let weak = record.replace(&signing, SMALL_ORDER_KEY);
    assert_eq!(line.register(identity, weak.as_bytes()).await, Err(Reason::BadRecord));
}

#[tokio::test]
async fn a_small_order_key_in_an_envelope_is_refused() {
    let scene = Scene::new().await;
    let envelope = scene.sealed("readable by all", Class::Reliable);
    let weak = edited(&envelope, |header| header.epk = [0; 32]);
    let forged = scene.signed(envelope, weak);
    scene.bob_refuses(forged, RefusalReason::SmallOrderKey).await;
}

#[tokio::test]
async fn an_edited_copy_of_the_header_is_refused() {
    let scene = Scene::new().await;
    let forged = Envelope { ttl: Some(7200), ..scene.sealed("hi", Class::Reliable) };
    scene.bob_refuses(forged, RefusalReason::HeaderMismatch).await;
}

#[tokio::test]
async fn an_edited_header_is_refused() {
    let scene = Scene::new().await;
    let envelope = scene.sealed("hi", Class::Reliable);
    let protected = edited(&envelope, |header| header.r#type = MessageType::Request);
    scene.bob_refuses(Envelope { protected, ..envelope }, RefusalReason::BadSignature).await;
}

/// Not even its sender can give a ciphertext another header.
#[tokio::test]
async fn a_ciphertext_under_another_header_is_refused_also_when_its_sender_signs_it() {
    let scene = Scene::new().await;
    let envelope = scene.sealed("hi", Class::Reliable);
    let protected = edited(&envelope, |header| header.r#type = MessageType::Request);
    let signed = scene.signed(envelope, protected);
    scene.bob_refuses(signed, RefusalReason::Undecryptable).await;
}
