//! `m2a verify` on good and on changed proofs.

use std::process::Output;

use protocol::proof::{self, ProvenMessage};

use crate::cli::m2a;
use crate::identities::{Played, Said, now};

fn sample() -> Vec<u8> {
    let (alice, bob) = (Played::new("alice"), Played::new("bob"));
    let sealed = alice.seal(&bob.record, Said::event("hello"));
    let message = ProvenMessage { envelope: sealed.envelope, prk: sealed.prk.disclose() };
    let documents = vec![alice.record.document.clone(), bob.record.document.clone()];
    proof::write(vec![message], documents, &alice.identity, now()).unwrap()
}

fn verify(bytes: &[u8], form: &str) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("proof.json");
    std::fs::write(&path, bytes).unwrap();
    m2a(folder.path()).args(["verify", "--output", form]).arg(path).output().unwrap()
}

#[test]
fn a_proof_says_who_said_what_to_whom_under_which_key() {
    let verified = verify(&sample(), "json");
    assert!(verified.status.success(), "{verified:?}");
    let printed: serde_json::Value = serde_json::from_slice(&verified.stdout).unwrap();
    let message = &printed["messages"][0];
    assert_eq!(message["from"], "did:wba:localhost:agent:acme:alice");
    assert_eq!(message["to"], "did:wba:localhost:agent:acme:bob");
    assert_eq!(message["content"], "hello");
    assert_eq!(message["signingKeyId"], "sig-1");
    assert!(message["rootKey"].as_str().unwrap().starts_with("z6Mk"));

    let text = verify(&sample(), "text");
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.starts_with("verified: 1 message") && !text.contains('\x1b'), "{text}");
}

#[test]
fn every_changed_byte_is_found() {
    let good = sample();
    for index in 0..good.len() {
        let mut changed = good.clone();
        changed[index] ^= 1;
        let error = proof::verify(&changed).expect_err("a changed proof must not verify");
        assert!(!error.to_string().is_empty(), "byte {index}");
    }
}

#[test]
fn a_changed_proof_fails_with_its_own_exit_code_and_names_the_part() {
    let good = String::from_utf8(sample()).unwrap();
    let cases = [
        (good.replacen("\"prk\":\"", "\"prk\":\"A", 1), "not a proof"),
        (swap(&good, "\"body\":\""), "messages[0]"),
        (swap(&good, "\"protected\":\""), "messages[0]"),
        (swap(&good, "\"proofValue\":\"z"), "documents[0]"),
        (good.replacen('{', "{ ", 1), "canonical"),
    ];
    for (changed, part) in cases {
        let refused = verify(changed.as_bytes(), "json");
        assert_eq!(refused.status.code(), Some(5), "{refused:?}");
        assert!(refused.stdout.is_empty());
        let printed: serde_json::Value = serde_json::from_slice(&refused.stderr).unwrap();
        let causes = printed["error"]["causes"].to_string();
        assert!(causes.contains(part), "{causes} does not name {part}");
    }
}

/// Changes the character ten behind a marker to another one of the same alphabet.
fn swap(text: &str, marker: &str) -> String {
    let at = text.find(marker).unwrap() + marker.len() + 10;
    let mut bytes = text.as_bytes().to_vec();
    bytes[at] = if bytes[at] == b'B' { b'C' } else { b'B' };
    String::from_utf8(bytes).unwrap()
}
