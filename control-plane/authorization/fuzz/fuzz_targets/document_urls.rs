//! Fuzzes the URLs of metadata documents and their `Cache-Control`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &str| msg2agent_authorization::fuzzing::document_url(input));
