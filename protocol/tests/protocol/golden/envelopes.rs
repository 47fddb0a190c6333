//! Fixtures of protected headers, of envelopes, and of the relay's view of envelopes.

use msg2agent_protocol::envelope::suite1::Binding;
use msg2agent_protocol::envelope::{
    Class, Content, Draft, Envelope, Header, MessageType, Routing, open, seal::Sealed,
};
use msg2agent_protocol::signature::{Context, sign};
use msg2agent_protocol::{Identity, base64url};
use serde_json::{Value, json};

use super::{Input, Topic, text};
use crate::actors::{NOW, alice, bob, keys, mallory, request, sealed};
use crate::error_name::error_name;

#[test]
fn envelopes() {
    let about = "Envelopes from Alice as transmitted, opened by `recipient` at the time `now`; the agents are those of \
                 identities.json. `prk` is the disclosed message key.";
    let read = |input: &Value| {
        let envelope = Envelope::parse(text(&input["envelope"])).map_err(|_| "Shape")?;
        let recipient = if input["recipient"] == "bob" { bob() } else { mallory() };
        let now = input["now"].as_u64().unwrap();
        let opened = open(&envelope, &keys(&alice()), &recipient, now).map_err(|e| error_name(&e))?;
        let prk = base64url::encode(&opened.prk.disclose());
        Ok(json!({"header": opened.header, "content": opened.content, "prk": prk}))
    };
    Topic { name: "envelopes", about, read, valid: good_envelopes, invalid: bad_envelopes }.check();
}

/// An input: the envelope's text, opened by `recipient` at `now`.
fn arriving(envelope: &str, recipient: &Identity, now: u64) -> Value {
    json!({"envelope": envelope, "recipient": recipient.did().name(), "now": now})
}

fn to_bob(envelope: &Envelope) -> Value {
    arriving(&serde_json::to_string(envelope).unwrap(), &bob(), NOW + 5)
}

fn good_envelopes() -> Vec<Input> {
    let typing = Draft {
        class: Class::Ephemeral,
        r#type: MessageType::Typing,
        ttl: None,
        thread: None,
        ..request(Content::json(Value::Null))
    };
    let answer = Draft {
        r#type: MessageType::Response,
        re: Some("01a0c420-8600-7707-8707-070707070706".parse().unwrap()),
        ..request(Content::json(json!({"steps": [1, 2, 3], "done": false})))
    };
    let spaced = serde_json::to_string_pretty(&hello().envelope).unwrap();
    vec![
        ("a request with a text", to_bob(&hello().envelope)),
        ("a response with JSON", to_bob(&sealed(answer).envelope)),
        ("typing, which is ephemeral", to_bob(&sealed(typing).envelope)),
        (
            "a text of 1000 bytes, padded to 1152",
            to_bob(&sealed(request(Content::text("a".repeat(1000)))).envelope),
        ),
        ("white space between the members", arriving(&spaced, &bob(), NOW + 5)),
        ("the last second of its life", arriving(&compact(&hello().envelope), &bob(), NOW + 3_600 + 300)),
        ("a sender whose clock is 300 s ahead", arriving(&compact(&hello().envelope), &bob(), NOW - 300)),
    ]
}

fn hello() -> Sealed {
    sealed(request(Content::text("hello").with_method("plan.create")))
}

fn compact(envelope: &Envelope) -> String {
    serde_json::to_string(envelope).unwrap()
}

/// Hello with another header or body, signed again by its true sender: what a broken or hostile
/// sender could make.
fn resigned(change: impl FnOnce(&mut Envelope, &mut Value)) -> Value {
    let mut envelope = hello().envelope;
    let mut header: Value = serde_json::from_slice(&base64url::decode(&envelope.protected).unwrap()).unwrap();
    change(&mut envelope, &mut header);
    envelope.protected = base64url::encode(header.to_string().as_bytes());
    to_bob(&signed(envelope))
}

