//! Fuzzes key files: no text panics, and an identity that is read can be written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use msg2agent_protocol::Identity;

fuzz_target!(|text: &str| {
    let Ok(identity) = Identity::from_key_file(text) else { return };
    let file = identity.to_key_file();
    let again = Identity::from_key_file(&file).ok().expect("what was written is a key file");
    assert_eq!(again.to_key_file(), file);
});
