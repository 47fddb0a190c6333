//! Fixtures of frames and of the signed challenge of a registration.

use ed25519_dalek::SigningKey;
use msg2agent_protocol::did::Domain;
use msg2agent_protocol::frame::{AckParams, GoodbyeParams, Incoming, NoticeParams, RefuseParams, method};
use msg2agent_protocol::refusal::RefusalReason;
use msg2agent_protocol::{base64url, challenge, multikey, strict_json};
use serde_json::{Value, json};

use super::{Input, Topic, text, texts};
use crate::error_name::error_name;

#[test]
fn frames() {
    let about =
        "JSON-RPC frames as either side reads them; `reason` is what a relay answers to one it cannot read.";
    let read = |input: &Value| {
        let frame = Incoming::parse(text(input))
            .map_err(|e| format!("{} ({})", error_name(&e), e.reason().as_str()))?;
        Ok(match frame {
            Incoming::Request { id, method, params } => {
                json!({"kind": "request", "id": id.as_json(), "method": method, "params": params})
            }
            Incoming::Notification { method, params } => {
                json!({"kind": "notification", "method": method, "params": params})
            }
            Incoming::Result { id, result } => {
                json!({"kind": "result", "id": id.as_json(), "result": result})
            }
            Incoming::Error { id, error } => {
                json!({"kind": "error", "id": id.map(|id| id.as_json()), "error": error})
            }
        })
    };
    Topic { name: "frames", about, read, valid: good_frames, invalid: bad_frames }.check();
}

fn good_frames() -> Vec<Input> {
    texts([
        (
            "a request",
            r#"{"jsonrpc":"2.0","id":1,"method":"relay.lookup","params":{"did":"did:wba:x.y:agent:a"}}"#,
        ),
        ("an id is echoed as it came", r#"{"jsonrpc":"2.0","id":"7\u0037","method":"relay.challenge"}"#),
        (
            "params stay the bytes that arrived",
            r#"{"params":{ "epoch" :1,"seq":2},"method":"relay.ack","jsonrpc":"2.0"}"#,
        ),
        ("a result", r#"{"jsonrpc":"2.0","id":1,"result":{"status":"stored"}}"#),
        (
            "an error",
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32014,"message":"m","data":{"reason":"mailbox_full","retryAfterMs":50}}}"#,
        ),
        (
            "params that are null are not absent params, and no method takes them",
            r#"{"jsonrpc":"2.0","id":1,"method":"relay.discover","params":null}"#,
        ),
        ("a result that is null", r#"{"jsonrpc":"2.0","id":1,"result":null}"#),
        (
            "a delivery that is refused",
            r#"{"jsonrpc":"2.0","method":"relay.refuse","params":{"epoch":4294967297,"seq":3,"reason":"undecryptable"}}"#,
        ),
        (
            "the error of a send that the recipient refused",
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32028,"message":"m","data":{"reason":"refused","refusal":"undecryptable"}}}"#,
        ),
        (
            "the error of a send with the id of a message that has expired",
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32029,"message":"m","data":{"reason":"ended","outcome":"expired"}}}"#,
        ),
        (
            "a reason, a member and a limit that are newer than their reader",
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32999,"message":"m","data":{"reason":"x","y":1,"quota":{"plan":"z","name":"z","limit":1,"current":1}}}}"#,
        ),
        (
            "an error to a frame whose id could not be read",
            r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"m","data":{"reason":"malformed"}}}"#,
        ),
    ])
}