fn signed(mut envelope: Envelope) -> Envelope {
    let alice = alice();
    let key = &alice.current_signing().unwrap().key;
    let input = [envelope.protected.as_bytes(), b".", envelope.body.as_bytes()];
    envelope.signature = base64url::encode(&sign(key, Context::Envelope, &input));
    envelope
}

/// Hello around a plaintext this suite does not write, encrypted and signed as it should be.
fn carrying(plaintext: &[u8]) -> Value {
    let Sealed { mut envelope, prk } = hello();
    let header = Header::parse(&envelope.protected).unwrap();
    let Header { from, to, skid, rkid, id, .. } = &header;
    let keys = prk.expand(Binding { from, to, skid, rkid, id });
    envelope.body = base64url::encode(&keys.encrypt(&envelope.protected, plaintext).unwrap());
    to_bob(&signed(envelope))
}

fn bad_envelopes() -> Vec<Input> {
    let outer = |change: fn(&mut Envelope)| {
        let mut envelope = hello().envelope;
        change(&mut envelope);
        to_bob(&envelope)
    };
    let mut unread = padded(br#"{"contentType":"a/b","content":{"x":1,"x":2}}"#);
    let duplicate = carrying(&unread);
    *unread.last_mut().unwrap() = 1;
    vec![
        (
            "two addresses",
            arriving(text(&spelled("{", r#"{"to":"did:wba:example.com:agent:acme:mallory","#)), &bob(), NOW),
        ),
        ("a member in another case", arriving(text(&spelled("\"from\"", "\"From\"")), &bob(), NOW)),
        ("an unknown member", arriving(text(&spelled("{", r#"{"x":1,"#)), &bob(), NOW)),
        ("a list in place of an object", arriving(&as_list(&hello().envelope), &bob(), NOW)),
        ("another recipient outside than inside", outer(|e| e.to = mallory().did().clone())),
        ("another sender outside than inside", outer(|e| e.from = mallory().did().clone())),
        ("another class outside than inside", outer(|e| e.class = Class::Ephemeral)),
        ("another ttl outside than inside", outer(|e| e.ttl = Some(3_601))),
        ("a changed signature", outer(|e| e.signature = base64url::encode(&[1; 64]))),
        ("a signature of 63 bytes", outer(|e| e.signature = base64url::encode(&[1; 63]))),
        ("a changed body", outer(|e| e.body = base64url::encode(&[1; 80]))),
        (
            "a body signed by its sender but encrypted with another key",
            resigned(|e, _| e.body = base64url::encode(&[1; 80])),
        ),
        (
            "a header that is not JSON",
            to_bob(&signed(Envelope { protected: "AAAA".into(), ..hello().envelope })),
        ),
        ("a header with an unknown member", resigned(|_, h| h["x"] = 1.into())),
        ("an unknown suite", resigned(|_, h| h["suite"] = "plain".into())),
        (
            "a reliable message without ttl",
            resigned(|e, h| {
                e.ttl = None;
                drop(h.as_object_mut().unwrap().remove("ttl"));
            }),
        ),
        ("reliable typing", resigned(|_, h| h["type"] = "typing".into())),
        ("a thread of 65 bytes", resigned(|_, h| h["thread"] = "t".repeat(65).into())),
        ("a signing key the sender's document does not name", resigned(|_, h| h["skid"] = "sig-2".into())),
        ("an encryption key the recipient does not hold", resigned(|_, h| h["rkid"] = "enc-9".into())),
        ("an ephemeral key of small order", resigned(|_, h| h["epk"] = base64url::encode(&[0; 32]).into())),
        (
            "an ephemeral key that was not used",
            resigned(|_, h| h["epk"] = base64url::encode(&[9; 32]).into()),
        ),
        ("a commitment to another key", resigned(|_, h| h["commit"] = base64url::encode(&[9; 32]).into())),
        ("opened by somebody else", arriving(&compact(&hello().envelope), &mallory(), NOW)),
        ("a second too late", arriving(&compact(&hello().envelope), &bob(), NOW + 3_600 + 301)),
        ("a second too early", arriving(&compact(&hello().envelope), &bob(), NOW - 301)),
        ("padding that is not zero", carrying(&unread)),
        ("no padding", carrying(b"\0\0\0\x02{}")),
        ("a content with a member twice", duplicate),
    ]
}

/// Length, JSON and zeros up to 64 bytes.
fn padded(json: &[u8]) -> Vec<u8> {
    let mut plaintext = u32::try_from(json.len()).unwrap().to_be_bytes().to_vec();
    plaintext.extend_from_slice(json);
    plaintext.resize(64, 0);
    plaintext
}

/// The values of the members in their order, without names.
fn as_list(envelope: &Envelope) -> String {
    let Envelope { to, from, id, class, ttl, protected, body, signature } = envelope;
    json!([to, from, id, class, ttl, protected, body, signature]).to_string()
}

#[test]
fn headers() {
    let about = "Protected headers: base64url of their JSON; expected: the JSON.";
    let read = |input: &Value| {
        let header = Header::parse(text(input)).map_err(|e| error_name(&e))?;
        Ok(serde_json::to_value(header).unwrap())
    };
    let valid = || vec![("of a request", Value::from(hello().envelope.protected))];
    let invalid = || {
        let json = String::from_utf8(base64url::decode(&hello().envelope.protected).unwrap()).unwrap();
        let spelled = |from: &str, to: &str| {
            assert!(json.contains(from), "{from}");
            Value::from(base64url::encode(json.replacen(from, to, 1).as_bytes()))
        };
        vec![
            ("padding", Value::from(format!("{}=", hello().envelope.protected))),
            ("longer than 4096 bytes", spelled("{", &format!("{{{}", " ".repeat(4096)))),
            ("a member twice", spelled("{", r#"{"ttl":5,"#)),
            ("a list in place of an object", Value::from(base64url::encode(b"[]"))),
            ("a word of the protocol in place of a string", spelled("\"reliable\"", r#"{"reliable":null}"#)),
            ("a time with a fraction", spelled("1790000000", "1790000000.0")),
            ("a negative time", spelled("1790000000", "-1")),
            ("something after it", spelled("\"}", "\"}{}")),
        ]
    };
    Topic { name: "headers", about, read, valid, invalid }.check();
}

#[test]
fn routing() {
    let about = "What a relay reads of an envelope. It does not check DIDs here: an address it does not know is `not_found`.";
    let read = |input: &Value| {
        let routing = Routing::parse(text(input)).map_err(|_| "Shape")?;
        Ok(json!({
            "to": routing.to, "from": routing.from, "id": routing.id, "class": routing.class, "ttl": routing.ttl
        }))
    };
    let valid = || {
        vec![
            ("an envelope", Value::from(compact(&hello().envelope))),
            ("an escape in a member's name", spelled("\"to\"", r#""t\u006f""#)),
        ]
    };
    Topic { name: "routing", about, read, valid, invalid: bad_routing }.check();
}

/// Hello's text with one part replaced.
fn spelled(from: &str, to: &str) -> Value {
    let text = compact(&hello().envelope);
    assert!(text.contains(from), "{from}");
    Value::from(text.replacen(from, to, 1))
}

fn bad_routing() -> Vec<Input> {
    vec![
        ("two addresses", spelled("{", r#"{"to":"did:wba:x:agent:y","#)),
        ("two addresses, one name escaped", spelled("{", r#"{"t\u006f":"did:wba:x:agent:y","#)),
        ("a member in another case", spelled("\"to\"", "\"To\"")),
        ("an unknown member", spelled("{", r#"{"x":1,"#)),
        ("no address", spelled("\"to\"", "\"x\"")),
        ("a header that is no text", spelled("\"protected\":\"", "\"protected\":5,\"x\":\"")),
        ("another class", spelled("\"reliable\"", "\"urgent\"")),
        ("a class that is no string", spelled("\"reliable\"", r#"{"reliable":null}"#)),
        ("a ttl that is no whole number", spelled("3600", "3600.0")),
        ("an id of another version", spelled("-7707-8", "-4707-8")),
        ("a list in place of an object", Value::from(as_list(&hello().envelope))),
    ]
}
