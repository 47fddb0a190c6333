//! Writes the worked example: a registration, a sealed message and a proof, with every intermediate
//! value.
//!
//! The values are computed here with primitives, one step at a time as `docs/protocol.md` describes
//! them, and compared with what the crate makes of the same keys. The page is
//! `docs/protocol-example.md`, and the same values by name are in
//! `protocol/fixtures/worked-example.json`.

use std::path::PathBuf;

use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305};
use hkdf::Hkdf;
use msg2agent_protocol::document::{self, DidDocument};
use msg2agent_protocol::envelope::Content;
use msg2agent_protocol::identity::public_of;
use msg2agent_protocol::proof::{self, ProvenMessage};
use msg2agent_protocol::{base64url, challenge, multikey};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use x25519_dalek::{PublicKey, StaticSecret};

use super::REWRITE;
use crate::actors::{self, NOW, RELAY, Stream, alice, bob, keys, request, sealed};

/// Characters of a value in one line of the page.
const LINE_MAX: usize = 96;
const DOMAIN: &str = "example.com";

struct Step {
    name: &'static str,
    how: &'static str,
    value: String,
}

#[derive(Default)]
struct Chapter {
    title: &'static str,
    steps: Vec<Step>,
}

impl Chapter {
    fn add(&mut self, name: &'static str, how: &'static str, value: impl Into<String>) {
        self.steps.push(Step { name, how, value: value.into() });
    }
}

#[test]
fn the_worked_example_has_every_intermediate_value() {
    let chapters = [agents(), registration(), message(), proof_file()];
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    check(&root.join("fixtures/worked-example.json"), &fixture(&chapters));
    check(&root.join("../docs/protocol-example.md"), &page(&chapters));
}

fn check(path: &std::path::Path, wanted: &str) {
    if std::env::var_os(REWRITE).is_some() {
        std::fs::write(path, wanted).unwrap();
    }
    let found = std::fs::read_to_string(path).unwrap_or_default();
    assert!(found == wanted, "{} is not current: {REWRITE}=1 rewrites it", path.display());
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn agents() -> Chapter {
    let mut chapter = Chapter { title: "Keys", ..Chapter::default() };
    let (alice, bob) = (alice(), bob());
    chapter.add(
        "alice key file",
        "the seeds of Alice's keys; Bob's file is made alike",
        alice.to_key_file().as_str(),
    );
    chapter.add("bob encryption seed", "the X25519 secret of Bob's `enc-1`, base64url", {
        base64url::encode(&bob.encryption()[0].key.to_bytes())
    });
    let root = alice.root_public();
    chapter.add("alice root key", "Ed25519 public key of the seed `root`, hex", hex(root.as_bytes()));
    chapter.add(
        "alice root multikey",
        "`z` and base58btc of `ed01` and the key",
        multikey::encode_ed25519(&root),
    );
    let jwk = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, base64url::encode(root.as_bytes()));
    chapter.add("alice root jwk", "the members of RFC 7638 in their order", jwk.clone());
    let thumbprint = base64url::encode(&Sha256::digest(&jwk));
    chapter.add("alice thumbprint", "base64url of its SHA-256", thumbprint.clone());
    chapter.add("alice alias", "the self-certifying alias", format!("{}:e1_{thumbprint}", alice.did()));
    chapter
}

fn registration() -> Chapter {
    let mut chapter = Chapter { title: "Registration", ..Chapter::default() };
    let alice = alice();
    let record = actors::record(&alice);
    let parsed: Value = serde_json::from_slice(&record).unwrap();
    let mut bare = parsed["document"].clone();
    let mut options = bare.as_object_mut().unwrap().remove("proof").unwrap();
    let value = options.as_object_mut().unwrap().remove("proofValue").unwrap();
    let canonical =
        |value: &Value| String::from_utf8(serde_json_canonicalizer::to_vec(value).unwrap()).unwrap();
    let (options, bare) = (canonical(&options), canonical(&bare));
    chapter.add("document proof options", "RFC 8785 of `proof` without `proofValue`", options.clone());
    chapter.add("document without proof", "RFC 8785 of the document without `proof`", bare.clone());
    let input = [Sha256::digest(&options), Sha256::digest(&bare)].concat();
    chapter.add(
        "document proof input",
        "SHA-256 of the options, then SHA-256 of the document, hex",
        hex(&input),
    );
    let signature = ed25519_dalek::Signer::sign(alice.root(), &input).to_bytes();
    chapter.add("document proof value", "`z` and base58btc of the root key's Ed25519 signature over it", {
        format!("z{}", bs58::encode(signature).into_string())
    });
    assert_eq!(chapter.steps.last().unwrap().value, value.as_str().unwrap());

    chapter.add("record", "the bytes that are registered; the other document is made alike", {
        String::from_utf8(record.clone()).unwrap()
    });
    let hash = Sha256::digest(&record);
    chapter.add("record hash", "SHA-256 of these bytes, hex", hex(&hash));
    let nonce = [5; 32];
    chapter.add("challenge result", "what the relay answered to `relay.challenge`", {
        json!({"nonce": base64url::encode(&nonce), "domain": DOMAIN, "expires": 30}).to_string()
    });
    let input = [b"msg2agent/v1/register".as_slice(), &[0], DOMAIN.as_bytes(), &[0], &nonce, &hash].concat();
    chapter.add("registration input", "context, 00, domain, 00, nonce, record hash; hex", hex(&input));
    let key = &alice.current_signing().unwrap().key;
    let signature = ed25519_dalek::Signer::sign(key, &input).to_bytes();
    assert_eq!(signature, challenge::sign(key, &DOMAIN.parse().unwrap(), &nonce, &record));
    chapter.add("registration signature", "Ed25519 by `sig-1`, base64url", base64url::encode(&signature));
    chapter.add("registration request", "the frame", {
        json!({"jsonrpc": "2.0", "id": 2, "method": "relay.register", "params": {
            "did": alice.did(), "record": base64url::encode(&record), "kid": "sig-1",
            "signature": base64url::encode(&signature)
        }})
        .to_string()
    });
    chapter
}

