//! Fixtures of identities, their DID documents, and records.

use msg2agent_protocol::document::{self, DidDocument, PublicKeys};
use msg2agent_protocol::record::VerifiedRecord;
use msg2agent_protocol::{Identity, base64url, multikey};
use serde_json::{Value, json};

use super::{Input, Topic, text};
use crate::actors::{self, NOW, RELAY, alice, bob};
use crate::error_name::error_name;

#[test]
fn identities() {
    let about = "Key files, and the documents their agents publish. These keys are of test agents; nobody may use them.";
    let read = |input: &Value| {
        let identity = Identity::from_key_file(&input.to_string()).map_err(|e| error_name(&e))?;
        let (document, alias) = document::build(&identity, Some(RELAY), NOW - 500);
        Ok(json!({"did": identity.did(), "document": document, "selfCertifying": alias}))
    };
    let valid = || {
        vec![
            ("Alice", key_file(&alice())),
            ("Bob", key_file(&bob())),
            ("Mallory", key_file(&actors::mallory())),
        ]
    };
    Topic { name: "identities", about, read, valid, invalid: bad_identities }.check();
}

fn bad_identities() -> Vec<Input> {
    let changed = |change: fn(&mut Value)| {
        let mut file = key_file(&alice());
        change(&mut file);
        file
    };
    vec![
        ("a later version", changed(|f| f["version"] = 2.into())),
        ("no signing key", changed(|f| f["signing"] = json!([]))),
        (
            "a signing key in the place of an encryption key",
            changed(|f| f["encryption"] = f["signing"].clone()),
        ),
        ("one key id twice", changed(|f| f["signing"] = json!([f["signing"][0], f["signing"][0]]))),
        (
            "nine encryption keys",
            changed(|f| {
                let key = |n: u32| json!({"kid": format!("enc-{n}"), "created": 1, "seed": f["root"]});
                f["encryption"] = (1..=9).map(key).collect();
            }),
        ),
        ("a seed of 31 bytes", changed(|f| f["root"] = "A".repeat(42).into())),
        ("the name of no agent", changed(|f| f["did"] = "did:wba:example.com".into())),
        ("an unknown member", changed(|f| f["x"] = 1.into())),
    ]
}

fn key_file(of: &Identity) -> Value {
    serde_json::from_str(&of.to_key_file()).unwrap()
}

#[test]
fn documents() {
    let about =
        "DID documents of agents with their eddsa-jcs-2022 proof; `subject` is the DID the reader asked for.";
    let read = |input: &Value| {
        let document: DidDocument = serde_json::from_value(input["document"].clone()).map_err(|_| "Shape")?;
        let keys = document::verify(&document, text(&input["subject"])).map_err(|e| error_name(&e))?;
        Ok(public(&keys))
    };
    Topic { name: "documents", about, read, valid: good_documents, invalid: bad_documents }.check();
}

fn public(keys: &PublicKeys) -> Value {
    let signing: Value =
        keys.signing.iter().map(|(kid, key)| json!([kid, multikey::encode_ed25519(key)])).collect();
    let encryption: Value =
        keys.encryption.iter().map(|(kid, key)| json!([kid, multikey::encode_x25519(key)])).collect();
    json!({
        "root": multikey::encode_ed25519(&keys.root), "signing": signing, "encryption": encryption,
        "created": keys.created
    })
}

fn built(of: &Identity) -> (Value, Value) {
    let (named, alias) = document::build(of, Some(RELAY), NOW);
    (serde_json::to_value(named).unwrap(), serde_json::to_value(alias).unwrap())
}

fn good_documents() -> Vec<Input> {
    let mut rotated = alice();
    rotated.rotate(NOW - 10, &mut actors::Stream::new("rotation"));
    let (named, alias) = built(&alice());
    let input = |document: Value| json!({"subject": document["id"], "document": document});
    vec![
        ("the document under an agent's name", input(named)),
        ("the document of its self-certifying alias", input(alias)),
        ("two keys of each use after a rotation", input(built(&rotated).0)),
    ]
}

