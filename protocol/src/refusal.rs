//! Defines the reasons for which a recipient refuses a message that the relay delivered to it: a
//! closed table of words.
//!
//! The sender learns the word with the error [`Reason::Refused`](crate::Reason::Refused), or with a
//! notice whose outcome is [`Outcome::Refused`](crate::frame::Outcome::Refused).
//!
//! ```
//! use msg2agent_protocol::refusal::RefusalReason;
//!
//! let reason = RefusalReason::Undecryptable;
//! assert_eq!(reason.as_str(), "undecryptable");
//! assert!(reason.advice().starts_with("look the recipient up again"));
//! ```

use serde::{Deserialize, Deserializer, Serialize};

macro_rules! refusal_reasons {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $word:literal, $meaning:literal, $advice:literal;)*) => {
        /// Why a recipient will never process a message.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum RefusalReason {
            $($(#[$doc])* #[doc = $meaning] #[serde(rename = $word)] $name,)*
        }

        impl RefusalReason {
            /// Every reason.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The word on the wire.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }

            /// The number of the reason in a relay's store. A retired number is never used again.
            #[must_use]
            pub const fn number(self) -> u8 {
                match self { $(Self::$name => $number,)* }
            }

            /// What the recipient found, in one sentence.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$name => $meaning,)* }
            }

            /// What the sender can do, in one sentence.
            #[must_use]
            pub const fn advice(self) -> &'static str {
                match self { $(Self::$name => $advice,)* }
            }
        }
    };
}

refusal_reasons! {
    Malformed = 1, "malformed",
        "It is not an envelope of this protocol, or its header or content cannot be read.",
        "send what this protocol describes; content has at most 640 KiB and 63 levels";
    HeaderMismatch = 2, "header_mismatch",
        "Its outer members contradict its signed header.",
        "send the outer members that the header has";
    UnknownSender = 3, "unknown_sender",
        "The relay gives the recipient no record of the sender.",
        "register, and send it again with a new id";
    BadRecord = 4, "bad_record",
        "The sender's record does not verify.",
        "register a record that verifies, and send it again with a new id";
    KeyChanged = 5, "key_changed",
        "The sender's root key is not the one that the recipient knows it by.",
        "ask the person behind the recipient to accept the new root key";
    BadSignature = 6, "bad_signature",
        "The signature does not verify with a signing key of the sender's record.",
        "sign with a key of the record that is registered, and send it again with a new id";
    NotForUs = 7, "not_for_us",
        "Its signed header names another recipient.",
        "seal it for the recipient";
    NotFresh = 8, "not_fresh",
        "Its time is ahead of all clocks, or older than its ttl and the allowed difference of clocks.",
        "set the clocks of both machines, and send it again with a new id";
    Undecryptable = 9, "undecryptable",
        "It is sealed to a key that the recipient does not have, or its body was changed.",
        "look the recipient up again, seal to its current key, and send it again with a new id";
    SmallOrderKey = 10, "small_order_key",
        "Its ephemeral key has a small order, with which anybody could read it.",
        "use a fresh random ephemeral key";
    WrongResponder = 11, "wrong_responder",
        "It answers a request that was sent to another agent.",
        "answer only requests that were sent to you";
    Rejected = 12, "rejected",
        "The application of the recipient does not want it.",
        "ask the person behind the recipient";
}

/// Reads a reason; one that is newer than its reader is left out.
pub(crate) fn optional_reason<'de, D: Deserializer<'de>>(from: D) -> Result<Option<RefusalReason>, D::Error> {
    known_word(from, RefusalReason::ALL, |reason| reason.as_str())
}

/// Reads one of the known words. Another word is `None`, and what is no text is an error.
pub(crate) fn known_word<'de, D: Deserializer<'de>, T: Copy>(
    from: D,
    known: &[T],
    word_of: fn(T) -> &'static str,
) -> Result<Option<T>, D::Error> {
    let word = String::deserialize(from)?;
    Ok(known.iter().copied().find(|known| word_of(*known) == word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_used_once_and_spelled_as_on_the_wire() {
        for (index, a) in RefusalReason::ALL.iter().enumerate() {
            assert_eq!(serde_json::to_value(a).unwrap(), a.as_str());
            let mut others = RefusalReason::ALL[index + 1..].iter();
            assert!(others.all(|b| a.as_str() != b.as_str() && a.number() != b.number()), "{a:?}");
            assert!(a.meaning().ends_with('.'), "{a:?}");
        }
    }
}
