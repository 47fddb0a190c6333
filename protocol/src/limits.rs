//! Defines the sizes, counts and times that both sides of the wire respect.
//!
//! Limits that concern one side alone are defined next to the code that enforces them.
//! `docs/limits.md` lists all.

use std::time::Duration;

/// Bytes of one WebSocket text frame. A message of text with its base64 and JSON fits; a video does
/// not.
pub const FRAME_BYTES_MAX: usize = 1 << 20;
/// Bytes of the JSON of an envelope: a frame without the JSON-RPC members around it.
pub const ENVELOPE_BYTES_MAX: usize = FRAME_BYTES_MAX - 1024;
/// Bytes of the JSON of a content before padding. With base64 (4/3) and padding (at most 12 %) it
/// fits an envelope.
pub const CONTENT_BYTES_MAX: usize = 640 * 1024;
/// Bytes of a decoded protected header. Two DIDs, a thread label and the keys fill half of it.
pub const HEADER_BYTES_MAX: usize = 4096;
/// Bytes of a record. A card with 64 capabilities and long names fits.
pub const RECORD_BYTES_MAX: usize = 64 * 1024;
/// Bytes of a DID.
pub const DID_BYTES_MAX: usize = 400;
/// Bytes of a thread label, which is an identifier and not a title.
pub const THREAD_BYTES_MAX: usize = 64;
/// Nesting of JSON anywhere in the protocol. No thread's stack overflows at this depth.
pub const JSON_DEPTH_MAX: usize = 64;
/// Capabilities of one card.
pub const CAPABILITIES_MAX: usize = 64;
/// Bytes of a capability's id or name, and of a card's name.
pub const LABEL_BYTES_MAX: usize = 128;
/// Bytes of a card's description.
pub const DESCRIPTION_BYTES_MAX: usize = 2048;
/// Signing keys, or encryption keys, of one document: the current one and older ones that overlap
/// with it.
pub const KEYS_PER_USE_MAX: usize = 8;
/// Former root keys of an agent that its administrator's relay announces. A contact that was away
/// through more replacements has to ask a person.
pub const FORMER_ROOT_KEYS_MAX: usize = 8;
/// Agents in one page of a discovery result. 100 cards of ordinary size stay far below a frame.
pub const DISCOVER_PAGE_MAX: usize = 100;
/// Deliveries that a recipient may leave unacknowledged before the relay stops sending.
pub const WINDOW_MESSAGES: u64 = 256;
/// Bytes of envelopes that a recipient may leave unacknowledged before the relay stops sending: 256
/// messages of 4 KiB, or one frame of the largest size.
pub const WINDOW_BYTES: usize = 1 << 20;
/// Notices that wait for one agent, at a relay that announces `refuse`. The oldest is dropped
/// beyond it, and the next one says how many were: they tell less than messages, and must not take
/// their room.
pub const NOTICES_MAX: u32 = 10_000;
/// Sends of one agent without an answer. A client above it does not wait for answers at all.
pub const UNANSWERED_SENDS_MAX: u32 = 4096;
/// Sends per second of one agent on average, where the operator of the relay sets nothing else.
pub const SENDS_PER_SECOND: u32 = 1_000;
/// Sends at once of one agent, where the operator of the relay sets nothing else.
pub const SENDS_BURST: u32 = 2_000;
/// Requests per second of one connection on average, except sends: people and models ask less.
pub const QUERIES_PER_SECOND: u32 = 20;
/// Requests at once of one connection, except sends: a client that looks up all its contacts.
pub const QUERIES_BURST: u32 = 100;
/// Messages in the mailbox of one agent, where the operator of the relay sets nothing else.
pub const MAILBOX_MESSAGES: u32 = 10_000;
/// Bytes in the mailbox of one agent, where the operator of the relay sets nothing else.
pub const MAILBOX_BYTES: u64 = 64 << 20;
/// How far the `created` of a record may be ahead of the relay's clock. A record from the future
/// would lock its own agent out until then.
pub const RECORD_SKEW_GRACE_SECONDS: u64 = CLOCK_SKEW_GRACE_SECONDS;
/// The longest time that a reliable message waits in a mailbox, and the time when its sender gives
/// none: 7 days.
pub const MAX_TTL_SECONDS: u64 = 7 * 24 * 3600;
/// How long an ephemeral message may be in transit before its recipient refuses it.
pub const EPHEMERAL_TTL_SECONDS: u64 = 300;
/// How far a sender's clock may be ahead, and how late beyond its TTL a message may arrive.
pub const CLOCK_SKEW_GRACE_SECONDS: u64 = 300;
/// How long the relay remembers the `(from, id)` of an accepted message, to refuse duplicates.
pub const DEDUP_TTL: Duration = Duration::from_secs(24 * 3600);
/// How long the nonce of a registration is valid. It can be used once.
pub const CHALLENGE_TTL: Duration = Duration::from_secs(30);
/// How long a connection may stay open without registering.
pub const REGISTRATION_TIMEOUT: Duration = Duration::from_secs(10);
/// The interval of the relay's pings.
pub const PING_INTERVAL: Duration = Duration::from_secs(20);
/// How long a connection may be silent before either side closes it: three pings.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// Messages in one proof file.
pub const PROOF_MESSAGES_MAX: usize = 256;