fn bad_documents() -> Vec<Input> {
    let changed = |change: fn(&mut Value)| {
        let (mut document, _) = built(&alice());
        change(&mut document);
        json!({"subject": alice().did(), "document": document})
    };
    vec![
        ("somebody else's document", json!({"subject": bob().did(), "document": built(&alice()).0})),
        ("no proof", changed(|d| drop(d.as_object_mut().unwrap().remove("proof")))),
        (
            "another service endpoint than was signed",
            changed(|d| d["service"][0]["serviceEndpoint"] = "wss://x".into()),
        ),
        ("an unknown member", changed(|d| d["x"] = 1.into())),
        ("another context", changed(|d| d["@context"][0] = "https://example.com".into())),
        ("another suite", changed(|d| d["proof"]["cryptosuite"] = "eddsa-rdfc-2022".into())),
        ("a proof for another purpose", changed(|d| d["proof"]["proofPurpose"] = "authentication".into())),
        (
            "a time that is not whole seconds",
            changed(|d| d["proof"]["created"] = "2026-09-21T14:13:20.5Z".into()),
        ),
        ("no signing key that authenticates", changed(|d| d["authentication"] = json!([]))),
        (
            "a key of another agent",
            changed(|d| d["verificationMethod"][1]["controller"] = "did:wba:x".into()),
        ),
        (
            "a key id of neither use",
            changed(|d| {
                let id = d["verificationMethod"][1]["id"].as_str().unwrap().replace("sig-1", "key-1");
                d["verificationMethod"][1]["id"] = id.into();
            }),
        ),
        (
            "one key id twice",
            changed(|d| {
                let again = d["verificationMethod"][1].clone();
                d["verificationMethod"].as_array_mut().unwrap().push(again);
            }),
        ),
        ("no root key", changed(|d| drop(d["verificationMethod"].as_array_mut().unwrap().remove(0)))),
    ]
}

#[test]
fn records() {
    let about = "Records: base64url of the exact bytes that an agent registers.";
    let read = |input: &Value| {
        let bytes = base64url::decode(text(&input["record"])).map_err(|e| error_name(&e))?;
        let did =
            text(&input["did"]).parse().map_err(|e: msg2agent_protocol::did::DidError| error_name(&e))?;
        let record = VerifiedRecord::parse(&bytes, &did).map_err(|e| error_name(&e))?;
        Ok(json!({"keys": public(&record.keys), "card": record.card}))
    };
    let valid = || {
        let input = json!({"did": alice().did(), "record": base64url::encode(&actors::record(&alice()))});
        vec![("an agent's record", input)]
    };
    Topic { name: "records", about, read, valid, invalid: bad_records }.check();
}

fn bad_records() -> Vec<Input> {
    let changed = |change: fn(&mut Value)| {
        let mut record: Value = serde_json::from_slice(&actors::record(&alice())).unwrap();
        change(&mut record);
        spelled(&record.to_string())
    };
    let good = String::from_utf8(actors::record(&alice())).unwrap();
    vec![
        (
            "somebody else's record",
            json!({
                "did": bob().did(), "record": base64url::encode(&actors::record(&alice()))
            }),
        ),
        ("a member twice", spelled(&good.replacen("\"card\":", "\"card\":{},\"card\":", 1))),
        ("an unknown member", changed(|r| r["x"] = 1.into())),
        ("something after it", spelled(&format!("{good}{{}}"))),
        (
            "a list in place of an object",
            changed(|r| *r = json!([r["document"], r["selfCertifying"], r["card"]])),
        ),
        (
            "the alias of another key",
            changed(|r| {
                r["selfCertifying"] =
                    serde_json::to_value(document::build(&bob(), Some(RELAY), NOW).1).unwrap();
            }),
        ),
        (
            "documents with different keys",
            changed(|r| {
                let mut later = alice();
                later.rotate(NOW, &mut actors::Stream::new("rotation"));
                r["selfCertifying"] =
                    serde_json::to_value(document::build(&later, Some(RELAY), NOW).1).unwrap();
            }),
        ),
        (
            "65 capabilities",
            changed(|r| {
                r["card"]["capabilities"] = (0..65).map(|n| json!({"id": format!("c{n}")})).collect();
            }),
        ),
        ("one capability twice", changed(|r| r["card"]["capabilities"] = json!([{"id": "a"}, {"id": "a"}]))),
        ("a discovery that does not exist", changed(|r| r["card"]["discovery"] = "everybody".into())),
    ]
}

fn spelled(record: &str) -> Value {
    json!({"did": alice().did(), "record": base64url::encode(record.as_bytes())})
}
