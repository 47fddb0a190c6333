//! Fuzzes proof files: no bytes panic, and a proof that verifies has at least one statement.
#![no_main]

use libfuzzer_sys::fuzz_target;
use msg2agent_protocol::proof;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(proof) = proof::check_consistency(bytes, &|_| None) {
        assert!(!proof.statements.is_empty() && !proof.unanchored.is_empty());
        assert!(proof::verify(bytes, &|_| None).is_err());
    }
});
