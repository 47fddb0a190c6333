//! The reasons for which a direct connection is refused or ended: a closed table of words.

macro_rules! direct_refusals {
    ($($(#[$doc:meta])* $name:ident = $word:literal, $meaning:literal;)*) => {
        /// Why an agent does not talk, or no longer talks, to another one directly. The relay may
        /// still carry their messages.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum DirectRefusal {
            $($(#[$doc])* #[doc = $meaning] $name,)*
        }

        impl DirectRefusal {
            /// Every reason.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The word in the close frame.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }

            /// What was found, in one sentence.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$name => $meaning,)* }
            }
        }
    };
}

direct_refusals! {
    WrongKey = "wrong_key", "The key that TLS proved is not the root key of that agent.";
    UnknownPeer = "unknown_peer", "Neither the list of peers, nor an earlier contact, nor the relay knows that agent.";
    KeyChanged = "key_changed", "The agent was known by another root key.";
    BadRecord = "bad_record", "The agent's record does not verify, or is older than one that was seen.";
    NotForUs = "not_for_us", "Another agent listens at this address.";
    Malformed = "malformed", "It does not speak this protocol.";
    TooSlow = "too_slow", "The keys were not proven in time.";
    TooManyConnections = "too_many_connections", "The listener has as many connections as it allows, in total, of that address, or of that agent.";
    WindowExceeded = "window_exceeded", "It sent more unanswered messages than the window allows.";
    Busy = "busy", "The recipient holds as many unacknowledged messages as it can.";
    NotNow = "not_now", "The recipient cannot decide about a message now, for example because of a clock; the relay keeps it.";
    Ending = "ending", "The agent ends, or has new keys.";
}

impl DirectRefusal {
    /// The reason of a close frame. `None` for a word that is newer than its reader.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|reason| reason.as_str() == word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_a_word_of_its_own_that_fits_a_close_frame() {
        for reason in DirectRefusal::ALL {
            assert_eq!(DirectRefusal::from_word(reason.as_str()), Some(*reason));
            assert!(reason.as_str().len() <= 123 && reason.meaning().ends_with('.'));
        }
        assert_eq!(DirectRefusal::from_word("bad_mood"), None);
    }
}
