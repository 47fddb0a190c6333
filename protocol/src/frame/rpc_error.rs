//! Defines the `error` member of a response.

use serde::{Deserialize, Deserializer, Serialize};

use super::Outcome;
use crate::quota::{self, Quota};
use crate::refusal::{self, RefusalReason};
use crate::{Reason, strict_json};

/// The `error` member of a response.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RpcError {
    pub code: i32,
    pub message: String,
    #[serde(deserialize_with = "strict_json::object")]
    pub data: RpcErrorData,
}

/// The `data` member of an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RpcErrorData {
    /// A reason that is newer than its reader is read as [`Reason::Internal`].
    #[serde(deserialize_with = "known_reason")]
    pub reason: Reason,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// With a reason that names a limit: the limit that was met. One that is newer than its reader
    /// is left out.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "quota::known")]
    pub quota: Option<Quota>,
    /// With `refused`: why the recipient refused the message.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "refusal::optional_reason")]
    pub refusal: Option<RefusalReason>,
    /// With `ended`: how the message with this id ended.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "known_outcome")]
    pub outcome: Option<Outcome>,
}

impl RpcError {
    /// An error with the reason's code and advice.
    #[must_use]
    pub fn new(reason: Reason, retry_after_ms: Option<u64>) -> Self {
        let data = RpcErrorData { reason, retry_after_ms, quota: None, refusal: None, outcome: None };
        Self { code: reason.code(), message: reason.advice().to_owned(), data }
    }

    /// The error of a send whose recipient refused the message.
    #[must_use]
    pub fn refused(refusal: RefusalReason) -> Self {
        let mut error = Self::new(Reason::Refused, None);
        error.data.refusal = Some(refusal);
        error
    }

    /// The error of a send with the id of a message that has ended.
    #[must_use]
    pub fn ended(outcome: Outcome) -> Self {
        let mut error = Self::new(Reason::Ended, None);
        error.data.outcome = Some(outcome);
        error
    }

    /// The same error with the limit that was met.
    #[must_use]
    pub const fn with_quota(mut self, quota: Option<Quota>) -> Self {
        self.data.quota = quota;
        self
    }

    /// The same error whose message also says what exactly is wrong.
    #[must_use]
    pub fn with_detail(mut self, detail: Option<&str>) -> Self {
        if let Some(detail) = detail {
            self.message = format!("{}: {detail}", self.message);
        }
        self
    }
}

fn known_reason<'de, D: Deserializer<'de>>(from: D) -> Result<Reason, D::Error> {
    Ok(refusal::known_word(from, Reason::ALL, |reason| reason.as_str())?.unwrap_or(Reason::Internal))
}

fn known_outcome<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Outcome>, D::Error> {
    refusal::known_word(from, &Outcome::ALL, |outcome| outcome.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(data: &str) -> serde_json::Result<RpcErrorData> {
        strict_json::from_str(data)
    }

    #[test]
    fn an_error_says_the_word_of_the_recipient_or_how_the_message_ended() {
        let json = |error| serde_json::to_string::<RpcError>(&error).unwrap();
        let refused = json(RpcError::refused(RefusalReason::Undecryptable));
        assert!(refused.ends_with(r#""data":{"reason":"refused","refusal":"undecryptable"}}"#), "{refused}");
        let ended = json(RpcError::ended(Outcome::Expired));
        assert!(ended.ends_with(r#""data":{"reason":"ended","outcome":"expired"}}"#), "{ended}");
    }

    #[test]
    fn a_detail_follows_the_advice() {
        let error = RpcError::new(Reason::BadRecord, None).with_detail(Some("the card's name is too long"));
        assert!(error.message.ends_with("for this DID: the card's name is too long"), "{}", error.message);
    }

    #[test]
    fn what_is_newer_than_its_reader_is_left_out() {
        let data = read(r#"{"reason":"bad_mood","refusal":"bored","outcome":"lost","x":[1]}"#).unwrap();
        assert_eq!((data.reason, data.refusal, data.outcome), (Reason::Internal, None, None));
        let quota = r#"{"plan":"gold","name":"moons","limit":1,"current":1}"#;
        assert_eq!(read(&format!(r#"{{"reason":"rate_limited","quota":{quota}}}"#)).unwrap().quota, None);
    }

    #[test]
    fn what_is_no_word_is_an_error() {
        for data in
            [r#"{"reason":{"refused":null}}"#, r#"{"reason":1}"#, r#"{"reason":"refused","refusal":[]}"#]
        {
            read(data).unwrap_err();
        }
    }
}
