//! The rules that refuse a request to the core: one closed table of words, reasons and pauses.
//!
//! A client reads the reason. The rule is for whoever runs the relay: several rules share one
//! reason, so that a sender does not learn which of them it met.

use std::time::Duration;

use protocol::Reason;

use super::limits::{DRAIN_RETRY_INTERVAL, OVERLOAD_RETRY_INTERVAL, STORAGE_RETRY_INTERVAL};

macro_rules! send_rules {
    ($($(#[$doc:meta])* $name:ident = $word:literal, $reason:ident, $retry:expr;)*) => {
        /// Why the core refuses a request. Rules of one send are asked in this order.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum SendRule {
            $($(#[$doc])* $name,)*
        }

        impl SendRule {
            /// Every rule.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The word for metrics.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }

            /// What a client is told.
            #[must_use]
            pub const fn reason(self) -> Reason {
                match self { $(Self::$name => Reason::$reason,)* }
            }

            /// When a retry makes sense, if the rule alone decides that.
            #[must_use]
            pub const fn retry_after(self) -> Option<Duration> {
                match self { $(Self::$name => $retry,)* }
            }
        }
    };
}

const NEVER: Option<Duration> = None;
const SOON: Option<Duration> = Some(OVERLOAD_RETRY_INTERVAL);
const AFTER_REPAIR: Option<Duration> = Some(STORAGE_RETRY_INTERVAL);
const AFTER_RESTART: Option<Duration> = Some(DRAIN_RETRY_INTERVAL);

send_rules! {
    /// The sender has a session on this connection. One that is suspended has none: its session is
    /// closed before the suspension is answered.
    Registered = "registered", NotRegistered, NEVER;
    /// The envelope names the agent of the session as its sender.
    OwnName = "own_name", FromMismatch, NEVER;
    /// A reliable message has a ttl in the allowed range, and an ephemeral one has none.
    TtlInRange = "ttl_in_range", InvalidTtl, NEVER;
    /// The envelope has at most the allowed bytes.
    EnvelopeSize = "envelope_size", TooLarge, NEVER;
    /// The relay does not drain. It asks for registrations as well.
    NotDraining = "not_draining", Draining, AFTER_RESTART;
    /// The sender has a token.
    SenderRate = "sender_rate", RateLimited, NEVER;
    /// The sender's tenant has a token.
    TenantRate = "tenant_rate", RateLimited, NEVER;
    /// The recipient exists.
    RecipientKnown = "recipient_known", NotFound, NEVER;
    /// Sender and recipient belong to one tenant.
    TenantWall = "tenant_wall", NotFound, NEVER;
    /// The recipient was not deleted with its mailbox retained, which nobody will ever read.
    RecipientReads = "recipient_reads", NotFound, NEVER;
    /// The recipient of an ephemeral message is connected.
    RecipientOnline = "recipient_online", RecipientOffline, NEVER;
    /// An ephemeral message fits into the recipient's delivery window.
    WindowRoom = "window_room", Overloaded, SOON;
    /// No failed row with this id may be on disk.
    IdCertain = "id_certain", StorageUnavailable, AFTER_REPAIR;
    /// No other message has this id.
    IdUnused = "id_unused", DuplicateId, NEVER;
    /// Not too many sends of the sender wait for their answer.
    UnansweredSends = "unanswered_sends", Overloaded, SOON;
    /// The relay's memory has room for the message.
    MemoryRoom = "memory_room", Overloaded, SOON;
    /// The queue to the store has room for a row.
    WriteQueueRoom = "write_queue_room", Overloaded, SOON;
    /// The recipient's mailbox has room for the message.
    MailboxRoom = "mailbox_room", MailboxFull, AFTER_REPAIR;
    /// The mailboxes of the tenant and of the relay have room for the message.
    StorageRoom = "storage_room", StorageFull, AFTER_REPAIR;
    /// The store takes messages, unless the recipient's connection takes this one.
    StoreWorks = "store_works", StorageUnavailable, AFTER_REPAIR;
    /// The store's last write does not hang, unless the recipient's connection takes this message.
    StoreAnswers = "store_answers", Overloaded, SOON;
    /// The deduplication table has room for one more id.
    IdRoom = "id_room", Overloaded, SOON;
    /// Every request gets one answer: a repetition on a connection comes after the answer to the
    /// first.
    OneAnswer = "one_answer", Overloaded, SOON;
    /// How the message ended is on disk, before a repetition is told so.
    EndOnDisk = "end_on_disk", Overloaded, SOON;
    /// The message with this id has not ended.
    NotEnded = "not_ended", Ended, NEVER;
    /// The recipient takes the message.
    RecipientTakes = "recipient_takes", Refused, NEVER;
    /// The recipient was not removed meanwhile.
    RecipientStays = "recipient_stays", NotFound, NEVER;
    /// A connection has the session of one agent only.
    OneAgent = "one_agent", Forbidden, NEVER;
    /// The tables of the core agree.
    TablesAgree = "tables_agree", Internal, NEVER;
}

impl SendRule {
    /// Whether a send that breaks this rule has taken its tokens: asking for a recipient or for
    /// room counts as a send.
    pub(super) fn is_rate_limited(self) -> bool {
        self > Self::TenantRate
    }
}

#[cfg(test)]
mod tests {
    use protocol::reason::Retry;

    use super::*;

    #[test]
    fn a_rule_has_a_pause_if_the_same_request_can_succeed_later() {
        for rule in SendRule::ALL {
            let pause = matches!(rule.reason().retry(), Retry::Later | Retry::Reconnected);
            // The pause of a rate limit is computed, and of the others nobody can know it.
            let unknown =
                matches!(rule.reason(), Reason::RateLimited | Reason::RecipientOffline | Reason::Internal);
            assert_eq!(rule.retry_after().is_some(), pause && !unknown, "{rule:?}");
        }
    }

    #[test]
    fn each_rule_has_a_word_of_its_own() {
        let words: std::collections::BTreeSet<&str> =
            SendRule::ALL.iter().map(|rule| rule.as_str()).collect();
        assert_eq!(words.len(), SendRule::ALL.len());
        assert!(words.iter().all(|word| word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')));
    }
}
