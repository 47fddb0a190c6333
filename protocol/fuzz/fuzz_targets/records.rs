//! Fuzzes records and their DID documents.
#![no_main]

use libfuzzer_sys::fuzz_target;
use msg2agent_protocol::document::{self, DidDocument};
use msg2agent_protocol::record::VerifiedRecord;
use msg2agent_protocol::{Did, strict_json};

fuzz_target!(|bytes: &[u8]| {
    let did: Did = "did:wba:example.com:agent:acme:alice".parse().expect("a DID");
    drop(VerifiedRecord::parse(bytes, &did));
    if let Ok(document) = strict_json::from_slice::<DidDocument>(bytes) {
        drop(document::verify(&document, did.as_str()));
        drop(document::verify(&document, &document.id));
    }
});
