//! Fuzzes protected headers: no bytes panic, and a header that is read can be written and read
//! again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use msg2agent_protocol::base64url;
use msg2agent_protocol::envelope::Header;

fuzz_target!(|json: &[u8]| {
    let Ok(header) = Header::parse(&base64url::encode(json)) else { return };
    let again = serde_json::to_vec(&header).expect("a header is JSON");
    assert_eq!(Header::parse(&base64url::encode(&again)).expect("what was read is a header"), header);
});