fn bad_frames() -> Vec<Input> {
    texts([
        ("nothing", ""),
        ("not an object", "1"),
        ("a batch", r#"[{"jsonrpc":"2.0","id":1,"method":"m"}]"#),
        ("a list in place of an object", r#"["2.0",1,"relay.ack"]"#),
        ("two frames", r#"{"jsonrpc":"2.0","id":1,"method":"m"}{}"#),
        ("a member twice", r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"m"}"#),
        ("a member twice, one name escaped", r#"{"jsonrpc":"2.0","id":1,"method":"a","m\u0065thod":"b"}"#),
        ("an unknown member", r#"{"jsonrpc":"2.0","id":1,"method":"m","x":1}"#),
        ("a member in another case", r#"{"jsonrpc":"2.0","ID":1,"method":"m"}"#),
        ("another version", r#"{"jsonrpc":"1.0","id":1,"method":"m"}"#),
        ("no version", r#"{"id":1,"method":"m"}"#),
        ("an id with a fraction", r#"{"jsonrpc":"2.0","id":1.5,"method":"m"}"#),
        ("a negative id", r#"{"jsonrpc":"2.0","id":-1,"method":"m"}"#),
        ("an id that is an object", r#"{"jsonrpc":"2.0","id":{},"method":"m"}"#),
        ("a method and a result", r#"{"jsonrpc":"2.0","id":1,"method":"m","result":1}"#),
        ("a result without id", r#"{"jsonrpc":"2.0","result":1}"#),
        ("a request whose id is null", r#"{"jsonrpc":"2.0","id":null,"method":"message.send","params":{}}"#),
        ("a result whose id is null", r#"{"jsonrpc":"2.0","id":null,"result":1}"#),
        ("a method that is null", r#"{"jsonrpc":"2.0","id":1,"method":null,"result":1}"#),
        ("an error that is null", r#"{"jsonrpc":"2.0","id":1,"method":"m","error":null}"#),
        (
            "an error whose reason is no text",
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"m","data":{"reason":{"x":null}}}}"#,
        ),
        ("a name that is no text", "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\\ud800\"}"),
    ])
}

#[test]
fn notifications() {
    let about = "The parameters of notifications. What a client sends (`relay.ack`, `relay.refuse`) is read strictly; \
                 in what a relay sends (`relay.notice`, `relay.goodbye`) unknown members are ignored.";
    let read = |input: &Value| {
        let params = input["params"].to_string();
        let shape = |_| "Shape".to_owned();
        match text(&input["method"]) {
            method::ACK => strict_json::from_str::<AckParams>(&params).map(|p| json!(p)).map_err(shape),
            method::REFUSE => strict_json::from_str::<RefuseParams>(&params).map(|p| json!(p)).map_err(shape),
            method::NOTICE => strict_json::from_str::<NoticeParams>(&params).map(|p| json!(p)).map_err(shape),
            _ => strict_json::from_str::<GoodbyeParams>(&params).map(|p| json!(p)).map_err(shape),
        }
    };
    Topic { name: "notifications", about, read, valid: good_notifications, invalid: bad_notifications }
        .check();
}

fn notice(outcome: &str, more: &Value) -> Value {
    let mut params = json!({
        "epoch": 4_294_967_297_u64, "seq": 4, "id": "01a0f4c8-5c00-7000-8000-000000000000",
        "to": "did:wba:example.com:agent:acme:bob", "outcome": outcome, "at": 1_790_000_000,
    });
    params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({"method": method::NOTICE, "params": params})
}

fn good_notifications() -> Vec<Input> {
    let refusals = RefusalReason::ALL.iter().map(|reason| {
        let params = json!({"epoch": 4_294_967_297_u64, "seq": 3, "reason": reason.as_str()});
        (reason.meaning(), json!({"method": method::REFUSE, "params": params}))
    });
    let mut cases = vec![
        (
            "an acknowledgement",
            json!({"method": method::ACK, "params": {"epoch": 4_294_967_297_u64, "seq": 3}}),
        ),
        ("a notice that a message has expired", notice("expired", &json!({}))),
        (
            "a notice that a message was refused, with the recipient's word",
            notice("refused", &json!({"reason": "undecryptable"})),
        ),
        ("a notice before which older ones were dropped", notice("dropped", &json!({"missed": 17}))),
        (
            "a word and a member that are newer than their reader",
            notice("refused", &json!({"reason": "bored", "x": 1})),
        ),
        (
            "a goodbye",
            json!({"method": method::GOODBYE, "params": {"reason": "restart", "reconnectAfterMs": 250}}),
        ),
    ];
    cases.extend(refusals);
    cases
}

fn bad_notifications() -> Vec<Input> {
    let refuse = |params: Value| json!({"method": method::REFUSE, "params": params});
    vec![
        (
            "a refusal for a reason that is not in the table",
            refuse(json!({"epoch": 1, "seq": 3, "reason": "bored"})),
        ),
        ("a refusal without a reason", refuse(json!({"epoch": 1, "seq": 3}))),
        (
            "a refusal with an unknown member",
            refuse(json!({"epoch": 1, "seq": 3, "reason": "malformed", "id": "x"})),
        ),
        (
            "a refusal whose reason is an object",
            refuse(json!({"epoch": 1, "seq": 3, "reason": {"malformed": null}})),
        ),
        (
            "an acknowledgement with an unknown member",
            json!({"method": method::ACK, "params": {"epoch": 1, "seq": 3, "x": 1}}),
        ),
        (
            "an acknowledgement of a negative number",
            json!({"method": method::ACK, "params": {"epoch": 1, "seq": -3}}),
        ),
        ("an acknowledgement whose parameters are null", json!({"method": method::ACK, "params": null})),
        ("a notice with an outcome that is not in the table", notice("lost", &json!({}))),
    ]
}

#[test]
fn challenges() {
    let about = "The signature of a registration: context `msg2agent/v1/register`, over domain, zero byte, nonce, and \
                 SHA-256 of the record.";
    let read = |input: &Value| {
        let key = multikey::decode_ed25519(text(&input["key"])).map_err(|e| error_name(&e))?;
        let domain: Domain = text(&input["domain"]).parse().unwrap();
        let nonce = base64url::decode_array(text(&input["nonce"])).unwrap();
        let record = base64url::decode(text(&input["record"])).unwrap();
        let signature = base64url::decode_array(text(&input["signature"])).map_err(|e| error_name(&e))?;
        challenge::verify(&key, &domain, &nonce, &record, &signature).map_err(|e| error_name(&e))?;
        Ok(json!("verifies"))
    };
    let valid = || vec![("an agent's answer", answer(|_| {}))];
    let invalid = || {
        vec![
            ("another relay's domain", answer(|a| a["domain"] = "b.example".into())),
            ("another nonce", answer(|a| a["nonce"] = base64url::encode(&[6; 32]).into())),
            ("another record", answer(|a| a["record"] = base64url::encode(b"other").into())),
            ("a signature of 63 bytes", answer(|a| a["signature"] = base64url::encode(&[1; 63]).into())),
            ("another signature", answer(|a| a["signature"] = base64url::encode(&[1; 64]).into())),
        ]
    };
    Topic { name: "challenges", about, read, valid, invalid }.check();
}

fn answer(change: fn(&mut Value)) -> Value {
    let key = SigningKey::from_bytes(&[1; 32]);
    let signature = challenge::sign(&key, &"a.example".parse().unwrap(), &[5; 32], b"record");
    let mut input = json!({
        "key": multikey::encode_ed25519(&key.verifying_key()), "domain": "a.example",
        "nonce": base64url::encode(&[5; 32]), "record": base64url::encode(b"record"),
        "signature": base64url::encode(&signature)
    });
    change(&mut input);
    input
}
