//! Changes every byte of what is signed and checks that the change is refused and attributed to its
//! part.

use msg2agent_protocol::document::PublicKeys;
use msg2agent_protocol::envelope::{Content, Envelope, OpenError, open};
use msg2agent_protocol::record::VerifiedRecord;
use msg2agent_protocol::{Identity, challenge, proof};

use crate::actors::{self, NOW, alice, bob, keys, request, sealed};
use crate::golden_proof;

/// The bits that are flipped in each byte: the lowest makes a digit or letter its neighbour, the
/// other one changes the case of a letter.
const FLIPS: [u8; 2] = [0x01, 0x20];

/// Each single-byte change of a text, with its place.
fn flipped(text: &[u8]) -> impl Iterator<Item = (usize, Vec<u8>)> {
    (0..text.len()).flat_map(move |at| {
        FLIPS.map(|flip| {
            let mut bytes = text.to_vec();
            bytes[at] ^= flip;
            (at, bytes)
        })
    })
}

/// The name of the check that refuses an envelope.
fn refusal(bytes: &[u8], sender: &PublicKeys, recipient: &Identity) -> &'static str {
    let Ok(text) = std::str::from_utf8(bytes) else { return "shape" };
    let Ok(envelope) = Envelope::parse(text) else { return "shape" };
    match open(&envelope, sender, recipient, NOW) {
        Ok(_) => "accepted",
        Err(OpenError::Header(_)) => "header",
        Err(OpenError::HeaderMismatch(_)) => "mismatch",
        Err(OpenError::UnknownSigningKey(_) | OpenError::Signature(_)) => "signature",
        Err(other) => panic!("the signature was to be checked first: {other}"),
    }
}

#[test]
fn every_changed_byte_of_an_envelope_is_refused_before_anything_is_decrypted() {
    let envelope = sealed(request(Content::text("hello"))).envelope;
    let (sender, recipient) = (keys(&alice()), bob());
    let text = serde_json::to_string(&envelope).unwrap();
    let part = |value: &str| {
        let start = text.find(value).unwrap();
        start..start + value.len()
    };
    let (protected, body, signature) =
        (part(&envelope.protected), part(&envelope.body), part(&envelope.signature));
    for (at, bytes) in flipped(text.as_bytes()) {
        let refusal = refusal(&bytes, &sender, &recipient);
        let expected: &[&str] = match at {
            at if protected.contains(&at) => &["header", "mismatch", "signature", "shape"],
            at if body.contains(&at) || signature.contains(&at) => &["signature", "shape"],
            _ => &["mismatch", "shape"],
        };
        assert!(expected.contains(&refusal), "byte {at} of {text}: {refusal}");
    }
}

#[test]
fn every_changed_byte_of_a_record_is_refused_at_registration() {
    let alice = alice();
    let record = actors::record(&alice);
    let key = &alice.current_signing().unwrap().key;
    let domain = "example.com".parse().unwrap();
    let signature = challenge::sign(key, &domain, &[5; 32], &record);
    for (at, bytes) in flipped(&record) {
        let checked = challenge::verify(&key.verifying_key(), &domain, &[5; 32], &bytes, &signature);
        assert!(checked.is_err(), "byte {at}");
    }
}

/// The card has no signature of its own. The registration covers it. An agent that looks the card
/// up has to trust the relay.
#[test]
fn every_changed_byte_of_a_records_documents_is_refused_by_its_reader() {
    let record = actors::record(&alice());
    let card = String::from_utf8(record.clone()).unwrap().find("\"card\":{").unwrap();
    for (at, bytes) in flipped(&record).filter(|(at, _)| *at < card) {
        let parsed = VerifiedRecord::parse(&bytes, alice().did());
        assert!(parsed.is_err(), "byte {at}: {}", String::from_utf8_lossy(&bytes));
    }
}

#[test]
fn every_changed_byte_of_a_proof_is_refused_and_blamed_on_its_part() {
    let proof = golden_proof();
    for (at, bytes) in flipped(proof.as_bytes()) {
        let error = proof::check_consistency(&bytes, &|_| None).expect_err("a changed proof").to_string();
        let part = part_of(&proof, at);
        let blamed = error.starts_with(part) || SHAPE.iter().any(|shape| error.starts_with(shape));
        assert!(blamed, "byte {at}, in {part}: {error}");
    }
}

/// Errors about the whole file: a changed brace, name or version leaves no part that could be
/// named.
const SHAPE: [&str; 3] =
    ["the file is not a proof", "the file has proof version", "documents are not one for each DID"];

/// The part of a proof file that a byte is in. Canonical JSON orders the members: attestation,
/// documents, messages, version.
fn part_of(proof: &str, at: usize) -> &'static str {
    let start = |name: &str| proof.find(name).unwrap();
    // Each document holds the contexts twice: its own, and those of its proof.
    let document = |n: usize| proof.match_indices("{\"@context\":[").nth(2 * n).unwrap().0;
    match at {
        at if at < start("\"documents\":[") => "attestation",
        at if at < document(1) => "documents[0]",
        at if at < start("\"messages\":[") => "documents[1]",
        _ => "messages[0]",
    }
}
