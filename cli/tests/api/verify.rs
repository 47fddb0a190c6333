//! `m2a verify` with intact and with modified proofs.

use std::ops::Range;
use std::process::Output;

use protocol::proof::{self, ConsistentProof, ProofError};
use protocol::{base64url, multikey};

use crate::process::m2a;
use crate::profiles::TOKEN;
use crate::proof::{Sample, sample};

fn verify(bytes: &[u8], form: &str, anchors: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("proof.json");
    std::fs::write(&path, bytes).unwrap();
    m2a(folder.path()).args(["verify", "--output", form]).args(anchors).arg(path).output().unwrap()
}

#[test]
fn a_proof_says_who_said_what_to_whom_under_which_key_and_who_vouches_for_it() {
    let Sample { file, root, .. } = sample();
    let anchors = ["--root", &root];
    let verified = verify(&file, "json", &anchors);
    assert!(verified.status.success(), "{verified:?}");
    let printed: serde_json::Value = serde_json::from_slice(&verified.stdout).unwrap();
    assert_eq!((&printed["verdict"], &printed["verified"]), (&"verified".into(), &true.into()));
    let message = &printed["messages"][0];
    assert_eq!(message["from"], "did:wba:localhost:agent:acme:alice");
    assert_eq!(message["to"], "did:wba:localhost:agent:acme:bob");
    assert_eq!((&message["content"], &message["anchor"]), (&"hello".into(), &"given".into()));
    assert_eq!(message["signingKeyId"], "sig-1");
    assert!(root.ends_with(message["rootKey"].as_str().unwrap()), "{message}");

    let text = String::from_utf8(verify(&file, "text", &anchors).stdout).unwrap();
    assert!(text.starts_with("verified: 1 message") && !text.contains('\x1b'), "{text}");
    assert!(text.ends_with("known by the given root key\n"), "{text}");
}

/// Anybody can make a file from keys of his own, under the names of others.
#[test]
fn a_file_without_an_anchor_is_consistent_and_never_called_verified() {
    let Sample { file, root, .. } = sample();
    for (form, said) in [("text", "consistent, not anchored: 1 message"), ("json", "consistent_not_anchored")]
    {
        let alone = verify(&file, form, &[]);
        assert_eq!(alone.status.code(), Some(6), "{alone:?}");
        let printed = String::from_utf8([alone.stdout, alone.stderr].concat()).unwrap();
        assert!(printed.contains(said) && !printed.contains("verified"), "{printed}");
        assert!(printed.contains("did:wba:localhost:agent:acme:alice"), "{printed}");
    }
    // The root key of somebody else in the file anchors nothing.
    let bob = root.replace("alice", "bob");
    let other = verify(&file, "json", &["--root", &bob]);
    assert_eq!(other.status.code(), Some(5), "that is not bob's key: {other:?}");
}

#[test]
fn a_forgery_does_not_pass_under_the_real_root_key() {
    let (forged, real) = (sample(), sample());
    let refused = verify(&forged.file, "json", &["--root", &real.root]);
    assert_eq!(refused.status.code(), Some(5), "{refused:?}");
    let printed = String::from_utf8([refused.stdout, refused.stderr].concat()).unwrap();
    assert!(printed.contains("another root key than the one that is known"), "{printed}");
    assert!(!printed.contains("verified"), "{printed}");
}

#[test]
fn a_profile_anchors_what_it_has_pinned() {
    let home = tempfile::tempdir().unwrap();
    let Sample { file, root, .. } = sample();
    let path = home.path().join("proof.json");
    std::fs::write(&path, file).unwrap();
    let run = |words: &[&str]| m2a(home.path()).args(words).args(["--output", "json"]).output().unwrap();
    let made =
        run(&["init", "--url", "wss://relay.example/ws", "--did", "did:wba:relay.example:agent:carol"]);
    assert!(made.status.success(), "{made:?}");
    std::fs::write(home.path().join("default/token"), TOKEN).unwrap();
    let verify = ["verify", "--pins", path.to_str().unwrap()];
    assert_eq!(run(&verify).status.code(), Some(6), "carol has not met alice");

    let (did, key) = root.split_once('=').unwrap();
    let key = base64url::encode(multikey::decode_ed25519(key).unwrap().as_bytes());
    std::fs::create_dir_all(home.path().join("default/state")).unwrap();
    std::fs::write(home.path().join("default/state/pins"), format!("{did} {key}\n")).unwrap();
    let verified = run(&verify);
    assert!(verified.status.success(), "{verified:?}");
    let printed: serde_json::Value = serde_json::from_slice(&verified.stdout).unwrap();
    assert_eq!(printed["messages"][0]["anchor"], "pinned");
}

