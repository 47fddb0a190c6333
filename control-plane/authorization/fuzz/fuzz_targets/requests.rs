//! Fuzzes queries and forms of authorization requests.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| msg2agent_authorization::fuzzing::request(input));
