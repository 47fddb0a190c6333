//! Checks what holds for every input: no parser panics, and what is written or sealed is read back.

use msg2agent_protocol::api_key::{ApiKey, KeyHash, KeyId};
use msg2agent_protocol::did::{AgentName, Domain, TenantId};
use msg2agent_protocol::document::DidDocument;
use msg2agent_protocol::envelope::{
    Class, Content, Draft, Envelope, Header, MessageId, MessageType, Routing, open,
};
use msg2agent_protocol::frame::{Incoming, NoticeParams, RefuseParams, RegisterResult, RpcErrorData};
use msg2agent_protocol::identity::Kid;
use msg2agent_protocol::record::VerifiedRecord;
use msg2agent_protocol::{Did, Identity, admin, base64url, multikey, proof, strict_json};
use proptest::prelude::*;
use serde_json::{Map, Value};

use crate::actors::{self, NOW, alice, bob, keys, request, sealed};
use crate::golden_proof;
use crate::mutation::{changed, changes};

/// Calls every parser of the crate.
fn read_as_everything(bytes: &[u8]) {
    drop(strict_json::from_slice::<DidDocument>(bytes));
    drop(strict_json::from_slice::<admin::TenantSpec>(bytes));
    drop(strict_json::from_slice::<admin::AgentSpec>(bytes));
    drop(strict_json::from_slice::<admin::KeySpec>(bytes));
    drop(proof::check_consistency(bytes, &|_| None));
    drop(VerifiedRecord::parse(bytes, alice().did()));
    let _ = strict_json::nesting(bytes);
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    drop(text.parse::<Did>());
    drop(text.parse::<Domain>());
    drop(text.parse::<TenantId>());
    drop(text.parse::<AgentName>());
    drop(text.parse::<Kid>());
    drop(text.parse::<MessageId>());
    drop(text.parse::<ApiKey>());
    drop(text.parse::<KeyHash>());
    drop(text.parse::<KeyId>());
    drop(base64url::decode(text));
    drop(multikey::decode_ed25519(text));
    drop(multikey::decode_x25519(text));
    drop(Header::parse(text));
    drop(Header::parse(&base64url::encode(bytes)));
    drop(Routing::parse(text));
    drop(Incoming::parse(text));
    drop(strict_json::from_str::<RefuseParams>(text));
    drop(strict_json::from_str::<NoticeParams>(text));
    drop(strict_json::from_str::<RegisterResult>(text));
    drop(strict_json::from_str::<RpcErrorData>(text));
    drop(Identity::from_key_file(text));
    if let Ok(envelope) = Envelope::parse(text) {
        drop(open(&envelope, &keys(&alice()), &bob(), NOW));
    }
}

/// One good text of each kind, to damage.
fn good_texts() -> Vec<Vec<u8>> {
    let sealed = sealed(request(Content::text("hello")));
    let envelope = serde_json::to_string(&sealed.envelope).unwrap();
    vec![
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"message.send","params":{envelope}}}"#).into_bytes(),
        base64url::decode(&sealed.envelope.protected).unwrap(),
        envelope.into_bytes(),
        actors::record(&alice()),
        golden_proof().into_bytes(),
        alice().to_key_file().as_bytes().to_vec(),
        alice().did().as_str().as_bytes().to_vec(),
        b"did:wba:localhost%3A8443:agent:acme:alice".to_vec(),
    ]
}

/// JSON as agents send it: depth and members bounded well inside the limits, all integers, texts
/// with escapes.
fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_filter("JSON has no infinities", |n| n.is_finite()).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::vec((any::<String>(), inner), 0..8)
                .prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

fn label() -> impl Strategy<Value = String> {
    "[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?"
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_bytes_make_a_parser_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), text in any::<String>()) {
        read_as_everything(&bytes);
        read_as_everything(text.as_bytes());
    }

    #[test]
    fn no_damaged_text_makes_a_parser_panic(which in 0..8_usize, changes in changes()) {
        read_as_everything(&changed(&good_texts()[which], &changes));
    }

    #[test]
    fn what_was_sealed_opens_to_the_same_content(
        content in json(),
        media in "[a-z]{1,10}/[a-z.+-]{1,20}",
        method in prop::option::of(any::<String>()),
        thread in prop::option::of("[ -~]{0,64}"),
        ephemeral in any::<bool>(),
    ) {
        let draft = Draft {
            class: if ephemeral { Class::Ephemeral } else { Class::Reliable },
            ttl: (!ephemeral).then_some(60),
            r#type: MessageType::Event,
            thread: thread.clone(),
            ..request(Content { method, content_type: media, content })
        };
        let sealed = sealed(draft.clone());
        let text = serde_json::to_string(&sealed.envelope).unwrap();
        let envelope = Envelope::parse(&text).unwrap();
        let opened = open(&envelope, &keys(&alice()), &bob(), NOW).unwrap();
        prop_assert_eq!(opened.content == draft.content, true, "another content");
        prop_assert_eq!(opened.header.thread, thread);
        prop_assert_eq!(opened.prk.disclose(), sealed.prk.disclose());
    }

    #[test]
    fn a_did_is_read_back_from_its_parts(
        domain in "([a-z0-9]{1,10}\\.){0,3}[a-z]{1,10}(%3A[1-9][0-9]{0,3})?", tenant in label(), name in label()
    ) {
        let (Ok(tenant), Ok(name)) = (tenant.parse::<TenantId>(), name.parse::<AgentName>()) else {
            return Ok(()); // reserved
        };
        let domain: Domain = domain.parse().unwrap();
        let did = Did::new(&domain, &tenant, &name);
        prop_assert_eq!(&did.to_string().parse::<Did>().unwrap(), &did);
        prop_assert_eq!(did.domain(), domain.as_str());
        prop_assert_eq!(did.tenant(), tenant);
        prop_assert_eq!(did.name(), name.as_str());
    }

    #[test]
    fn every_text_that_is_a_did_has_this_one_spelling(text in "did:wba:[a-zA-Z0-9.%:-]{0,40}") {
        if let Ok(did) = text.parse::<Did>() {
            let again = Did::new(&did.domain().parse().unwrap(), &did.tenant(), &did.name().parse().unwrap());
            prop_assert_eq!(again.as_str(), text);
        }
    }

    #[test]
    fn bytes_have_one_base64url_spelling(bytes in prop::collection::vec(any::<u8>(), 0..100), text in "[A-Za-z0-9_-]{0,40}") {
        prop_assert_eq!(base64url::decode(&base64url::encode(&bytes)).unwrap(), bytes);
        if let Ok(bytes) = base64url::decode(&text) {
            prop_assert_eq!(base64url::encode(&bytes), text);
        }
    }
}
