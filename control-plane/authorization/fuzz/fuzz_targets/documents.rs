//! Fuzzes the metadata of clients, registered and fetched.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| msg2agent_authorization::fuzzing::document(input));
