//! Fuzzes DIDs, ids and keys: no text panics a parser, and a value that is read is written back the
//! same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use msg2agent_protocol::api_key::{ApiKey, KeyHash, KeyId};
use msg2agent_protocol::did::{AgentName, Domain, TenantId, WbaDid};
use msg2agent_protocol::envelope::MessageId;
use msg2agent_protocol::identity::Kid;
use msg2agent_protocol::{Did, base64url, multikey};

fn read_back<T: std::str::FromStr + ToString>(text: &str) {
    if let Ok(value) = text.parse::<T>() {
        assert_eq!(value.to_string(), text);
    }
}

fuzz_target!(|text: &str| {
    read_back::<Did>(text);
    read_back::<WbaDid>(text);
    read_back::<Domain>(text);
    read_back::<TenantId>(text);
    read_back::<AgentName>(text);
    read_back::<Kid>(text);
    read_back::<MessageId>(text);
    read_back::<KeyHash>(text);
    read_back::<KeyId>(text);
    if let Ok(key) = text.parse::<ApiKey>() {
        assert_eq!(key.reveal(), text);
    }
    if let Ok(bytes) = base64url::decode(text) {
        assert_eq!(base64url::encode(&bytes), text);
    }
    if let Ok(key) = multikey::decode_ed25519(text) {
        assert_eq!(multikey::encode_ed25519(&key), text);
    }
    if let Ok(key) = multikey::decode_x25519(text) {
        assert_eq!(multikey::encode_x25519(&key), text);
    }
});
