//! Writes frames into a buffer.
//!
//! A delivered envelope is copied as the bytes that arrived; it is never serialized again.

use std::fmt;
use std::io::Write as _;

use super::*;

const OPEN: &[u8] = br#"{"jsonrpc":"2.0""#;

// Writing into a `Vec` cannot fail, and the parameter types here always serialize.

/// Writes a `relay.deliver` around an envelope's own bytes.
pub fn write_deliver(out: &mut Vec<u8>, epoch: u64, seq: u64, envelope: &[u8]) {
    out.extend_from_slice(OPEN);
    let _ = write!(out, r#","method":"relay.deliver","params":{{"epoch":{epoch},"seq":{seq},"envelope":"#);
    out.extend_from_slice(envelope);
    out.extend_from_slice(b"}}");
}

/// Writes the result of a request. `id` shows the JSON of the request's id.
pub fn write_result(out: &mut Vec<u8>, id: impl fmt::Display, result: &impl Serialize) {
    out.extend_from_slice(OPEN);
    let _ = write!(out, r#","id":{id},"result":"#);
    let _ = serde_json::to_writer(&mut *out, result);
    out.push(b'}');
}

/// Writes the result of a `message.send`, which is a [`SendResult`].
pub fn write_send_result(out: &mut Vec<u8>, id: impl fmt::Display, status: SendStatus) {
    out.extend_from_slice(OPEN);
    let _ = write!(out, r#","id":{id},"result":{{"status":"{}"}}}}"#, status.as_str());
}

/// Writes an error. `id` shows the JSON of the request's id; `None` when it could not be read.
pub fn write_error<I: fmt::Display>(out: &mut Vec<u8>, id: Option<I>, error: &RpcError) {
    out.extend_from_slice(OPEN);
    let _ = match id {
        Some(id) => write!(out, r#","id":{id},"error":"#),
        None => write!(out, r#","id":null,"error":"#),
    };
    let _ = serde_json::to_writer(&mut *out, error);
    out.push(b'}');
}

/// Writes a notification.
pub fn write_notification(out: &mut Vec<u8>, method: &str, params: &impl Serialize) {
    out.extend_from_slice(OPEN);
    let _ = write!(out, r#","method":"{method}","params":"#);
    let _ = serde_json::to_writer(&mut *out, params);
    out.push(b'}');
}

/// Writes a request with a number as its id.
pub fn write_request(out: &mut Vec<u8>, id: u64, method: &str, params: &impl Serialize) {
    out.extend_from_slice(OPEN);
    let _ = write!(out, r#","id":{id},"method":"{method}","params":"#);
    let _ = serde_json::to_writer(&mut *out, params);
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let mut out = Vec::new();
        write_error::<&str>(&mut out, None, &RpcError::new(Reason::RateLimited, Some(50)));
        let text = String::from_utf8(out).unwrap();
        let Incoming::Error { id: None, error } = Incoming::parse(&text).unwrap() else { panic!("{text}") };
        assert_eq!(error.data.retry_after_ms, Some(50));

        for status in SendStatus::ALL {
            let (mut fast, mut slow) = (Vec::new(), Vec::new());
            write_send_result(&mut fast, 7, status);
            write_result(&mut slow, 7, &SendResult { status });
            assert_eq!(fast, slow);
        }

        let mut out = Vec::new();
        write_deliver(&mut out, 3, 9, b"{ \"kept\" :1}");
        let text = String::from_utf8(out).unwrap();
        let Incoming::Notification { method, params } = Incoming::parse(&text).unwrap() else {
            panic!("{text}")
        };
        assert_eq!(method, method::DELIVER);
        assert_eq!(params, r#"{"epoch":3,"seq":9,"envelope":{ "kept" :1}}"#);
    }
}
