//! Encodes the content of a message and pads it, so that the ciphertext hides its exact size.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use zeroize::Zeroizing;

use crate::limits::CONTENT_BYTES_MAX;
use crate::strict_json;

/// Bytes of the length that precedes the JSON.
const LENGTH_SIZE: usize = 4;

/// The content of one message.
///
/// ```
/// use msg2agent_protocol::envelope::Content;
///
/// let question = Content::text("Are you there?").with_method("chat.ask");
/// assert_eq!(question.content_type, "text/plain");
/// assert_eq!(question.as_text(), Some("Are you there?"));
/// assert_eq!(format!("{question:?}"), "Content(text/plain)", "a log never holds a body");
/// ```
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Content {
    /// What a request asks for. Agents agree on the names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The media type. With `text/plain`, `content` is a JSON string.
    pub content_type: String,
    #[serde(deserialize_with = "strict_json::value")]
    pub content: Value,
}

/// Why a content cannot be sent or was refused.
#[derive(Debug, thiserror::Error)]
pub enum ContentError {
    #[error("a content's JSON has at most {CONTENT_BYTES_MAX} bytes")]
    TooLong,
    #[error("the padding has another form than this suite writes")]
    Padding,
    #[error("the content is not JSON of the right shape")]
    Shape(#[source] serde_json::Error),
}

impl Content {
    /// A `text/plain` content.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self { method: None, content_type: "text/plain".into(), content: Value::String(text.into()) }
    }

    /// An `application/json` content.
    #[must_use]
    pub fn json(content: Value) -> Self {
        Self { method: None, content_type: "application/json".into(), content }
    }

    /// The same content with a method.
    #[must_use]
    pub fn with_method(mut self, method: impl Into<String>) -> Self {
        self.method = Some(method.into());
        self
    }

    /// The text, when the content is a JSON string.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        self.content.as_str()
    }

    /// The plaintext: the length, the JSON, and zeros up to the next Padmé size.
    pub(super) fn to_plaintext(&self) -> Result<Zeroizing<Vec<u8>>, ContentError> {
        let json = Zeroizing::new(serde_json::to_vec(self).map_err(ContentError::Shape)?);
        let length = u32::try_from(json.len()).map_err(|_| ContentError::TooLong)?;
        if json.len() > CONTENT_BYTES_MAX {
            return Err(ContentError::TooLong);
        }
        let mut plaintext = Zeroizing::new(vec![0; padded(LENGTH_SIZE + json.len())]);
        let (head, tail) = plaintext.split_at_mut(LENGTH_SIZE);
        head.copy_from_slice(&length.to_be_bytes());
        for (to, from) in tail.iter_mut().zip(json.iter()) {
            *to = *from;
        }
        Ok(plaintext)
    }

    pub(crate) fn from_plaintext(plaintext: &[u8]) -> Result<Self, ContentError> {
        let (head, tail) = plaintext.split_first_chunk::<LENGTH_SIZE>().ok_or(ContentError::Padding)?;
        let length = usize::try_from(u32::from_be_bytes(*head)).map_err(|_| ContentError::Padding)?;
        if length > CONTENT_BYTES_MAX {
            return Err(ContentError::TooLong);
        }
        let (json, padding) = tail.split_at_checked(length).ok_or(ContentError::Padding)?;
        if plaintext.len() != padded(LENGTH_SIZE + length) || padding.iter().any(|b| *b != 0) {
            return Err(ContentError::Padding);
        }
        strict_json::from_slice(json).map_err(ContentError::Shape)
    }
}

/// Bodies stay out of logs, so `Debug` prints the media type only.
impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Content({})", self.content_type)
    }
}

/// The Padmé size of a plaintext (Nikitin et al., PETS 2019, algorithm 1). It reveals O(log log n)
/// bits of the length and costs at most 12 %. No plaintext is smaller than 64 bytes.
fn padded(length: usize) -> usize {
    const SMALLEST: usize = 64;
    if length <= SMALLEST {
        return SMALLEST;
    }
    let exponent = length.ilog2();
    let kept = exponent.ilog2() + 1;
    let mask = (1usize << (exponent - kept)) - 1;
    (length + mask) & !mask
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_follow_padme() {
        for (length, size) in
            [(1, 64), (64, 64), (65, 72), (200, 208), (1000, 1024), (9, 64), (10_000, 10_240)]
        {
            assert_eq!(padded(length), size, "{length}");
        }
    }

    #[test]
    fn changed_padding_is_refused() {
        let mut plaintext = Content::text("hi").to_plaintext().unwrap().to_vec();
        assert_eq!(Content::from_plaintext(&plaintext).unwrap(), Content::text("hi"));
        *plaintext.last_mut().unwrap() = 1;
        assert!(matches!(Content::from_plaintext(&plaintext), Err(ContentError::Padding)));
        plaintext.push(0);
        assert!(matches!(Content::from_plaintext(&plaintext), Err(ContentError::Padding)));
    }

    #[test]
    fn debug_output_does_not_tell_the_content() {
        assert_eq!(format!("{:?}", Content::text("canary")), "Content(text/plain)");
    }
}
