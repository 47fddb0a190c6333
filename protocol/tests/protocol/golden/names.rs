//! Fixtures of DIDs, ids, keys and encodings, each of which is one text.

use ed25519_dalek::SigningKey;
use msg2agent_protocol::api_key::ApiKey;
use msg2agent_protocol::did::Domain;
use msg2agent_protocol::envelope::MessageId;
use msg2agent_protocol::identity::{KeyUse, Kid};
use msg2agent_protocol::{Did, base64url, multikey};
use serde_json::{Value, json};
use x25519_dalek::PublicKey;

use super::{Topic, text, texts};
use crate::error_name::error_name;

#[test]
fn dids() {
    let read = |input: &Value| {
        let did: Did = text(input).parse().map_err(|e| error_name(&e))?;
        let domain: Domain = did.domain().parse().map_err(|e| error_name(&e))?;
        Ok(json!({
            "domain": did.domain(), "authority": domain.authority(), "tenant": did.tenant(), "name": did.name(),
            "documentPath": did.document_path()
        }))
    };
    let valid = || {
        texts([
            ("a tenant's agent", "did:wba:example.com:agent:acme:alice"),
            ("an agent of the default tenant", "did:wba:example.com:agent:alice"),
            ("a port is percent-encoded", "did:wba:localhost%3A8443:agent:alice"),
            ("digits may start a name", "did:wba:example.com:agent:4ce:007"),
        ])
    };
    let invalid = || {
        texts([
            ("another method", "did:web:example.com:agent:alice"),
            ("the default tenant is never written", "did:wba:example.com:agent:default:alice"),
            ("a reserved name", "did:wba:example.com:agent:acme:relay"),
            ("a reserved tenant", "did:wba:example.com:agent:system:alice"),
            ("upper case in the name", "did:wba:example.com:agent:acme:Alice"),
            ("upper case in the domain", "did:wba:Example.com:agent:acme:alice"),
            ("a dash at the end", "did:wba:example.com:agent:acme:alice-"),
            ("an underscore", "did:wba:example.com:agent:acme:e1_abc"),
            ("an address in place of a name", "did:wba:10.0.0.1:agent:alice"),
            ("a port with a leading zero", "did:wba:example.com%3A0443:agent:alice"),
            ("a port in lower-case encoding", "did:wba:example.com%3a443:agent:alice"),
            ("a port above 65535", "did:wba:example.com%3A65536:agent:alice"),
            ("a fragment", "did:wba:example.com:agent:alice#sig-1"),
            ("a segment too many", "did:wba:example.com:agent:a:b:c"),
            ("white space at the end", "did:wba:example.com:agent:alice "),
            ("nothing", ""),
        ])
    };
    Topic { name: "dids", about: "Names of agents; docs/protocol.md section 1.", read, valid, invalid }
        .check();
}

#[test]
fn kids() {
    let read = |input: &Value| {
        let kid: Kid = text(input).parse().map_err(|e| error_name(&e))?;
        let of = if kid.key_use() == KeyUse::Signing { "signing" } else { "encryption" };
        Ok(json!({"use": of, "number": kid.number()}))
    };
    let valid = || texts([("a signing key", "sig-1"), ("the last number", "enc-4294967295")]);
    let invalid = || {
        texts([
            ("the root key has no number and is no kid", "root"),
            ("numbers start at 1", "sig-0"),
            ("a leading zero", "sig-01"),
            ("a sign", "enc-+1"),
            ("beyond 32 bits", "enc-4294967296"),
            ("upper case", "Sig-1"),
        ])
    };
    Topic { name: "kids", about: "Ids of rotating keys; docs/protocol.md section 1.", read, valid, invalid }
        .check();
}

#[test]
fn message_ids() {
    let read = |input: &Value| {
        let id: MessageId = text(input).parse().map_err(|e| error_name(&e))?;
        Ok(json!({"bytes": base64url::encode(id.as_bytes())}))
    };
    let valid = || texts([("version 7, lower case", "01a0c420-8600-7707-8707-070707070707")]);
    let invalid = || {
        texts([
            ("upper case", "01A0C420-8600-7707-8707-070707070707"),
            ("without hyphens", "01a0c420860077078707070707070707"),
            ("version 4", "01a0c420-8600-4707-8707-070707070707"),
            ("another variant", "01a0c420-8600-7707-c707-070707070707"),
            ("in braces", "{01a0c420-8600-7707-8707-070707070707}"),
        ])
    };
    let about = "Message ids, UUID version 7 (RFC 9562); expected: the 16 bytes in base64url.";
    Topic { name: "message-ids", about, read, valid, invalid }.check();
}

