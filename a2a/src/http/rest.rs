//! The HTTP+JSON binding: reads requests from path, query and body (specification 11).

use axum::http::Method;
use serde_json::{Map, Value};

use super::body;
use super::version::VERSION_HEADER;
use crate::error::A2aError;
use crate::operation::{Operation, OperationName};
use crate::proto_json::FieldViolation;

/// Reads an operation. What is in the path may be in the body too, with the same value.
pub(crate) fn operation(
    name: OperationName,
    method: &Method,
    path: Map<String, Value>,
    query: &str,
    body: &[u8],
) -> Result<Operation, A2aError> {
    let mut request = if *method == Method::POST { body_fields(body)? } else { query_fields(query)? };
    for (field, value) in path {
        match request.get(&field) {
            Some(other) if *other != value && other.as_str() != Some("") => {
                return Err(FieldViolation::new(field, "is not the same as in the path").into());
            }
            _ => request.insert(field, value),
        };
    }
    Ok(Operation::read(name, &Value::Object(request))?)
}

fn body_fields(body: &[u8]) -> Result<Map<String, Value>, A2aError> {
    if body.is_empty() {
        return Ok(Map::new());
    }
    match body::parse(body)? {
        Value::Object(members) => Ok(members),
        _ => Err(FieldViolation::new("body", "must be an object").into()),
    }
}

/// The parameters of a query by the name of their field (specification 11.5). A repeated one is
/// refused, as a repeated member is.
pub(crate) fn query_fields(query: &str) -> Result<Map<String, Value>, A2aError> {
    let mut fields = Map::new();
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        if name.eq_ignore_ascii_case(VERSION_HEADER) {
            continue;
        }
        if fields.contains_key(name.as_ref()) {
            return Err(FieldViolation::new(name, "is there twice").into());
        }
        let value = match value.as_ref() {
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            text => Value::from(text),
        };
        fields.insert(name.into_owned(), value);
    }
    Ok(fields)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use serde_json::json;

    fn list(query: &str) -> Result<Operation, A2aError> {
        operation(OperationName::ListTasks, &Method::GET, Map::new(), query, b"")
    }

    #[test]
    fn query_parameters_have_the_types_of_their_fields() {
        let query = "A2A-Version=1.0&contextId=a%20b&status=TASK_STATE_WORKING&pageSize=10&historyLength=0\
                     &includeArtifacts=true&statusTimestampAfter=2026-01-02T03:04:05Z&unknown=1";
        let Operation::ListTasks(request) = list(query).unwrap() else { panic!("another operation") };
        assert_eq!(
            serde_json::to_value(request).unwrap(),
            json!({
                "contextId": "a b", "status": "TASK_STATE_WORKING", "pageSize": 10, "historyLength": 0,
                "includeArtifacts": true, "statusTimestampAfter": "2026-01-02T03:04:05.000Z"
            })
        );
    }

    #[test]
    fn a_wrong_parameter_is_named() {
        for (query, field) in [
            ("pageSize=150", "pageSize"),
            ("pageSize=0", "pageSize"),
            ("historyLength=-5", "historyLength"),
            ("status=TASK_STATE_RUNNING", "status"),
            ("includeArtifacts=1", "includeArtifacts"),
            ("statusTimestampAfter=yesterday", "statusTimestampAfter"),
            ("contextId=a&contextId=b", "contextId"),
        ] {
            let error = list(query).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidParams, "{query}");
            assert_eq!(error.violations().first().map(|v| v.field.as_str()), Some(field), "{query}");
        }
    }

    #[test]
    fn path_and_body_must_agree() {
        let path = || Map::from_iter([("id".to_owned(), json!("t"))]);
        let cancel = |body: &[u8]| {
            operation(OperationName::CancelTask, &Method::POST, path(), "", body)
                .map_err(|error| error.kind())
        };
        for same in [&b""[..], b"{}", br#"{"id":"t"}"#, br#"{"id":""}"#] {
            assert!(cancel(same).is_ok(), "{same:?}");
        }
        assert_eq!(cancel(br#"{"id":"u"}"#), Err(ErrorKind::InvalidParams));
        assert_eq!(cancel(b"[]"), Err(ErrorKind::InvalidParams));
    }
}