/// The JSON of the content: members in any order, without white space here.
fn content() -> Content {
    Content::text("hello")
}

fn message() -> Chapter {
    let mut chapter = Chapter { title: "A sealed message", ..Chapter::default() };
    let (alice, bob) = (alice(), bob());
    let sealed = sealed(request(content()));
    let header: Value =
        serde_json::from_slice(&base64url::decode(&sealed.envelope.protected).unwrap()).unwrap();
    let mut seed = [0; 32];
    rand_core::Rng::fill_bytes(&mut Stream::new("ephemeral"), &mut seed);
    let ephemeral = StaticSecret::from(seed);
    let (epk, recipient) = (PublicKey::from(&ephemeral), public_of(&bob.encryption()[0].key));
    chapter.add("ephemeral secret", "32 random bytes, fresh for each message; hex", hex(&seed));
    chapter.add("epk", "its X25519 public key, hex", hex(epk.as_bytes()));
    chapter.add("recipient key", "Bob's `enc-1` from his record, hex", hex(recipient.as_bytes()));
    let shared = ephemeral.diffie_hellman(&recipient);
    chapter.add("shared secret", "X25519 of the two, hex; zero is refused", hex(shared.as_bytes()));
    let salt = [*epk.as_bytes(), *recipient.as_bytes()].concat();
    chapter.add("salt", "epk, then the recipient key; hex", hex(&salt));
    let (prk, hkdf) = Hkdf::<Sha256>::extract(Some(&salt), shared.as_bytes());
    chapter.add("prk", "HKDF-Extract with SHA-256, hex; this is what a proof discloses", hex(&prk));
    assert_eq!(prk.as_slice(), sealed.prk.disclose());

    let mut info = b"msg2agent/v1/suite1".to_vec();
    for part in ["from", "to", "skid", "rkid", "id"] {
        let part = header[part].as_str().unwrap();
        info.extend_from_slice(&u16::try_from(part.len()).unwrap().to_be_bytes());
        info.extend_from_slice(part.as_bytes());
    }
    chapter.add(
        "info",
        "the label without a prefix; then from, to, skid, rkid and id, each after its length in 2 bytes, big-endian; hex",
        hex(&info),
    );
    let mut okm = [0; 88];
    hkdf.expand(&info, &mut okm).unwrap();
    chapter.add("okm", "HKDF-Expand, 88 bytes, hex: 32 of key, 24 of nonce, 32 of commit", hex(&okm));
    let (key, rest) = okm.split_at(32);
    let (nonce, commit) = rest.split_at(24);
    assert_eq!(header["commit"], base64url::encode(commit));
    chapter.add("header", "JSON in any order and spelling; these bytes count", {
        String::from_utf8(base64url::decode(&sealed.envelope.protected).unwrap()).unwrap()
    });
    let protected = &sealed.envelope.protected;
    chapter.add("protected", "its base64url", protected.clone());

    let json = serde_json::to_vec(&content()).unwrap();
    chapter.add("content", "JSON", String::from_utf8(json.clone()).unwrap());
    let mut plaintext = u32::try_from(json.len()).unwrap().to_be_bytes().to_vec();
    plaintext.extend_from_slice(&json);
    plaintext.resize(64, 0);
    chapter.add("plaintext", "its length in 4 bytes, the JSON, zeros up to 64 bytes; hex", hex(&plaintext));
    let payload = Payload { msg: &plaintext, aad: protected.as_bytes() };
    let cipher = XChaCha20Poly1305::new(key.try_into().unwrap());
    let body = cipher.encrypt(nonce.try_into().unwrap(), payload).unwrap();
    chapter.add(
        "ciphertext",
        "XChaCha20-Poly1305 with the ASCII of `protected` as AAD; tag last; hex",
        hex(&body),
    );
    assert_eq!(base64url::encode(&body), sealed.envelope.body);
    let input = format!("{protected}.{}", sealed.envelope.body);
    let input = [b"msg2agent/v1/envelope".as_slice(), &[0], input.as_bytes()].concat();
    chapter.add("signature input hash", "SHA-256 of: context, 00, `protected`, a dot, `body`; hex", {
        hex(&Sha256::digest(&input))
    });
    let signature = ed25519_dalek::Signer::sign(&alice.current_signing().unwrap().key, &input).to_bytes();
    assert_eq!(base64url::encode(&signature), sealed.envelope.signature);
    chapter.add("signature", "Ed25519 by `sig-1` over that input (not over its hash), base64url", {
        sealed.envelope.signature.clone()
    });
    chapter.add("envelope", "the params of `message.send`", serde_json::to_string(&sealed.envelope).unwrap());
    chapter
}

