//! Fixtures of proof files.

use msg2agent_protocol::Identity;
use msg2agent_protocol::document;
use msg2agent_protocol::envelope::Content;
use msg2agent_protocol::proof::{self, ProvenMessage};
use serde_json::{Value, json};

use super::{Input, Topic, text};
use crate::actors::{NOW, RELAY, alice, bob, mallory, request, sealed};
use crate::error_name::error_name;

#[test]
fn proofs() {
    let about =
        "Proof files as text; expected: the statements they prove. Errors name the variant, not the part.";
    let read = |input: &Value| {
        let statements = proof::verify(text(input).as_bytes()).map_err(|e| error_name(&e))?;
        Ok(statements
            .into_iter()
            .map(|s| {
                json!({
                    "header": s.header, "content": s.content, "signingKey": s.signing_key, "rootKey": s.root_key,
                    "documentCreated": s.document_created
                })
            })
            .collect())
    };
    let valid = || {
        vec![
            ("one message, written by its recipient", Value::from(written(&bob()))),
            ("the same, written by its sender", Value::from(written(&alice()))),
            ("the same, written by a third agent", Value::from(written(&mallory()))),
        ]
    };
    Topic { name: "proofs", about, read, valid, invalid: bad_proofs }.check();
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
    vec![
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
    ]
}
