//! URLs of metadata documents, and how long these may be kept.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &str| msg2agent_relay::oauth::fuzzing::document_url(input));
