//! Fuzzes redirect URIs.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &str| msg2agent_authorization::fuzzing::redirect(input));
