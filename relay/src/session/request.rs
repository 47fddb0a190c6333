//! One text frame as what the client wants. Pure, and done before the hub is locked.

use protocol::Reason;
use protocol::envelope::Routing;
use protocol::frame::{
    AckParams, ChallengeParams, DiscoverParams, Incoming, LookupParams, RegisterParams, method,
};
use protocol::strict_json;
use serde::de::DeserializeOwned;
use tokio_tungstenite::tungstenite::Utf8Bytes;

use super::engine::shared;
use crate::core::RequestId;

#[derive(Debug)]
pub(super) enum Request<'a> {
    Send {
        id: RequestId,
        routing: Routing<'a>,
        envelope: bytes::Bytes,
    },
    Ack(AckParams),
    Challenge {
        id: RequestId,
        params: ChallengeParams,
    },
    Register {
        id: RequestId,
        params: Box<RegisterParams>,
    },
    Discover {
        id: RequestId,
        params: DiscoverParams,
    },
    Lookup {
        id: RequestId,
        params: LookupParams,
    },
    /// Answered with this reason; `None`: the id could not be read.
    Refused {
        id: Option<RequestId>,
        reason: Reason,
    },
    /// An answer, or a notification this relay does not know: nothing to do.
    Ignored,
}

pub(super) fn read(frame: &Utf8Bytes) -> Request<'_> {
    match Incoming::parse(frame.as_str()) {
        Ok(Incoming::Request { id, method, params }) => {
            let id = RequestId::from_json(id.as_json());
            call(frame, id, &method, params)
        }
        Ok(Incoming::Notification { method, params }) if method == method::ACK => match parse(params) {
            Ok(params) => Request::Ack(params),
            Err(reason) => Request::Refused { id: None, reason },
        },
        Ok(_) => Request::Ignored,
        Err(error) => Request::Refused { id: None, reason: error.reason() },
    }
}

fn call<'a>(frame: &'a Utf8Bytes, id: RequestId, method: &str, params: &'a str) -> Request<'a> {
    let refused = |id, reason| Request::Refused { id: Some(id), reason };
    match method {
        method::SEND => match Routing::parse(params) {
            Ok(routing) => Request::Send { id, routing, envelope: shared(frame, params) },
            Err(_) => refused(id, Reason::InvalidParams),
        },
        method::CHALLENGE => match parse(params) {
            Ok(params) => Request::Challenge { id, params },
            Err(reason) => refused(id, reason),
        },
        method::REGISTER => match parse(params) {
            Ok(params) => Request::Register { id, params: Box::new(params) },
            Err(reason) => refused(id, reason),
        },
        method::DISCOVER => match parse(params) {
            Ok(params) => Request::Discover { id, params },
            Err(reason) => refused(id, reason),
        },
        method::LOOKUP => match parse(params) {
            Ok(params) => Request::Lookup { id, params },
            Err(reason) => refused(id, reason),
        },
        _ => refused(id, Reason::UnknownMethod),
    }
}

fn parse<T: DeserializeOwned>(params: &str) -> Result<T, Reason> {
    strict_json::from_slice(params.as_bytes()).map_err(|_| Reason::InvalidParams)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> (Option<String>, Reason) {
        let frame = Utf8Bytes::from(text.to_owned());
        match read(&frame) {
            Request::Refused { id, reason } => (id.map(|id| id.to_string()), reason),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_request_that_cannot_be_read_is_refused_with_its_id() {
        let frame = r#"{"jsonrpc":"2.0","id":7,"method":"message.send","params":{"to":"a","to":"b"}}"#;
        assert_eq!(refusal(frame), (Some("7".into()), Reason::InvalidParams));
        let frame = r#"{"jsonrpc":"2.0","id":"x","method":"relay.typing","params":{}}"#;
        assert_eq!(refusal(frame), (Some("\"x\"".into()), Reason::UnknownMethod));
        let frame = r#"{"jsonrpc":"2.0","id":1,"method":"relay.lookup","params":{"did":"nobody"}}"#;
        assert_eq!(refusal(frame), (Some("1".into()), Reason::InvalidParams));
        assert_eq!(refusal("{"), (None, Reason::Malformed));
    }

    #[test]
    fn the_envelope_is_the_bytes_that_arrived() {
        let id = "01a0f4c8-5c00-7000-8000-000000000000";
        let envelope = format!(
            r#"{{ "to":"a","from":"b","id":"{id}","class":"reliable","ttl":5,"protected":"p","body":"c","signature":"s"}}"#
        );
        let text = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"message.send","params":{envelope}}}"#);
        let frame = Utf8Bytes::from(text);
        let Request::Send { envelope: found, routing, .. } = read(&frame) else { panic!() };
        assert_eq!(found, envelope.as_bytes());
        assert_eq!((&*routing.to, &*routing.from), ("a", "b"));
    }
}
