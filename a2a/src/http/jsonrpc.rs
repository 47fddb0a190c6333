//! The JSON-RPC binding: reads requests and writes responses (specification 9).

use serde_json::{Map, Value, json};

use super::body;
use super::error_body::jsonrpc_error;
use super::route::Interface;
use super::version::{ProtocolVersion, not_supported};
use crate::card::CardPublisher;
use crate::error::{A2aError, ErrorKind};
use crate::model::StreamResponse;
use crate::operation::{Operation, OperationName, OperationResult};
use crate::proto_json::FieldViolation;
use crate::v03;

/// Bytes of the id of a request that is a string. It is in each event of a stream.
const REQUEST_ID_BYTES_MAX: usize = 256;

/// A request of JSON-RPC that is none of A2A yet.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RpcRequest {
    pub(crate) id: Value,
    pub(crate) method: String,
    pub(crate) params: Value,
}

impl RpcRequest {
    /// Reads a request. An error comes with the id of the request, as far as it has one.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Box<(Value, A2aError)>> {
        let value = body::parse(bytes).map_err(|error| Box::new((Value::Null, error)))?;
        let Value::Object(mut members) = value else {
            return Err(Box::new((
                Value::Null,
                invalid("a request must be one object; batches are not served"),
            )));
        };
        let id = match members.remove("id") {
            Some(Value::String(id)) if id.len() > REQUEST_ID_BYTES_MAX => {
                return Err(Box::new((Value::Null, invalid("the id of the request is too long"))));
            }
            Some(id @ (Value::String(_) | Value::Number(_))) => id,
            Some(_) => return Err(Box::new((Value::Null, invalid("the id must be a string or a number")))),
            None => return Err(Box::new((Value::Null, invalid("a request must have an id")))),
        };
        Self::of(members, id.clone()).map_err(|error| Box::new((id, error)))
    }

    fn of(mut members: Map<String, Value>, id: Value) -> Result<Self, A2aError> {
        if members.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
            return Err(invalid("the member jsonrpc must be \"2.0\""));
        }
        let Some(Value::String(method)) = members.remove("method") else {
            return Err(invalid("the method must be a string"));
        };
        let params = match members.remove("params") {
            None | Some(Value::Null) => Value::Object(Map::new()),
            Some(params @ Value::Object(_)) => params,
            Some(_) => return Err(FieldViolation::new("params", "must be an object").into()),
        };
        Ok(Self { id, method, params })
    }

    /// The operation that the request wants, in the version that it speaks.
    pub(crate) fn operation(
        &self,
        version: ProtocolVersion,
        interface: Interface,
    ) -> Result<Operation, A2aError> {
        let (current, legacy) =
            (OperationName::from_method(&self.method), OperationName::from_legacy_method(&self.method));
        match (version, current, legacy) {
            (ProtocolVersion::V1_0, Some(name), _) => Ok(Operation::read(name, &self.params)?),
            (ProtocolVersion::V0_3, _, Some(name)) => Ok(v03::read_operation(name, &self.params)?),
            // Clients of 1.0 forget the header; the method says what they meant.
            (ProtocolVersion::V0_3, Some(_), _) => Err(not_supported("", interface).with_metadata(
                "advice",
                format!("{} is a method of 1.0; send the header A2A-Version: 1.0", self.method),
            )),
            _ => Err(A2aError::new(ErrorKind::MethodNotFound, "Method not found")),
        }
    }
}

fn invalid(problem: &str) -> A2aError {
    A2aError::new(ErrorKind::InvalidRequest, format!("Request payload validation error: {problem}"))
}

/// A response with a result.
pub(crate) fn success(id: &Value, result: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "result": result})
}

/// A response with an error.
pub(crate) fn failure(id: &Value, error: &A2aError) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "error": jsonrpc_error(error)})
}

/// The result of an operation in the version of the request; `None` for a stream.
pub(crate) fn result(
    version: ProtocolVersion,
    result: &OperationResult,
    cards: &CardPublisher,
) -> Option<serde_json::Result<Value>> {
    match version {
        ProtocolVersion::V1_0 => current_result(result, cards),
        ProtocolVersion::V0_3 => v03::write_result(result, cards),
    }
}

/// One event of a stream in the version of the request.
pub(crate) fn event(version: ProtocolVersion, event: &StreamResponse) -> serde_json::Result<Value> {
    match version {
        ProtocolVersion::V1_0 => serde_json::to_value(event),
        ProtocolVersion::V0_3 => v03::write_event(event),
    }
}

/// The result of an operation of version 1.0, which is the same in both bindings.
pub(crate) fn current_result(
    result: &OperationResult,
    cards: &CardPublisher,
) -> Option<serde_json::Result<Value>> {
    Some(match result {
        OperationResult::Sent(response) => serde_json::to_value(response),
        OperationResult::Task(task) => serde_json::to_value(task),
        OperationResult::Tasks(tasks) => serde_json::to_value(tasks),
        OperationResult::PushConfig(config) => serde_json::to_value(config),
        OperationResult::PushConfigs(configs) => serde_json::to_value(configs),
        OperationResult::Description(agent) => serde_json::to_value(cards.card(agent)),
        OperationResult::Deleted => Ok(json!({})),
        OperationResult::Stream(_) => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> (Value, ErrorKind) {
        let (id, error) = *RpcRequest::parse(text.as_bytes()).unwrap_err();
        (id, error.kind())
    }

    #[test]
    fn what_is_no_request_is_refused_with_its_id_as_far_as_it_has_one() {
        let (null, invalid) = (Value::Null, ErrorKind::InvalidRequest);
        for (text, id, kind) in [
            ("{", &null, ErrorKind::Parse),
            (r#"{"id":1,"id":2}"#, &null, ErrorKind::Parse),
            ("[]", &null, invalid),
            ("3", &null, invalid),
            (r#"{"jsonrpc":"2.0","method":"GetTask"}"#, &null, invalid),
            (r#"{"jsonrpc":"2.0","id":{},"method":"GetTask"}"#, &null, invalid),
            (r#"{"jsonrpc":"1.0","id":7,"method":"GetTask"}"#, &json!(7), invalid),
            (r#"{"jsonrpc":"2.0","id":"a","method":3}"#, &json!("a"), invalid),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"GetTask","params":[]}"#,
                &json!(1),
                ErrorKind::InvalidParams,
            ),
        ] {
            assert_eq!(refusal(text), (id.clone(), kind), "{text}");
        }
    }

    #[test]
    fn a_method_belongs_to_one_version() {
        let kind = |method: &str, version| {
            let request = RpcRequest { id: json!(1), method: method.into(), params: json!({"id": "t"}) };
            request.operation(version, Interface::Current).map(|_| ()).map_err(|error| error.kind())
        };
        let (old, new) = (ProtocolVersion::V0_3, ProtocolVersion::V1_0);
        assert_eq!(kind("GetTask", new), Ok(()));
        assert_eq!(kind("tasks/get", old), Ok(()));
        assert_eq!(kind("tasks/get", new), Err(ErrorKind::MethodNotFound));
        assert_eq!(kind("GetTask", old), Err(ErrorKind::VersionNotSupported));
        assert_eq!(kind("tasks/other", old), Err(ErrorKind::MethodNotFound));
    }
}
