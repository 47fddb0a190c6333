//! Parses a text frame into the request of a client. This happens before the hub is locked.

use protocol::Reason;
use protocol::envelope::Routing;
use protocol::frame::{
    AckParams, ChallengeParams, DiscoverParams, Incoming, LookupParams, RefuseParams, RegisterParams,
    SendFrame, method,
};
use protocol::strict_json;
use serde::de::DeserializeOwned;

use crate::core::RequestId;
use crate::hub::RequestRefusal;

#[derive(Debug)]
pub(super) enum ClientRequest<'a> {
    Send {
        id: RequestId,
        routing: Routing<'a>,
        envelope: &'a str,
    },
    Ack(AckParams),
    RefuseDelivery(RefuseParams),
    Challenge {
        id: RequestId,
        params: ChallengeParams,
    },
    Register {
        id: RequestId,
        params: Box<RegisterParams>,
    },
    Query {
        id: RequestId,
        query: Query,
    },
    /// A frame that is answered with this error.
    Invalid {
        /// `None` if the id could not be read.
        id: Option<RequestId>,
        refusal: RequestRefusal,
    },
    /// An answer, or a notification that this relay does not know.
    Ignored,
}

/// A question about other agents of the tenant.
#[derive(Debug)]
pub(super) enum Query {
    Discover(DiscoverParams),
    Lookup(LookupParams),
}

impl ClientRequest<'_> {
    /// Whether [`RequestRate`](super::request_rate::RequestRate) counts the request when it is
    /// read. Sends have limits in the core, and a registration is counted when it is verified.
    pub(super) const fn counts(&self) -> bool {
        match self {
            Self::Challenge { .. } | Self::Query { .. } | Self::Invalid { .. } | Self::Ignored => true,
            Self::Send { .. } | Self::Ack(_) | Self::RefuseDelivery(_) | Self::Register { .. } => false,
        }
    }

    /// The id to answer, if the request has one.
    pub(super) fn into_id(self) -> Option<RequestId> {
        match self {
            Self::Send { id, .. }
            | Self::Challenge { id, .. }
            | Self::Register { id, .. }
            | Self::Query { id, .. } => Some(id),
            Self::Invalid { id, .. } => id,
            Self::Ack(_) | Self::RefuseDelivery(_) | Self::Ignored => None,
        }
    }
}

pub(super) fn parse(frame: &str) -> ClientRequest<'_> {
    SendFrame::scan(frame).map_or_else(
        || parse_any(frame),
        |SendFrame { id, routing, envelope }| ClientRequest::Send {
            id: RequestId::from_json(id.as_json()),
            routing,
            envelope,
        },
    )
}

fn parse_any(frame: &str) -> ClientRequest<'_> {
    match Incoming::parse(frame) {
        Ok(Incoming::Request { id, method, params }) => {
            let id = RequestId::from_json(id.as_json());
            parse_request(id, &method, params)
        }
        Ok(Incoming::Notification { method, params }) => parse_notification(&method, params),
        Ok(_) => ClientRequest::Ignored,
        Err(error) => ClientRequest::Invalid { id: None, refusal: refusal_of(error.reason(), &error) },
    }
}

fn parse_notification(method: &str, params: &str) -> ClientRequest<'static> {
    let parsed = match method {
        method::ACK => parse_params(params).map(ClientRequest::Ack),
        method::REFUSE => parse_params(params).map(ClientRequest::RefuseDelivery),
        _ => return ClientRequest::Ignored,
    };
    parsed.unwrap_or_else(|refusal| ClientRequest::Invalid { id: None, refusal })
}

fn parse_request<'a>(id: RequestId, method: &str, params: &'a str) -> ClientRequest<'a> {
    let invalid = |id, refusal| ClientRequest::Invalid { id: Some(id), refusal };
    match method {
        method::SEND => match Routing::parse(params) {
            Ok(routing) => ClientRequest::Send { id, routing, envelope: params },
            Err(error) => invalid(id, refusal_of(Reason::InvalidParams, &error)),
        },
        method::CHALLENGE => match parse_params(params) {
            Ok(params) => ClientRequest::Challenge { id, params },
            Err(refusal) => invalid(id, refusal),
        },
        method::REGISTER => match parse_params(params) {
            Ok(params) => ClientRequest::Register { id, params: Box::new(params) },
            Err(refusal) => invalid(id, refusal),
        },
        method::DISCOVER => match parse_params(params) {
            Ok(params) => ClientRequest::Query { id, query: Query::Discover(params) },
            Err(refusal) => invalid(id, refusal),
        },
        method::LOOKUP => match parse_params(params) {
            Ok(params) => ClientRequest::Query { id, query: Query::Lookup(params) },
            Err(refusal) => invalid(id, refusal),
        },
        _ => invalid(id, Reason::UnknownMethod.into()),
    }
}

fn parse_params<T: DeserializeOwned>(params: &str) -> Result<T, RequestRefusal> {
    strict_json::from_slice(params.as_bytes()).map_err(|error| refusal_of(Reason::InvalidParams, &error))
}

fn refusal_of(reason: Reason, error: &dyn std::error::Error) -> RequestRefusal {
    let text = error.source().map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"));
    RequestRefusal::with_detail(reason, &text)
}

#[cfg(test)]
mod tests {
    use protocol::refusal::RefusalReason;

    use super::*;

    fn refusal(text: &str) -> (Option<String>, Reason) {
        match parse(text) {
            ClientRequest::Invalid { id, refusal } => (id.map(|id| id.to_string()), refusal.reason),
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
        let frame = r#"{"jsonrpc":"2.0","id":1,"method":"relay.discover","params":null}"#;
        assert_eq!(refusal(frame), (Some("1".into()), Reason::InvalidParams));
        let frame = r#"{"jsonrpc":"2.0","id":null,"method":"message.send","params":{}}"#;
        assert_eq!(refusal(frame), (None, Reason::InvalidRequest));
        assert_eq!(refusal("{"), (None, Reason::Malformed));
    }

    #[test]
    fn a_refused_delivery_is_read_with_its_reason() {
        let refuse = |reason| {
            format!(
                r#"{{"jsonrpc":"2.0","method":"relay.refuse","params":{{"epoch":7,"seq":3,"reason":"{reason}"}}}}"#
            )
        };
        let frame = refuse("undecryptable");
        let ClientRequest::RefuseDelivery(refused) = parse(&frame) else { panic!() };
        assert_eq!((refused.epoch, refused.seq, refused.reason), (7, 3, RefusalReason::Undecryptable));
        assert_eq!(refusal(&refuse("boredom")), (None, Reason::InvalidParams));
    }

    #[test]
    fn the_envelope_is_the_bytes_that_arrived() {
        let id = "01a0f4c8-5c00-7000-8000-000000000000";
        let envelope = format!(
            r#"{{ "to":"a","from":"b","id":"{id}","class":"reliable","ttl":5,"protected":"p","body":"c","signature":"s"}}"#
        );
        let frame = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"message.send","params":{envelope}}}"#);
        let ClientRequest::Send { envelope: found, routing, .. } = parse(&frame) else { panic!() };
        assert_eq!(found, envelope);
        assert_eq!((&*routing.to, &*routing.from), ("a", "b"));
    }
}
