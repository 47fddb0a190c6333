//! Fuzzes access tokens and ID tokens.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &str| msg2agent_authorization::fuzzing::token(input));
