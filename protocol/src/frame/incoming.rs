//! Parses one frame, on either side of the connection.
//!
//! A frame is one JSON object without duplicate or unknown members and with bounded nesting.

use serde::Deserializer;

use super::*;
use crate::limits::JSON_DEPTH_MAX;
use crate::strict_json;

/// Bytes of a request id's JSON: a string of 64 bytes with its quotes.
const REQUEST_ID_BYTES_MAX: usize = 66;

/// The id of a request: a string or a non-negative integer. It is echoed as its exact JSON.
#[derive(Debug, Clone, Copy)]
pub struct RequestId<'a>(&'a str);

impl<'a> RequestId<'a> {
    /// `None` if this JSON is no id of a request. It must be valid JSON.
    pub(super) fn new(json: &'a str) -> Option<Self> {
        let integer = !json.is_empty() && json.bytes().all(|b| b.is_ascii_digit());
        let fits = json.len() <= REQUEST_ID_BYTES_MAX && (integer || json.starts_with('"'));
        fits.then_some(Self(json))
    }

    /// The id's JSON.
    #[must_use]
    pub fn as_json(&self) -> &'a str {
        self.0
    }
}

/// One frame by its kind. `params` and `result` are the JSON of the member; absent `params` are
/// `{}`.
#[derive(Debug)]
pub enum Incoming<'a> {
    Request { id: RequestId<'a>, method: Cow<'a, str>, params: &'a str },
    Notification { method: Cow<'a, str>, params: &'a str },
    Result { id: RequestId<'a>, result: &'a str },
    Error { id: Option<RequestId<'a>>, error: RpcError },
}

/// Why a frame was refused.
#[derive(Debug, thiserror::Error)]
pub enum IncomingError {
    #[error("the frame is nested deeper than {JSON_DEPTH_MAX}")]
    TooDeep,
    #[error("the frame is not one JSON object with the members of JSON-RPC 2.0")]
    Shape(#[source] serde_json::Error),
    #[error("the frame's {0}")]
    Rpc(&'static str),
}

impl IncomingError {
    /// The reason that the relay answers with.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::TooDeep | Self::Shape(_) => Reason::Malformed,
            Self::Rpc(_) => Reason::InvalidRequest,
        }
    }
}

/// The members of a frame. A member that is `null` is present, and not the same as an absent one.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Frame<'a> {
    #[serde(borrow)]
    jsonrpc: Cow<'a, str>,
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    method: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    params: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    result: Option<&'a RawValue>,
    #[serde(default, deserialize_with = "strict_json::optional_object")]
    error: Option<RpcError>,
}

#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(member: D) -> Result<Option<T>, D::Error> {
    T::deserialize(member).map(Some)
}

impl<'a> Incoming<'a> {
    /// Parses the text of one frame.
    ///
    /// # Errors
    /// [`IncomingError`]. The connection stays open; the relay answers the frame with
    /// [`IncomingError::reason`].
    pub fn parse(text: &'a str) -> Result<Self, IncomingError> {
        if strict_json::nesting(text.as_bytes()) > JSON_DEPTH_MAX {
            return Err(IncomingError::TooDeep);
        }
        let frame: Frame<'a> = strict_json::from_str(text).map_err(IncomingError::Shape)?;
        if frame.jsonrpc != "2.0" {
            return Err(IncomingError::Rpc("jsonrpc is not 2.0"));
        }
        match (frame.method, frame.result, frame.error) {
            (Some(Text(method)), None, None) => {
                let params = frame.params.map_or("{}", RawValue::get);
                Ok(match frame.id.map(request_id).transpose()? {
                    Some(id) => Self::Request { id, method, params },
                    None => Self::Notification { method, params },
                })
            }
            (None, Some(result), None) if frame.params.is_none() => {
                let id = request_id(frame.id.ok_or(IncomingError::Rpc("result has no id"))?)?;
                Ok(Self::Result { id, result: result.get() })
            }
            (None, None, Some(error)) if frame.params.is_none() => {
                let id = frame.id.filter(|id| id.get() != "null");
                Ok(Self::Error { id: id.map(request_id).transpose()?, error })
            }
            _ => Err(IncomingError::Rpc("members are not those of a request, notification or answer")),
        }
    }
}

fn request_id(raw: &RawValue) -> Result<RequestId<'_>, IncomingError> {
    let error = IncomingError::Rpc("id is not a string of at most 64 bytes or a non-negative integer");
    RequestId::new(raw.get()).ok_or(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> Reason {
        Incoming::parse(text).unwrap_err().reason()
    }

    #[test]
    fn requests_and_notifications_are_told_apart_by_the_id() {
        let frame = Incoming::parse(r#"{"jsonrpc":"2.0","id":"7","method":"m","params":{"a":1}}"#).unwrap();
        assert!(
            matches!(frame, Incoming::Request { id, params: r#"{"a":1}"#, .. } if id.as_json() == "\"7\"")
        );
        let frame = Incoming::parse(r#"{"jsonrpc":"2.0","method":"m"}"#).unwrap();
        assert!(matches!(frame, Incoming::Notification { params: "{}", .. }));
    }

    #[test]
    fn params_that_are_null_are_not_absent() {
        let frame = Incoming::parse(r#"{"jsonrpc":"2.0","id":1,"method":"m","params":null}"#).unwrap();
        assert!(matches!(frame, Incoming::Request { params: "null", .. }), "{frame:?}");
    }

    #[test]
    fn what_is_not_one_clear_frame_is_refused() {
        assert_eq!(refused("[]"), Reason::Malformed);
        assert_eq!(refused(r#"{"jsonrpc":"2.0","id":1,"method":"a","method":"b"}"#), Reason::Malformed);
        assert_eq!(refused(r#"{"jsonrpc":"2.0","id":1,"method":"a","Method":"b"}"#), Reason::Malformed);
        assert_eq!(refused(&format!("{}1{}", "[".repeat(65), "]".repeat(65))), Reason::Malformed);
        assert_eq!(refused(r#"{"jsonrpc":"1.0","id":1,"method":"a"}"#), Reason::InvalidRequest);
        assert_eq!(refused(r#"{"jsonrpc":"2.0","id":1.5,"method":"a"}"#), Reason::InvalidRequest);
        assert_eq!(refused(r#"{"jsonrpc":"2.0","id":{},"method":"a"}"#), Reason::InvalidRequest);
        assert_eq!(refused(r#"{"jsonrpc":"2.0","id":null,"method":"a"}"#), Reason::InvalidRequest);
        assert_eq!(refused(r#"{"jsonrpc":"2.0","id":null,"result":1}"#), Reason::InvalidRequest);
        assert_eq!(refused(r#"{"jsonrpc":"2.0","id":1,"method":null,"result":1}"#), Reason::Malformed);
        assert_eq!(refused(r#"{"jsonrpc":"2.0","id":1,"method":"a","error":null}"#), Reason::Malformed);
        assert_eq!(refused(r#"{"jsonrpc":"2.0","id":1,"method":"a","result":1}"#), Reason::InvalidRequest);
    }
}