#[test]
fn api_keys() {
    let read = |input: &Value| {
        let key: ApiKey = text(input).parse().map_err(|e| error_name(&e))?;
        Ok(json!({"hash": key.hash(), "keyId": key.hash().key_id()}))
    };
    let valid = || {
        texts([
            ("32 zero bytes; nobody's key", "sk_test_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
            ("the other prefix gives another hash", "sk_live_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
        ])
    };
    let invalid = || {
        texts([
            ("another prefix", "pk_live_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
            ("a byte short", "sk_test_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
            ("unused bits set", "sk_test_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB"),
            ("padded", "sk_test_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
        ])
    };
    let about = "API keys; expected: SHA-256 of the whole text in hex, and the key id made of it.";
    Topic { name: "api-keys", about, read, valid, invalid }.check();
}

#[test]
fn base64url_texts() {
    let read = |input: &Value| {
        let bytes = base64url::decode(text(input)).map_err(|e| error_name(&e))?;
        Ok(Value::from(bytes))
    };
    let valid = || texts([("nothing", ""), ("one byte", "QQ"), ("both special characters", "-_8")]);
    let invalid = || {
        texts([
            ("unused bits set", "QR"),
            ("padding", "QQ=="),
            ("the other alphabet", "+/8"),
            ("a length no encoding has", "A"),
            ("a line break", "QQ\n"),
        ])
    };
    let about = "Binary values in JSON: base64url, no padding, canonical; expected: the bytes.";
    Topic { name: "base64url", about, read, valid, invalid }.check();
}

#[test]
fn multikeys() {
    let read = |input: &Value| match input["kind"].as_str().unwrap() {
        "ed25519" => multikey::decode_ed25519(text(&input["text"]))
            .map(|key| json!({"bytes": base64url::encode(key.as_bytes())}))
            .map_err(|e| error_name(&e)),
        _ => multikey::decode_x25519(text(&input["text"]))
            .map(|key| json!({"bytes": base64url::encode(key.as_bytes())}))
            .map_err(|e| error_name(&e)),
    };
    let about = "Public keys as Multikey; `kind` is the kind that is wanted; expected: the 32 bytes.";
    Topic { name: "multikeys", about, read, valid: good_multikeys, invalid: bad_multikeys }.check();
}

fn good_multikeys() -> Vec<super::Input> {
    let ed25519 = multikey::encode_ed25519(&SigningKey::from_bytes(&[1; 32]).verifying_key());
    let x25519 = multikey::encode_x25519(&PublicKey::from([9; 32]));
    vec![
        ("an Ed25519 key", json!({"kind": "ed25519", "text": ed25519})),
        ("an X25519 key", json!({"kind": "x25519", "text": x25519})),
    ]
}

fn bad_multikeys() -> Vec<super::Input> {
    let encoded =
        |prefix: [u8; 2], key: &[u8]| format!("z{}", bs58::encode([&prefix[..], key].concat()).into_string());
    let ed25519 = |key: &[u8]| json!({"kind": "ed25519", "text": encoded([0xed, 0x01], key)});
    let mut one = [0; 32];
    one[0] = 1;
    // y = 2^255 - 18, which is 1 written with a value beyond the field's prime.
    let mut non_canonical = [0xff; 32];
    (non_canonical[0], non_canonical[31]) = (0xee, 0x7f);
    let wrong_kind = multikey::encode_x25519(&PublicKey::from([9; 32]));
    let good = multikey::encode_ed25519(&SigningKey::from_bytes(&[1; 32]).verifying_key());
    vec![
        ("the neutral point", ed25519(&one)),
        ("the point of order 4", ed25519(&[0; 32])),
        ("the neutral point, not canonical", ed25519(&non_canonical)),
        ("not a point", ed25519(&[2; 32])),
        ("31 bytes", ed25519(&[1; 31])),
        ("a key of the other kind", json!({"kind": "ed25519", "text": wrong_kind})),
        ("the all-zero X25519 key", json!({"kind": "x25519", "text": encoded([0xec, 0x01], &[0; 32])})),
        ("another multibase", json!({"kind": "ed25519", "text": good.replacen('z', "u", 1)})),
        (
            "a character base58 does not have",
            json!({"kind": "ed25519", "text": good.replacen("z6Mk", "z6M0", 1)}),
        ),
    ]
}