#[test]
fn every_changed_byte_is_found_and_blamed_on_its_part() {
    let good = sample().file;
    for Part { name, bytes } in parts(&good) {
        let mut named = 0;
        for index in bytes.clone() {
            let error = check(&changed(&good, index)).expect_err("a changed proof").to_string();
            assert!(blames(&error, name), "byte {index}, in {name}: {error}");
            named += usize::from(error.starts_with(name));
        }
        // The rest are braces and names of members: with one of them changed there are no parts.
        assert!(named * 4 > bytes.len(), "{named} of {} changes name {name}", bytes.len());
    }
}

#[test]
fn the_program_blames_changed_bytes_on_their_part() {
    let good = sample().file;
    for Part { name, bytes } in parts(&good) {
        for index in bytes.clone().step_by(bytes.len() / SAMPLES_PER_PART) {
            let changed = changed(&good, index);
            let refused = verify(&changed, "json", &[]);
            assert_eq!(refused.status.code(), Some(5), "byte {index}: {refused:?}");
            assert!(refused.stdout.is_empty(), "{refused:?}");
            let printed: serde_json::Value = serde_json::from_slice(&refused.stderr).unwrap();
            let cause = printed["error"]["causes"][0].as_str().unwrap();
            assert!(blames(cause, name), "byte {index}, in {name}: {cause}");
            assert_eq!(cause, check(&changed).unwrap_err().to_string());
        }
    }
}

#[test]
fn a_changed_proof_fails_with_its_own_exit_code_and_names_the_part() {
    let good = String::from_utf8(sample().file).unwrap();
    let cases = [
        (good.replacen("\"prk\":\"", "\"prk\":\"A", 1), "not a proof"),
        (swap(&good, "\"body\":\""), "messages[0]"),
        (swap(&good, "\"protected\":\""), "messages[0]"),
        (swap(&good, "\"proofValue\":\"z"), "documents[0]"),
        (good.replacen('{', "{ ", 1), "canonical"),
    ];
    for (changed, part) in cases {
        let refused = verify(changed.as_bytes(), "json", &[]);
        assert_eq!(refused.status.code(), Some(5), "{refused:?}");
        assert!(refused.stdout.is_empty());
        let printed: serde_json::Value = serde_json::from_slice(&refused.stderr).unwrap();
        let causes = printed["error"]["causes"].to_string();
        assert!(causes.contains(part), "{causes} does not name {part}");
    }
}

fn check(file: &[u8]) -> Result<ConsistentProof, ProofError> {
    proof::check_consistency(file, &|_| None)
}

/// Bytes of each part that the program itself is asked about; every byte is asked of the library.
const SAMPLES_PER_PART: usize = 8;
/// What is wrong with a file as a whole: a changed brace, name or version leaves no parts to blame.
const WHOLE: [&str; 3] =
    ["the file is not a proof", "the file has proof version", "documents are not one for each DID"];

struct Part {
    name: &'static str,
    bytes: Range<usize>,
}

/// Canonical JSON orders the members: attestation, documents, messages, version.
fn parts(proof: &[u8]) -> [Part; 4] {
    let text = std::str::from_utf8(proof).unwrap();
    // Each document holds its contexts twice: for itself and for its proof.
    let bob = text.match_indices("{\"@context\":[").nth(2).unwrap().0;
    let (documents, messages) = (text.find("\"documents\":[").unwrap(), text.find("\"messages\":[").unwrap());
    [
        Part { name: "attestation", bytes: 0..documents },
        Part { name: "documents[0]", bytes: documents..bob },
        Part { name: "documents[1]", bytes: bob..messages },
        Part { name: "messages[0]", bytes: messages..text.len() },
    ]
}

fn blames(error: &str, part: &str) -> bool {
    error.starts_with(part) || WHOLE.iter().any(|whole| error.starts_with(whole))
}

fn changed(proof: &[u8], index: usize) -> Vec<u8> {
    let mut changed = proof.to_vec();
    changed[index] ^= 1;
    changed
}

/// Changes the character ten behind a marker to another one of the same alphabet.
fn swap(text: &str, marker: &str) -> String {
    let at = text.find(marker).unwrap() + marker.len() + 10;
    let mut bytes = text.as_bytes().to_vec();
    bytes[at] = if bytes[at] == b'B' { b'C' } else { b'B' };
    String::from_utf8(bytes).unwrap()
}
