//! Defines the reasons for which a request is refused: one closed table of codes, texts and advice.
//!
//! A retired number is never used again.
//!
//! ```
//! use msg2agent_protocol::Reason;
//!
//! let reason = Reason::MailboxFull;
//! assert_eq!(reason.as_str(), "mailbox_full");
//! assert_eq!((reason.code(), reason.http_status()), (-32014, 429));
//! assert_eq!(reason.advice(), "the recipient's mailbox is full; wait until it is read");
//! ```

use serde::{Deserialize, Serialize};

/// Whether and when a refused request may be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Retry {
    /// The same request, after `retryAfterMs`, or after a second if the error says no time.
    Later,
    /// The same request on a new connection.
    Reconnected,
    /// The same request, once the agent has registered on this connection.
    Registered,
    /// Only another request, or the same one after somebody has changed something. The advice of
    /// the reason says what.
    Changed,
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $word:literal, $status:literal, $retry:ident, $advice:literal;)*) => {
        /// Why a request was refused: `error.data.reason` of a frame and `reason` of a problem
        /// body.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum Reason {
            $($(#[$doc])* #[serde(rename = $word)] $name,)*
        }

        impl Reason {
            /// Every reason.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The JSON-RPC error code.
            #[must_use]
            pub const fn code(self) -> i32 {
                match self { $(Self::$name => $code,)* }
            }

            /// The text on the wire.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }

            /// The status of a refusal over HTTP.
            #[must_use]
            pub const fn http_status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }

            /// Whether and when the same request may be sent again.
            #[must_use]
            pub const fn retry(self) -> Retry {
                match self { $(Self::$name => Retry::$retry,)* }
            }

            /// What the other side should do, in one sentence.
            #[must_use]
            pub const fn advice(self) -> &'static str {
                match self { $(Self::$name => $advice,)* }
            }
        }
    };
}

reasons! {
    /// The frame is not one JSON object, has duplicate members, or is nested too deeply.
    Malformed = -32700, "malformed", 400, Changed, "send one JSON-RPC 2.0 object without duplicate members";
    InvalidRequest = -32600, "invalid_request", 400, Changed, "send jsonrpc 2.0 with an id and a method";
    UnknownMethod = -32601, "unknown_method", 404, Changed, "use a method of the protocol version in the subprotocol";
    InvalidParams = -32602, "invalid_params", 400, Changed, "send the parameters this method documents";
    /// The relay failed.
    Internal = -32603, "internal", 500, Later, "try again; if it keeps failing, ask the operator of the relay";
    NotRegistered = -32001, "not_registered", 403, Registered, "register first: relay.challenge, then relay.register";
    ChallengeUnknown = -32002, "challenge_unknown", 403, Registered, "ask for a new challenge; each can be used once, within 30 s";
    BadSignature = -32003, "bad_signature", 403, Changed, "sign the nonce, domain and record hash with a signing key of the record";
    BadRecord = -32004, "bad_record", 400, Changed, "send a record whose documents verify for this DID";
    /// The DID is registered with another root key.
    KeyConflict = -32005, "key_conflict", 409, Changed, "this DID belongs to another key; use that key, or ask the tenant's admin";
    RecordRollback = -32006, "record_rollback", 409, Changed, "a newer record is registered; sign a new one with the current time";
    /// The credential is not for this DID.
    Forbidden = -32007, "forbidden", 403, Changed, "this credential is not for this DID";
    Suspended = -32008, "suspended", 403, Changed, "the agent or its tenant is suspended; ask the tenant's admin";
    FromMismatch = -32009, "from_mismatch", 403, Changed, "send from the DID this session registered";
    /// The agent does not exist, or is in another tenant. The two answers do not differ.
    NotFound = -32010, "not_found", 404, Changed, "nothing of this name that this caller may reach";
    RecipientOffline = -32011, "recipient_offline", 404, Later, "an ephemeral message needs a recipient that is online";
    TooLarge = -32012, "too_large", 413, Changed, "send less, or send it in parts";
    RateLimited = -32013, "rate_limited", 429, Later, "wait for retryAfterMs, then send more slowly";
    MailboxFull = -32014, "mailbox_full", 429, Later, "the recipient's mailbox is full; wait until it is read";
    DuplicateId = -32015, "duplicate_id", 409, Changed, "this id was used for another message; use a new one";
    StorageUnavailable = -32016, "storage_unavailable", 503, Later, "the relay cannot store; send again after retryAfterMs";
    Draining = -32017, "draining", 503, Reconnected, "the relay is restarting; reconnect and send again";
    Overloaded = -32018, "overloaded", 503, Later, "wait for retryAfterMs, then send again";
    InvalidTtl = -32019, "invalid_ttl", 400, Changed, "give a reliable message a ttl of 1 to 604800 seconds, and an ephemeral one none";
    KeyMissing = -32020, "key_missing", 401, Changed, "send the API key as Authorization: Bearer sk_live_...";
    KeyUnknown = -32021, "key_unknown", 401, Changed, "the relay does not know this API key; it may have been revoked";
    KeyExpired = -32022, "key_expired", 401, Changed, "this API key has expired; read the current one";
    SubprotocolMissing = -32023, "subprotocol_missing", 400, Changed, "offer the WebSocket subprotocol msg2agent.v1";
    /// Admin API only.
    QuotaExceeded = -32024, "quota_exceeded", 409, Changed, "the tenant already has the most agents it may have; delete one or raise its limit";
    TokenInvalid = -32025, "token_invalid", 401, Changed, "send the admin token as Authorization: Bearer";
    /// Admin API only: the entry belongs to another owner.
    OwnerConflict = -32026, "owner_conflict", 409, Changed, "another owner made this entry; change it there, or hand it over";
    /// Admin API only: a leader with a later term has written.
    StaleTerm = -32027, "stale_term", 409, Changed, "another replica leads the control plane; stop writing";
    /// The recipient received the message and will never process it. The error says why.
    Refused = -32028, "refused", 409, Changed, "the recipient refused this message; see data.refusal";
    /// The message with this id has expired, was dropped or was refused. The error says which.
    Ended = -32029, "ended", 409, Changed, "the message with this id has ended, see data.outcome; use a new id to send it again";
    /// The record's `created` is too far ahead of the relay's clock.
    RecordInFuture = -32030, "record_in_future", 400, Changed, "set the clock of this machine, then sign the record again";
    /// A quota of the tenant or of the whole relay is used up. The error says which.
    StorageFull = -32031, "storage_full", 503, Later, "the mailboxes of the tenant or of the relay are full; wait until they are read";
    /// This key, agent, tenant or address has its share of the connections. The error says which.
    TooManyConnections = -32032, "too_many_connections", 429, Later, "close connections that are not used, or wait for retryAfterMs";
    /// HTTP only.
    BadRequest = -32033, "bad_request", 400, Changed, "send the request that this path documents";
    /// HTTP only.
    MethodNotAllowed = -32034, "method_not_allowed", 405, Changed, "use the method in the header Allow";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_words_are_used_once() {
        for (index, a) in Reason::ALL.iter().enumerate() {
            for b in &Reason::ALL[index + 1..] {
                assert_ne!(a.code(), b.code());
                assert_ne!(a.as_str(), b.as_str());
            }
            assert_eq!(serde_json::to_value(a).unwrap(), a.as_str());
            let overload = matches!(a.http_status(), 503) || matches!(a, Reason::RateLimited);
            assert!(!overload || matches!(a.retry(), Retry::Later | Retry::Reconnected), "{a:?}");
        }
    }
}
