//! Fuzzes records and their DID documents.
#![no_main]

use libfuzzer_sys::fuzz_target;
use msg2agent_protocol::document::{self, DidDocument, ResolvedDocument};
use msg2agent_protocol::record::VerifiedRecord;
use msg2agent_protocol::{Did, strict_json};

fuzz_target!(|bytes: &[u8]| {
    let did: Did = "did:wba:example.com:agent:acme:alice".parse().expect("a DID");
    drop(VerifiedRecord::parse(bytes, &did));
    let anybody = "did:wba:example.com".parse().expect("a DID");
    drop(ResolvedDocument::parse(bytes, &anybody, 0));
    if let Ok(document) = strict_json::from_slice::<DidDocument>(bytes) {
        drop(document::verify(&document, did.as_str()));
        drop(document::verify(&document, &document.id));
        if let Ok(subject) = document.id.parse() {
            drop(ResolvedDocument::parse(bytes, &subject, 0));
        }
    }
});
