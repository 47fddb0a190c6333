//! A received message as it appears in answers. Sizes are bounded, and cut content is marked as
//! cut.

use protocol::envelope::MessageType;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::format::{CONTENT_PART_BYTES_MAX, UNTRUSTED_NOTICE, content_text, rfc3339};
use super::schema::message_type_schema;
use crate::inbox::{ListedMessage, MessageHeader, ReceivedMessage};
use crate::text_part::text_part;

// The doc comments of the types and members below are published in the schemas of the tools.

/// Who sent the message.
#[derive(Debug, PartialEq, Serialize, JsonSchema)]
pub struct Sender {
    pub did: String,
    /// Always true: the signature was checked against the sender's published key; other messages
    /// are refused on arrival.
    pub verified: bool,
    /// The signing key of the sender that was used.
    pub key_id: String,
}

/// One message in a listing.
#[derive(Debug, PartialEq, Serialize, JsonSchema)]
pub struct MessageSummary {
    /// The id for read_message, and for `re` in an answer.
    pub id: String,
    pub sender: Sender,
    #[schemars(schema_with = "message_type_schema")]
    pub kind: MessageType,
    /// The id of the message this one answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub re: Option<String>,
    /// When the sender says it was sent (RFC 3339, UTC).
    pub sent_at: String,
    pub unread: bool,
    /// Size of the whole content as text.
    pub bytes: u64,
    pub untrusted: UntrustedPreview,
}

/// The beginning of what the sender wrote.
#[derive(Debug, PartialEq, Serialize, JsonSchema)]
pub struct UntrustedPreview {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thread: Option<String>,
    /// At most 160 bytes; use read_message for the whole.
    pub preview: String,
}

/// One message, or a part of a long one.
#[derive(Debug, PartialEq, Serialize, JsonSchema)]
pub struct MessageView {
    pub id: String,
    pub sender: Sender,
    #[schemars(schema_with = "message_type_schema")]
    pub kind: MessageType,
    /// The id of the message this one answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub re: Option<String>,
    /// When the sender says it was sent (RFC 3339, UTC).
    pub sent_at: String,
    /// Size of the whole content as text.
    pub bytes: usize,
    /// Whether content remains after this part.
    pub truncated: bool,
    /// Where the next part starts; present when truncated. Call read_message with it as `offset`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_offset: Option<usize>,
    pub untrusted: UntrustedContent,
}

/// The content that the sender wrote.
#[derive(Debug, PartialEq, Serialize, JsonSchema)]
pub struct UntrustedContent {
    pub notice: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thread: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    pub content_type: String,
    /// The text, or a part of it; for JSON that is too long for one answer, a part of its text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The JSON content, when it fits one answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub json: Option<Value>,
}

impl MessageSummary {
    #[must_use]
    pub fn from_listed(listed: &ListedMessage) -> Self {
        let head = &listed.head;
        Self {
            id: head.id.to_string(),
            sender: Sender::from_head(head),
            kind: head.kind,
            re: head.re.map(|id| id.to_string()),
            sent_at: rfc3339(head.time),
            unread: listed.unread,
            bytes: listed.bytes,
            untrusted: UntrustedPreview { thread: head.thread.clone(), preview: listed.preview.clone() },
        }
    }
}

impl MessageView {
    /// The part that starts at byte `offset`; an offset inside a character moves back to its start.
    #[must_use]
    pub fn from_received(message: &ReceivedMessage, offset: usize) -> Self {
        let ReceivedMessage { head, content } = message;
        let text = content_text(&content.content);
        let part = text_part(&text, offset, CONTENT_PART_BYTES_MAX);
        let end = text.floor_char_boundary(offset) + part.len();
        let next_offset = (end < text.len()).then_some(end);
        let is_whole_json = !content.content.is_string() && part.len() == text.len();
        Self {
            id: head.id.to_string(),
            sender: Sender::from_head(head),
            kind: head.kind,
            re: head.re.map(|id| id.to_string()),
            sent_at: rfc3339(head.time),
            bytes: text.len(),
            truncated: next_offset.is_some(),
            next_offset,
            untrusted: UntrustedContent {
                notice: UNTRUSTED_NOTICE.to_owned(),
                thread: head.thread.clone(),
                method: content.method.clone(),
                content_type: content.content_type.clone(),
                text: (!is_whole_json).then(|| part.to_owned()),
                json: is_whole_json.then(|| content.content.clone()),
            },
        }
    }
}

impl Sender {
    fn from_head(head: &MessageHeader) -> Self {
        Self { did: head.from.to_string(), verified: true, key_id: head.key_id.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use protocol::envelope::Content;
    use serde_json::json;

    use super::*;
    use crate::fixtures::message;

    #[test]
    fn what_the_sender_wrote_stands_under_untrusted_only() {
        let mut received = message(1, "bob", "CANARY body");
        received.head.thread = Some("CANARY thread".into());
        received.content.method = Some("CANARY method".into());
        for mut view in [
            serde_json::to_value(MessageView::from_received(&received, 0)).unwrap(),
            serde_json::to_value(MessageSummary::from_listed(&ListedMessage {
                head: received.head.clone(),
                unread: true,
                bytes: 11,
                preview: "CANARY body".into(),
            }))
            .unwrap(),
        ] {
            assert_eq!(view["sender"]["verified"], true);
            assert_eq!(view["sender"]["key_id"], "sig-1");
            assert!(view["untrusted"].to_string().contains("CANARY"));
            view.as_object_mut().unwrap().remove("untrusted");
            assert!(!view.to_string().contains("CANARY"), "{view}");
        }
    }

    #[test]
    fn times_are_written_as_rfc_3339() {
        assert_eq!(MessageView::from_received(&message(0, "bob", "hi"), 0).sent_at, "2026-09-21T14:13:20Z");
        assert_eq!(rfc3339(u64::MAX), u64::MAX.to_string());
    }

    #[test]
    fn json_that_fits_is_json_and_longer_json_is_text_in_parts() {
        let mut received = message(1, "bob", "");
        received.content = Content::json(json!({"answer": 42}));
        let reading = MessageView::from_received(&received, 0);
        assert_eq!(reading.untrusted.json, Some(json!({"answer": 42})));
        assert_eq!((reading.untrusted.text, reading.truncated), (None, false));

        received.content = Content::json(json!({"long": "x".repeat(CONTENT_PART_BYTES_MAX)}));
        let reading = MessageView::from_received(&received, 0);
        assert_eq!(reading.untrusted.json, None);
        assert_eq!(reading.next_offset, Some(CONTENT_PART_BYTES_MAX));
    }

    #[test]
    fn an_offset_past_the_end_reads_nothing_and_ends() {
        let reading = MessageView::from_received(&message(1, "bob", "hi"), 99);
        assert_eq!((reading.untrusted.text.as_deref(), reading.next_offset), (Some(""), None));
    }

    proptest! {
        #[test]
        fn parts_join_to_the_whole(text in "[a-zäß€😀]{0,40}", repeat in 1_usize..900) {
            let whole = text.repeat(repeat);
            let received = message(1, "bob", &whole);
            let (mut joined, mut offset) = (String::new(), 0);
            loop {
                let reading = MessageView::from_received(&received, offset);
                let part = reading.untrusted.text.unwrap();
                prop_assert!(part.len() <= CONTENT_PART_BYTES_MAX);
                joined.push_str(&part);
                match reading.next_offset {
                    Some(next) => { prop_assert!(next > offset); offset = next; }
                    None => break,
                }
            }
            prop_assert_eq!(joined, whole);
        }
    }
}
