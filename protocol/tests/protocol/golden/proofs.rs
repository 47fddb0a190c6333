//! Fixtures of proof files.

use std::collections::BTreeMap;

use msg2agent_protocol::envelope::{Content, seal};
use msg2agent_protocol::proof::{self, ProvenMessage};
use msg2agent_protocol::{Did, Identity, document, multikey};
use serde_json::{Value, json};

use super::{Input, Topic, text};
use crate::actors::{NOW, RELAY, Stream, alice, bob, mallory, request, sealed};
use crate::error_name::error_name;

#[test]
fn proofs() {
    let about = "Proof files as text, with the root keys that the reader knows (`anchors`). Expected: the statements, and \
                 who sent or wrote something and is not anchored. Only a file without such agents is verified. Errors \
                 name the variant, not the part.";
    let read = |input: &Value| {
        let anchor = |did: &Did| {
            let key = input["anchors"].get(did.as_str())?.as_str()?;
            Some(multikey::decode_ed25519(key).unwrap())
        };
        let file = text(&input["file"]).as_bytes();
        let proof = proof::check_consistency(file, &anchor).map_err(|e| error_name(&e))?;
        let verified = proof::verify(file, &anchor).is_ok();
        assert_eq!(verified, proof.unanchored.is_empty());
        let statements: Vec<_> = proof.statements.iter().map(|s| {
            json!({
                "header": s.header, "content": s.content, "signingKey": s.signing_key, "rootKey": s.root_key,
                "documentCreated": s.document_created
            })
        }).collect();
        Ok(json!({
            "verified": verified, "by": proof.by, "unanchored": proof.unanchored, "statements": statements
        }))
    };
    let valid = || {
        vec![
            ("one message, written by its recipient", anchored(written(&bob()), &[&alice(), &bob()])),
            (
                "the same, written by its sender, whose root key suffices",
                anchored(written(&alice()), &[&alice()]),
            ),
            (
                "the same, written by a third agent",
                anchored(written(&mallory()), &[&alice(), &bob(), &mallory()]),
            ),
            ("consistent, but the writer is not anchored", anchored(written(&bob()), &[&alice()])),
            (
                "consistent, but nobody is anchored: anybody can make this file",
                anchored(written(&bob()), &[]),
            ),
        ]
    };
    Topic { name: "proofs", about, read, valid, invalid: bad_proofs }.check();
}

/// A file, and the root keys that its reader knows.
fn anchored(file: String, known: &[&Identity]) -> Value {
    let roots =
        known.iter().map(|agent| (agent.did().to_string(), multikey::encode_ed25519(&agent.root_public())));
    let anchors: BTreeMap<_, _> = roots.collect();
    json!({"file": file, "anchors": anchors})
}

/// The same file with the anchors of both parties, changed by the case.
fn both(file: Value) -> Value {
    anchored(file.as_str().unwrap().to_owned(), &[&alice(), &bob()])
}

/// A file that Mallory makes with keys of his own for the names of others.
fn forged() -> Value {
    let steal = |of: &Identity| Identity::generate(of.did().clone(), NOW - 500, &mut Stream::new("forger"));
    let (alice, bob) = (steal(&alice()), steal(&bob()));
    let bob_keys =
        document::verify(&document::build(&bob, Some(RELAY), NOW - 500).0, bob.did().as_str()).unwrap();
    let to = bob_keys.current_encryption().unwrap();
    let sealed = seal(request(Content::text("pay")), &alice, to, NOW, &mut Stream::new("forger")).unwrap();
    let messages = vec![ProvenMessage { envelope: sealed.envelope, prk: sealed.prk.disclose() }];
    let documents = [&alice, &bob].map(|of| document::build(of, Some(RELAY), NOW - 500).0);
    String::from_utf8(proof::write(messages, documents.to_vec(), &bob, NOW + 60).unwrap()).unwrap().into()
}

/// A file that its writer attests with a document too many.
fn with_bystander() -> Value {
    let sealed = sealed(request(Content::text("hello")));
    let messages = vec![ProvenMessage { envelope: sealed.envelope, prk: sealed.prk.disclose() }];
    let documents = [&alice(), &bob(), &mallory()].map(|of| document::build(of, Some(RELAY), NOW - 500).0);
    String::from_utf8(proof::write(messages, documents.to_vec(), &bob(), NOW + 60).unwrap()).unwrap().into()
}

/// The proof that others damage.
pub(crate) fn golden_proof() -> String {
    written(&bob())
}

/// A proof of one message from Alice to Bob.
fn written(by: &Identity) -> String {
    let sealed = sealed(request(Content::text("hello")));
    let messages = vec![ProvenMessage { envelope: sealed.envelope, prk: sealed.prk.disclose() }];
    let mut documents = vec![];
    for agent in [&alice(), &bob(), by] {
        documents.push(document::build(agent, Some(RELAY), NOW - 500).0);
    }
    String::from_utf8(proof::write(messages, documents, by, NOW + 60).unwrap()).unwrap()
}

fn bad_proofs() -> Vec<Input> {
    let good: Value = serde_json::from_str(&written(&bob())).unwrap();
    let changed = |change: fn(&mut Value)| {
        let mut proof = good.clone();
        change(&mut proof);
        Value::from(proof.to_string())
    };
    let spelled = |from: &str, to: &str| Value::from(written(&bob()).replacen(from, to, 1));
    let files: Vec<Input> = vec![
        ("not JSON", Value::from("proof")),
        ("a later version", changed(|p| p["version"] = 2.into())),
        ("no message", changed(|p| p["messages"] = json!([]))),
        ("white space that canonical JSON does not have", spelled(",", ", ")),
        ("a line break at the end", Value::from(written(&bob()) + "\n")),
        ("an unknown member", spelled("{", r#"{"x":1,"#)),
        (
            "a list in place of an envelope",
            changed(|p| {
                let e = p["messages"][0]["envelope"].clone();
                p["messages"][0]["envelope"] = json!([
                    e["to"],
                    e["from"],
                    e["id"],
                    e["class"],
                    e["ttl"],
                    e["protected"],
                    e["body"],
                    e["signature"]
                ]);
            }),
        ),
        (
            "the document of the sender is missing",
            changed(|p| drop(p["documents"].as_array_mut().unwrap().remove(0))),
        ),
        ("documents in another order", changed(|p| p["documents"].as_array_mut().unwrap().reverse())),
        ("another key of the message", changed(|p| p["messages"][0]["prk"] = "A".repeat(43).into())),
        ("another body", changed(|p| p["messages"][0]["envelope"]["body"] = "AAAA".into())),
        ("another time of writing", changed(|p| p["attestation"]["time"] = 5.into())),
        (
            "an attestation by an agent that is not in the file",
            changed(|p| {
                p["attestation"]["by"] = "did:wba:example.com:agent:acme:eve".into();
            }),
        ),
        (
            "an attestation by the other party's key",
            changed(|p| {
                p["attestation"]["by"] = "did:wba:example.com:agent:acme:alice".into();
            }),
        ),
        (
            "another service endpoint in a document",
            changed(|p| {
                p["documents"][0]["service"][0]["serviceEndpoint"] = "wss://x".into();
            }),
        ),
    ];
    let mut cases: Vec<Input> = files.into_iter().map(|(sentence, file)| (sentence, both(file))).collect();
    cases.push(("the document of an agent that has no part in it", both(with_bystander())));
    cases.push(("a forgery with root keys of the forger's own", both(forged())));
    cases
}