fn proof_file() -> Chapter {
    let mut chapter = Chapter { title: "A proof", ..Chapter::default() };
    let (alice, bob) = (alice(), bob());
    let sealed = sealed(request(content()));
    let messages = vec![ProvenMessage { envelope: sealed.envelope, prk: sealed.prk.disclose() }];
    let documents: Vec<DidDocument> =
        [&alice, &bob].map(|of| document::build(of, Some(RELAY), NOW - 500).0).to_vec();
    let file = proof::write(messages, documents, &bob, NOW + 60).unwrap();
    let mut unsigned: Value = serde_json::from_slice(&file).unwrap();
    let attestation = unsigned["attestation"].as_object_mut().unwrap();
    let signature = attestation.remove("signature").unwrap();
    let unsigned = serde_json_canonicalizer::to_vec(&unsigned).unwrap();
    chapter.add("proof without signature", "RFC 8785; documents in the order of their DIDs", {
        String::from_utf8(unsigned.clone()).unwrap()
    });
    let input = [b"msg2agent/v1/proof".as_slice(), &[0], &unsigned].concat();
    let by = &bob.current_signing().unwrap().key;
    let found = base64url::encode(&ed25519_dalek::Signer::sign(by, &input).to_bytes());
    assert_eq!(found, signature.as_str().unwrap());
    chapter.add(
        "attestation signature",
        "Ed25519 by Bob's `sig-1` over: context, 00, these bytes; base64url",
        found,
    );
    chapter.add("proof hash", "SHA-256 of the file: the same with `attestation.signature`; hex", {
        hex(&Sha256::digest(&file))
    });
    chapter.add("anchors", "the root keys that the reader must know from elsewhere", {
        let root = |of: &msg2agent_protocol::Identity| multikey::encode_ed25519(&of.root_public());
        json!({alice.did().as_str(): root(&alice), bob.did().as_str(): root(&bob)}).to_string()
    });
    let known = |did: &msg2agent_protocol::Did| {
        [&alice, &bob].into_iter().find(|agent| agent.did() == did).map(|agent| agent.root_public())
    };
    assert_eq!(proof::verify(&file, &known).unwrap().len(), 1);
    assert_eq!(keys(&bob).root, bob.root_public());
    chapter
}

fn fixture(chapters: &[Chapter]) -> String {
    let values: Vec<_> = chapters.iter().flat_map(|chapter| &chapter.steps).collect();
    let values: serde_json::Map<_, _> =
        values.iter().map(|step| (step.name.to_owned(), Value::from(step.value.clone()))).collect();
    let about = "Every value of docs/protocol-example.md, by its name.";
    serde_json::to_string_pretty(&json!({"about": about, "values": values})).unwrap() + "\n"
}

fn page(chapters: &[Chapter]) -> String {
    let mut page = "# A worked example

Alice registers, and sends Bob a message, which Bob proves. Every intermediate value is here, made
from fixed keys, so that an implementation can be compared step by step. The steps are those of
[protocol.md](protocol.md).

The same values by name, without the line breaks that long ones have here, are in
`protocol/fixtures/worked-example.json`. `make gen` writes both, and a test keeps them current.
"
    .to_owned();
    for chapter in chapters {
        page += &format!("\n## {}\n", chapter.title);
        for step in &chapter.steps {
            let how = wrapped(&format!("**{}**: {}.", step.name, step.how));
            page += &format!("\n{how}\n\n```text\n{}\n```\n", cut(&step.value));
        }
    }
    page
}

/// Prose in lines of at most 100 columns.
fn wrapped(text: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().unwrap();
        if line.is_empty() {
            line.push_str(word);
        } else if line.len() + 1 + word.len() <= 100 {
            *line += &format!(" {word}");
        } else {
            lines.push(word.to_owned());
        }
    }
    lines.join("\n")
}

fn cut(value: &str) -> String {
    let cut_line = |line: &str| {
        let characters: Vec<_> = line.chars().collect();
        characters.chunks(LINE_MAX).map(|part| part.iter().collect::<String>()).collect::<Vec<_>>().join("\n")
    };
    value.lines().map(cut_line).collect::<Vec<_>>().join("\n")
}
